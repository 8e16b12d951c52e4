/*
 * policy.c
 *	  The table of retries and fallbacks, one row per kind of failure.
 *
 * Back-off is exponential with full jitter: uniform between 0 and
 * min(8 s, 0.5 s x 2^n) before retry n + 1, the waits of the OpenAI and
 * Anthropic SDKs; a provider's Retry-After replaces it.  A wait that does not
 * fit into the call's deadline is not begun.
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "engine/policy.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LONGEST_MS 8000

typedef struct PolicyRow
{
	int			retries;		/* at the same endpoint */
	bool		next_first;		/* prefer another candidate to waiting */
	bool		next;			/* another candidate may do better */
} PolicyRow;

static const PolicyRow rows[MR_FAILURE_KINDS] = {
	[MR_FAILURE_CONNECT] = {1, true, true},
	[MR_FAILURE_HOST_REFUSED] = {0, false, true},
	[MR_FAILURE_TIMEOUT] = {0, false, true},
	[MR_FAILURE_DEADLINE] = {0, false, false},
	[MR_FAILURE_LOST] = {1, true, true},
	[MR_FAILURE_TRUNCATED] = {1, true, true},
	[MR_FAILURE_RATE_LIMIT] = {3, true, true},
	[MR_FAILURE_QUOTA] = {0, false, true},
	[MR_FAILURE_SERVER] = {2, true, true},
	[MR_FAILURE_AUTH] = {0, false, true},
	[MR_FAILURE_CREDENTIAL] = {0, false, true},
	[MR_FAILURE_NOT_FOUND] = {0, false, true},
	[MR_FAILURE_CONTEXT_LENGTH] = {0, false, true},
	[MR_FAILURE_CONTENT_FILTER] = {0, false, true},
	[MR_FAILURE_BAD_REQUEST] = {0, false, false},
	[MR_FAILURE_MALFORMED] = {0, false, true},
	[MR_FAILURE_TOO_LARGE] = {0, false, true},
	[MR_FAILURE_ENCODING] = {0, false, false},
	[MR_FAILURE_CANCELLED] = {0, false, false},
	[MR_FAILURE_INTERNAL] = {0, false, true}
};

static int64
backoff_ms(int failures)
{
	int64		longest = Min((int64) BACKOFF_FIRST_MS << Min(failures - 1, 8),
							  BACKOFF_LONGEST_MS);

	return (int64) (pg_prng_double(&pg_global_prng_state) * longest);
}

static bool
may_retry(const MrSituation *situation, const PolicyRow *row, int64 *wait_ms)
{
	const MrFailure *failure = situation->failure;

	if (failure->must_not_retry || situation->failures_here > row->retries)
		return false;
	*wait_ms = failure->retry_after_ms >= 0 ? failure->retry_after_ms :
		backoff_ms(situation->failures_here);
	return *wait_ms < situation->time_left_ms;
}

/* The next step after a failed attempt; *wait_ms before a retry. */
MrNextStep
mr_policy_next(const MrSituation *situation, int64 *wait_ms)
{
	const PolicyRow *row = &rows[situation->failure->kind];
	bool		next = row->next && situation->more_candidates;

	*wait_ms = 0;
	if (situation->attempts_left <= 0 || situation->time_left_ms <= 0)
		return MR_NEXT_STOP;
	if (next && row->next_first)
		return MR_NEXT_CANDIDATE;
	if (may_retry(situation, row, wait_ms))
		return MR_NEXT_RETRY;
	return next ? MR_NEXT_CANDIDATE : MR_NEXT_STOP;
}

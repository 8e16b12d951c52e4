/*
 * call.c
 *	  The state machine of a call: a step per state, each of which either
 *	  moves on or says that there is something to wait for.
 *
 * Invariant: from its first step until it is done, the call is in the list of
 * this process's calls; whoever leaves it early (an error, the end of the
 * process) goes through mr_call_abandon, so every exchange ends as one
 * attempt row (I2).
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "engine/call.h"
#include "engine/exchange.h"
#include "engine/policy.h"
#include "engine/record.h"

/* How often a wait for the ledger looks again without being woken. */
#define LEDGER_POLL_US 10000

static dlist_head calls = DLIST_STATIC_INIT(calls);

static void
abandon_at_exit(int code, Datum arg)
{
	mr_call_abandon_all();
}

/*
 * The request, or a copy of it with the number by which it explores.
 */
static const MrRequest *
draw_random(const MrRequest *request)
{
	MrRequest  *drawn;

	if (request->explore == 0)
		return request;
	drawn = palloc(sizeof(MrRequest));
	*drawn = *request;
	while (drawn->random == 0)
		drawn->random = pg_prng_uint64(&pg_global_prng_state);
	return drawn;
}

/*
 * Decides and makes the call; nothing is sent yet.  When no candidate fits it
 * raises, or with on_error null warns and the call is done.  The request must
 * outlive the call.
 */
MrCall *
mr_call_create(MemoryContext parent, const MrRequest *request)
{
	static bool registered = false;
	MemoryContext context = AllocSetContextCreate(parent, "modelroute call",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MrCall	   *call = palloc0(sizeof(MrCall));

	if (!registered)
	{
		before_shmem_exit(abandon_at_exit, 0);
		registered = true;
	}
	call->context = context;
	call->request = draw_random(request);
	call->started_at = GetCurrentTimestamp();
	call->started_us = mr_now_us();
	call->decision = mr_decide(call->request);
	call->decided_us = mr_now_us();
	if (mr_decision_require(call->decision))
		mr_record_caller(call->request, &call->caller);
	else
	{
		call->failure.kind = MR_FAILURE_NO_CANDIDATE;
		call->ended_us = call->decided_us;
		call->state = MR_CALL_DONE;
	}
	MemoryContextSwitchTo(old);
	return call;
}

/* Deletes a call that is done. */
void
mr_call_free(MrCall *call)
{
	Assert(call->state == MR_CALL_DONE);
	MemoryContextDelete(call->context);
}

/* The call is under way: the end of the process must find it. */
static void
enlist(MrCall *call)
{
	if (call->listed)
		return;
	dlist_push_tail(&calls, &call->node);
	call->listed = true;
}

/* Gives the ledger's place back; nothing is left to be done. */
static void
finish(MrCall *call)
{
	mr_ledger_close(&call->ticket);
	if (call->listed)
		dlist_delete(&call->node);
	call->listed = false;
	call->state = MR_CALL_DONE;
}

static void
submit_record(MrCall *call)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);
	MrLedgerRecord *record = mr_record_of_call(call);

	mr_ledger_submit(&call->ticket, record);
	pfree(record);
	MemoryContextSwitchTo(old);
}

/* Hands the final record in. */
static void
end_call(MrCall *call)
{
	call->ended_us = mr_now_us();
	call->state = MR_CALL_RECORDING;
	if (call->call_id == 0)
		return;
	submit_record(call);
	call->recorded = true;
}

static void
fail_call(MrCall *call, MrFailureKind kind)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);

	mr_failure_set(&call->failure, kind, "%s", mr_failure_summary(kind));
	MemoryContextSwitchTo(old);
	end_call(call);
}

/*
 * The same for a call that is left before its end, whatever happens: its
 * place in the ledger must be given back.
 */
static void
end_abandoned(MrCall *call)
{
	PG_TRY();
	{
		end_call(call);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(call->context);
		error = CopyErrorData();
		FlushErrorState();
		ereport(LOG,
				(errmsg("modelroute could not record a cancelled call: %s",
						error->message)));
	}
	PG_END_TRY();
}

/*
 * Nobody waits for the call any more: its exchange is cut, and it is recorded
 * without waiting, as cancelled (cancel, end of the session) or as failed with
 * kind internal (an error here).
 */
void
mr_call_abandon(MrCall *call, MrFailureKind kind)
{
	if (call->state == MR_CALL_DONE)
		return;
	mr_exchange_cut(call, kind);
	if (call->ticket.ready && call->call_id != 0 && !call->recorded &&
		call->ticket.kind == MR_TICKET_SHARED)
	{
		memset(&call->failure, 0, sizeof(call->failure));
		call->failure.kind = kind;
		end_abandoned(call);
	}
	finish(call);
}

/* Abandons every call of this process; when it exits. */
void
mr_call_abandon_all(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &calls)
		mr_call_abandon(dlist_container(MrCall, node, iter.cur),
						MR_FAILURE_CANCELLED);
}

/* A place in the ledger and the call's id. */
static bool
step_opening(MrCall *call)
{
	MrFailureKind kind = MR_FAILURE_NONE;
	MrLedgerAnswer answer;

	enlist(call);
	answer = mr_ledger_open(&call->ticket, &kind);
	if (answer == MR_LEDGER_READY)
		answer = mr_ledger_next_id(&call->ticket, &call->call_id, &kind);
	if (answer == MR_LEDGER_WAIT)
		return false;
	if (answer == MR_LEDGER_FAILED)
		fail_call(call, kind);
	else
		call->state = MR_CALL_READY;
	return true;
}

/* Until the call's deadline; PG_INT64_MAX when it has none. */
int64
mr_call_time_left_ms(const MrCall *call)
{
	if (call->request->total_timeout_ms == 0)
		return PG_INT64_MAX;
	return call->request->total_timeout_ms -
		(mr_now_us() - call->started_us) / 1000;
}

/* After a failed attempt: retry, next candidate, or the end. */
static void
choose_next(MrCall *call)
{
	const MrAttempt *attempt = &call->attempts[call->nattempts - 1];
	int64		wait_ms;
	MrSituation situation = {
		.failure = &attempt->failure,
		.failures_here = ++call->failures_here,
		.attempts_left = call->request->max_attempts - call->nattempts,
		.more_candidates = call->candidate + 1 < call->decision->nchosen,
		.time_left_ms = mr_call_time_left_ms(call)
	};

	switch (mr_policy_next(&situation, &wait_ms))
	{
		case MR_NEXT_RETRY:
			call->rest_until_us = mr_now_us() + wait_ms * 1000;
			call->state = MR_CALL_RESTING;
			break;
		case MR_NEXT_CANDIDATE:
			call->candidate++;
			call->failures_here = 0;
			call->state = MR_CALL_READY;
			break;
		default:
			call->failure = attempt->failure;
			end_call(call);
	}
}

/* Frees what the last attempt needed. */
static void
drop_attempt(MrCall *call)
{
	if (call->attempt_context)
		MemoryContextDelete(call->attempt_context);
	call->attempt_context = NULL;
	call->secret = NULL;
}

/* Makes the next attempt, and sends it or its intent first. */
static bool
step_ready(MrCall *call)
{
	MrFailureKind kind = MR_FAILURE_NONE;
	int64		attempt_id;
	MrLedgerAnswer answer = mr_ledger_next_id(&call->ticket, &attempt_id,
											  &kind);

	if (answer == MR_LEDGER_WAIT)
		return false;
	if (answer == MR_LEDGER_FAILED)
	{
		fail_call(call, kind);
		return true;
	}
	drop_attempt(call);
	if (mr_exchange_prepare(call, attempt_id)->status == MR_ATTEMPT_FAILED)
	{
		call->attempts[call->nattempts - 1].cost_picousd = 0;
		choose_next(call);
	}
	else if (call->ticket.strict)
	{
		call->ticket.intended = true;
		submit_record(call);
		call->state = MR_CALL_INTENDING;
	}
	else
	{
		mr_exchange_send(call);
		call->state = MR_CALL_SENDING;
	}
	return true;
}

/* Strict ledger: the request leaves once its intent is committed. */
static bool
step_intending(MrCall *call)
{
	MrFailureKind kind = MR_FAILURE_NONE;
	MrLedgerAnswer answer = mr_ledger_poll(&call->ticket, &kind);

	if (answer == MR_LEDGER_WAIT)
		return false;
	if (answer == MR_LEDGER_FAILED)
	{
		MrAttempt  *attempt = &call->attempts[call->nattempts - 1];

		attempt->status = MR_ATTEMPT_FAILED;
		attempt->failure.kind = kind;
		attempt->cost_picousd = 0;
		fail_call(call, kind);
		return true;
	}
	mr_exchange_send(call);
	call->state = MR_CALL_SENDING;
	return true;
}

static bool
step_resting(MrCall *call)
{
	if (mr_now_us() < call->rest_until_us)
		return false;
	call->state = MR_CALL_READY;
	return true;
}

static bool
step_sending(MrCall *call)
{
	const MrAttempt *attempt = &call->attempts[call->nattempts - 1];

	if (!mr_exchange_finish(call))
		return false;
	if (attempt->failure.kind == MR_FAILURE_NONE)
		end_call(call);
	else
		choose_next(call);
	return true;
}

static bool
step_recording(MrCall *call)
{
	MrFailureKind kind = MR_FAILURE_NONE;
	MrLedgerAnswer answer = call->recorded ?
		mr_ledger_poll(&call->ticket, &kind) : MR_LEDGER_READY;

	if (answer == MR_LEDGER_WAIT)
		return false;
	if (answer == MR_LEDGER_FAILED)
		mr_failure_set(&call->failure, kind, "%s", mr_failure_summary(kind));
	finish(call);
	return true;
}

static bool (*const steps[]) (MrCall *call) =
{
	[MR_CALL_OPENING] = step_opening,
		[MR_CALL_READY] = step_ready,
		[MR_CALL_INTENDING] = step_intending,
		[MR_CALL_RESTING] = step_resting,
		[MR_CALL_SENDING] = step_sending,
		[MR_CALL_RECORDING] = step_recording
};

/* Moves the call as far as it goes without waiting; true when it is done. */
bool
mr_call_advance(MrCall *call)
{
	while (call->state != MR_CALL_DONE)
		if (!steps[call->state] (call))
			return false;
	return true;
}

/*
 * The latest time (monotonic, microseconds) at which the call wants to be
 * advanced again though nothing else woke its process.
 */
int64
mr_call_wake_us(const MrCall *call)
{
	switch (call->state)
	{
		case MR_CALL_RESTING:
			return call->rest_until_us;
		case MR_CALL_SENDING:
			return PG_INT64_MAX;
		default:
			return mr_now_us() + LEDGER_POLL_US;
	}
}

/* The candidate that served, or was tried last; NULL when none fitted. */
const MrCandidate *
mr_call_candidate(const MrCall *call)
{
	if (call->decision->nchosen == 0)
		return NULL;
	return &call->decision->candidates[call->candidate];
}

/* The known cost of all attempts in pico-USD; MR_COST_UNKNOWN when none is. */
int64
mr_call_cost(const MrCall *call)
{
	int64		cost = MR_COST_UNKNOWN;

	for (int i = 0; i < call->nattempts; i++)
		if (call->attempts[i].cost_picousd != MR_COST_UNKNOWN)
			cost = (cost == MR_COST_UNKNOWN ? 0 : cost) +
				call->attempts[i].cost_picousd;
	return cost;
}

/* How many attempts may have cost something that is not known. */
int
mr_call_unknown_attempts(const MrCall *call)
{
	int			count = 0;

	for (int i = 0; i < call->nattempts; i++)
		if (call->attempts[i].cost_picousd == MR_COST_UNKNOWN)
			count++;
	return count;
}

/* The tokens of all attempts with usage; false when there is none. */
bool
mr_call_usage(const MrCall *call, MrUsage *usage)
{
	bool		any = false;

	memset(usage, 0, sizeof(*usage));
	for (int i = 0; i < call->nattempts; i++)
	{
		const MrUsage *one = &call->attempts[i].usage;

		if (!call->attempts[i].has_usage)
			continue;
		any = true;
		usage->input_uncached += one->input_uncached;
		usage->cache_read += one->cache_read;
		usage->cache_write += one->cache_write;
		usage->output += one->output;
		usage->reasoning += one->reasoning;
		usage->estimated |= one->estimated;
	}
	return any;
}

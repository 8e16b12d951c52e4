/*
 * run.c
 *	  The loop of a backend: advance, let the network move, wait for whichever
 *	  comes first; and the error a failed call becomes.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/run.h"

/* Raises 25006 where nothing may be sent: on a standby. */
void
mr_run_check_allowed(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot send requests during recovery"),
				 errhint("Use route() here, or send from the primary.")));
}

/* Advances all; how many are not done, and when the next wants to be. */
static int
advance_all(MrCall **calls, int ncalls, int64 *wake_us)
{
	int			pending = 0;

	*wake_us = PG_INT64_MAX;
	for (int i = 0; i < ncalls; i++)
	{
		if (mr_call_advance(calls[i]))
			continue;
		pending++;
		*wake_us = Min(*wake_us, mr_call_wake_us(calls[i]));
	}
	return pending;
}

static long
milliseconds_until(int64 wake_us)
{
	int64		left_us;

	if (wake_us == PG_INT64_MAX)
		return -1;
	left_us = wake_us - mr_now_us();
	return left_us <= 0 ? 0 : (long) ((left_us + 999) / 1000);
}

static void
drive(MrCall **calls, int ncalls)
{
	int64		wake_us;

	while (advance_all(calls, ncalls, &wake_us) > 0)
	{
		mr_http_turn();
		if (advance_all(calls, ncalls, &wake_us) == 0)
			break;
		mr_http_wait(milliseconds_until(wake_us), PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
		mr_http_turn();
	}
}

/* What an error raised here means for the calls under way. */
static MrFailureKind
error_kind(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OPERATOR_INTERVENTION ?
		MR_FAILURE_CANCELLED : MR_FAILURE_INTERNAL;
}

/*
 * Drives the calls until all are done.  A cancel or another error ends them
 * at once, each on record, and goes on to the caller.  PG_TRY, because the
 * memory of a failed statement may live on until the user's ROLLBACK, and the
 * sockets must not.  The error is taken off the stack, because recording has
 * to survive errors of its own.
 */
void
mr_run_calls(MrCall **calls, int ncalls)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		mr_http_init();
		drive(calls, ncalls);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		for (int i = 0; i < ncalls; i++)
			mr_call_abandon(calls[i], error_kind(error->sqlerrcode));
		ReThrowError(error);
	}
	PG_END_TRY();
}

/* Raises (or warns of) the failure that ended the call. */
void
mr_call_report(const MrCall *call, int elevel)
{
	const MrFailure *failure = &call->failure;
	const MrEndpoint *endpoint = mr_call_candidate(call)->endpoint;
	const char *message = failure->message ?
		mr_text_from_utf8_lossy(failure->message, strlen(failure->message)) :
		mr_failure_summary(failure->kind);
	const char *ledger_hint = mr_ledger_hint(failure->kind);
	const char *hint = ledger_hint ? ledger_hint :
		mr_failure_hint(failure->kind);
	char		status[64] = "";

	if (failure->http_status)
		snprintf(status, sizeof(status), ", HTTP status %d",
				 failure->http_status);
	ereport(elevel,
			(errcode(mr_failure_sqlstate(failure->kind)),
			 errmsg("%s", mr_failure_summary(failure->kind)),
			 errdetail("Model %s at provider %s%s, after %d attempt(s): %s",
					   endpoint->model, endpoint->provider, status,
					   call->nattempts, message),
			 hint ? errhint("%s", hint) : 0));
}

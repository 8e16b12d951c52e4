/*
 * writer.c
 *	  The worker's side of the ledger: takes queued records and commits them
 *	  in groups.
 *
 * A record that cannot be written for a reason of its own is refused with a
 * log line; when the server lacks resources everything goes back into the
 * queue.  Between the commit and marking the slots nothing checks for
 * interrupts, so a record is never written twice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "ledger/ledger.h"
#include "ledger/slots.h"
#include "ledger/store.h"

#define BATCH_SLOTS 256

/* What this worker has taken and not yet finished. */
static int	taken[BATCH_SLOTS];
static int	ntaken;

/* Of a batch that failed, so many are still to be tried one by one. */
static int	one_by_one;

/* The strictest wish of the batch's owners. */
static void
follow_synchronous_commit(int wish)
{
	if (synchronous_commit != wish)
		synchronous_commit = wish;
}

static void
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
write_taken(void)
{
	int			strictest = SYNCHRONOUS_COMMIT_OFF;
	MrLedgerRecord *record = palloc(sizeof(MrLedgerRecord));
	MrStore    *store = mr_store_open();

	for (int i = 0; i < ntaken; i++)
	{
		int			wish;

		mr_record_unpack(mr_slots_record(taken[i], &wish), record);
		strictest = Max(strictest, wish);
		mr_store_record(store, record);
	}
	mr_store_close(store);
	follow_synchronous_commit(strictest);
}

/* Locks what a batch will lock, unless somebody is in the way. */
static bool
lock_tables_at_once(void)
{
	static const char *const tables[] = {"audit", "attempt"};

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		RangeVar   *name = makeRangeVar("modelroute", pstrdup(tables[i]), -1);

		if (!OidIsValid(RangeVarGetRelidExtended(name, RowExclusiveLock,
												 RVR_MISSING_OK |
												 RVR_SKIP_LOCKED,
												 NULL, NULL)))
			return false;
	}
	return true;
}

/* Writes what was taken in one transaction; false when it may not wait. */
static bool
write_batch(bool may_wait)
{
	bool		written = true;

	debug_query_string = "modelroute ledger: writing audit records";
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	begin_transaction();
	if (may_wait || lock_tables_at_once())
		write_taken();
	else
		written = false;
	end_transaction();
	return written;
}

/*
 * Writes up to BATCH_SLOTS queued records in one transaction; their number.
 * On error the transaction is the caller's to abort, then
 * mr_ledger_recover.
 */
int
mr_ledger_write_batch(int database)
{
	int			written;

	ntaken = mr_slots_take(database, taken, one_by_one > 0 ? 1 : BATCH_SLOTS);
	if (ntaken == 0)
		return 0;
	(void) write_batch(true);
	written = ntaken;
	mr_slots_finish(taken, ntaken, MR_SLOT_WRITTEN);
	ntaken = 0;
	one_by_one = Max(one_by_one - 1, 0);
	debug_query_string = NULL;
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	return written;
}

/*
 * For a worker that leaves: writes what is queued, unless it would have to
 * wait for a lock.  True when calls are still under way that may hand in
 * more.
 */
bool
mr_ledger_drain(int database)
{
	while ((ntaken = mr_slots_take(database, taken, BATCH_SLOTS)) > 0)
	{
		if (!write_batch(false))
		{
			mr_slots_put_back(taken, ntaken, true);
			return false;
		}
		mr_slots_finish(taken, ntaken, MR_SLOT_WRITTEN);
	}
	return mr_slots_held(database);
}

/* Errors that pass when the server has room again, or a lock is free. */
static bool
is_passing(int sqlstate)
{
	if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		return true;
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return true;
		default:
			return false;
	}
}

/*
 * After an error and the abort of its transaction: decides what becomes of
 * the records that were being written.  A batch is tried again one by one; a
 * single record that fails by itself is refused.
 */
MrLedgerRetry
mr_ledger_recover(int sqlstate)
{
	int			count = ntaken;
	bool		passing = is_passing(sqlstate);

	if (count == 0)
		return MR_LEDGER_PAUSE;
	ntaken = 0;
	if (count > 1)
	{
		mr_slots_put_back(taken, count, true);
		one_by_one = count;
	}
	else if (passing)
		mr_slots_put_back(taken, count, false);
	else
	{
		one_by_one = Max(one_by_one - 1, 0);
		mr_slots_finish(taken, count, MR_SLOT_REFUSED);
		ereport(LOG,
				(errmsg("modelroute could not write an audit record; it is lost to the ledger")));
	}
	return passing ? MR_LEDGER_PAUSE : MR_LEDGER_AT_ONCE;
}

/* The extension is gone: whoever waits for a record is told so. */
void
mr_ledger_refuse_all(int database)
{
	int			slots[BATCH_SLOTS];
	int			count;

	mr_slots_begin_epoch(database);
	while ((count = mr_slots_take(database, slots, BATCH_SLOTS)) > 0)
		mr_slots_finish(slots, count, MR_SLOT_REFUSED);
}

/* Queues again what an earlier worker of the database left half-done. */
void
mr_ledger_attach(int database)
{
	mr_slots_return(database);
}

/*
 * Keeps the database's stock of ids filled; commits.  On disk, whatever
 * synchronous_commit says: after a crash no id may be given out again.
 */
void
mr_ledger_reserve_ids(int database)
{
	uint32		epoch;
	int64		first;

	if (!mr_slots_want_ids(database, &epoch))
		return;
	begin_transaction();
	first = mr_store_reserve_ids();
	synchronous_commit = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;
	end_transaction();
	mr_slots_add_ids(database, epoch, first, MR_LEDGER_ID_BLOCK);
}

/*
 * launcher.c
 *	  One process that keeps a worker in each database that wants one.
 *
 * It is connected to no database; it reads pg_database to find new and
 * dropped ones.  Each database unknown so far gets one worker, which leaves
 * again when the extension is not there; CREATE EXTENSION and calls ask for
 * one through the registry.  A worker that fails is started again after 1 s,
 * doubling to 5 min; one that had run for a minute starts at once.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/registry.h"
#include "ledger/ledger.h"
#include "worker/worker.h"

#define SCAN_INTERVAL_MS 10000
#define STARTING_LIMIT_MS 30000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LONGEST_MS (5 * 60 * 1000)
#define LIVED_WELL_MS (60 * 1000)
#define LIBRARY "modelroute"

/* Databases that accept connections, in the current memory context. */
static List *
connectable_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!form->datallowconn || form->datconnlimit == -2)
			continue;
		old = MemoryContextSwitchTo(caller);
		databases = lappend_oid(databases, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	return databases;
}

/* Frees the entries of dropped databases, with what is queued for them. */
static void
forget_dropped(List *databases)
{
	MrDatabase *entries;
	int			count;
	List	   *dropped = NIL;
	ListCell   *cell;

	entries = mr_registry_lock(&count);
	for (int i = 0; i < count; i++)
		if (OidIsValid(entries[i].database) && entries[i].worker_pid == 0 &&
			!entries[i].starting &&
			!list_member_oid(databases, entries[i].database))
			dropped = lappend_int(dropped, i);
	mr_registry_unlock();

	foreach(cell, dropped)
	{
		mr_ledger_refuse_all(lfirst_int(cell));
		entries = mr_registry_lock(&count);
		memset(&entries[lfirst_int(cell)], 0, sizeof(MrDatabase));
		mr_registry_unlock();
	}
	list_free(dropped);
}

/* Forgets dropped databases, and asks for a worker in new ones. */
static void
scan_databases(void)
{
	List	   *databases = connectable_databases();
	ListCell   *cell;

	forget_dropped(databases);
	foreach(cell, databases)
	{
		if (mr_registry_find(lfirst_oid(cell)) < 0 &&
			mr_registry_want(lfirst_oid(cell)) < 0)
			ereport(LOG,
					(errmsg("modelroute: more databases than modelroute.max_databases"),
					 errhint("Raise modelroute.max_databases and restart the server.")));
	}
	list_free(databases);
}

static bool
start_worker(Oid database)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "mr_worker_main",
			sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "modelroute worker for database %u", database);
	strlcpy(worker.bgw_type, "modelroute worker", sizeof(worker.bgw_type));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/*
 * Whether the entry needs a worker now; else *next is brought forward to
 * when it will.  A worker that vanished counts as a failure.
 */
static bool
needs_worker(MrDatabase *entry, TimestampTz now, TimestampTz *next)
{
	if (!OidIsValid(entry->database) || entry->worker_pid != 0)
		return false;
	if (entry->starting)
	{
		TimestampTz limit = TimestampTzPlusMilliseconds(entry->started_at,
														STARTING_LIMIT_MS);

		if (now < limit)
		{
			*next = Min(*next, limit);
			return false;
		}
		entry->starting = false;
		entry->wanted = true;
	}
	if (entry->lacks_extension && !entry->wanted)
		return false;
	if (entry->retry_at > now)
	{
		*next = Min(*next, entry->retry_at);
		return false;
	}
	return true;
}

/* Sets when the entry may be tried again should this start come to nothing. */
static void
note_start(MrDatabase *entry, TimestampTz now)
{
	int64		delay_ms;

	if (entry->started_at != 0 &&
		TimestampDifferenceExceeds(entry->started_at, now, LIVED_WELL_MS))
		entry->failures = 0;
	delay_ms = (int64) BACKOFF_FIRST_MS << Min(entry->failures, 20);
	entry->failures++;
	entry->stop = false;
	entry->starting = true;
	entry->started_at = now;
	entry->retry_at =
		TimestampTzPlusMilliseconds(now, Min(delay_ms, BACKOFF_LONGEST_MS));
}

/* Starts what is needed; milliseconds until there may be more to do. */
static long
start_workers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = TimestampTzPlusMilliseconds(now, SCAN_INTERVAL_MS);
	MrDatabase *entries;
	int			count;
	int			refused = 0;

	entries = mr_registry_lock(&count);
	for (int i = 0; i < count; i++)
	{
		if (!needs_worker(&entries[i], now, &next))
			continue;
		note_start(&entries[i], now);
		entries[i].no_worker_slot = !start_worker(entries[i].database);
		if (entries[i].no_worker_slot)
		{
			entries[i].starting = false;
			refused++;
		}
		next = Min(next, entries[i].retry_at);
	}
	mr_registry_unlock();
	if (refused > 0)
		ereport(LOG,
				(errmsg("modelroute: no background worker slot is free for %d databases",
						refused),
				 errhint("Raise max_worker_processes and restart the server.")));
	return TimestampDifferenceMilliseconds(now, next);
}

/* The process that the postmaster starts with the server. */
void
mr_launcher_main(Datum arg)
{
	TimestampTz scanned_at = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	mr_registry_attach_launcher();
	pgstat_report_appname("modelroute launcher");

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		long		sleep_ms;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (TimestampDifferenceExceeds(scanned_at, now, SCAN_INTERVAL_MS))
		{
			scan_databases();
			scanned_at = now;
		}
		sleep_ms = start_workers();
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 sleep_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

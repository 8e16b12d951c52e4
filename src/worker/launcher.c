/*
 * launcher.c
 *	  One process that keeps a worker in each database that wants one.
 *
 * It is connected to no database; it reads pg_database to find new and
 * dropped ones.  Each database unknown so far gets one worker, which leaves
 * again when the extension is not there; CREATE EXTENSION and calls ask for
 * one through the registry.  A worker that fails is started again after 1 s,
 * doubling to 5 min; one that had run for a minute starts at once.  Only a
 * few start at a time, so that many databases do not take every slot of
 * max_worker_processes for a moment.
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
#define SCAN_SHORT_MS 500
#define STARTING_AT_ONCE 4
#define NO_SLOT_RETRY_MS 2000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LONGEST_MS (5 * 60 * 1000)
#define LIVED_WELL_MS (60 * 1000)
#define LIBRARY "modelroute"

/* The workers started by this process, by entry of the registry. */
static BackgroundWorkerHandle **handles;

static long scan_databases(void);
static long start_workers(void);

/* The process that the postmaster starts with the server. */
void
mr_launcher_main(Datum arg)
{
	TimestampTz scan_at = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	mr_registry_attach_launcher();
	pgstat_report_appname("modelroute launcher");
	handles = palloc0(mr_guc_max_databases * sizeof(*handles));

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
		if (now >= scan_at)
			scan_at = TimestampTzPlusMilliseconds(now, scan_databases());
		sleep_ms = Min(start_workers(),
					   TimestampDifferenceMilliseconds(now, scan_at));
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 sleep_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* ----------
 * Which databases there are
 * ----------
 */

/* Databases that have an entry. */
static List *
known_databases(void)
{
	List	   *known = NIL;
	MrDatabase *entries;
	int			count;
	Oid		   *databases = palloc(mr_guc_max_databases * sizeof(Oid));

	entries = mr_registry_lock(&count);
	for (int i = 0; i < count; i++)
		databases[i] = entries[i].database;
	mr_registry_unlock();
	for (int i = 0; i < count; i++)
		if (OidIsValid(databases[i]))
			known = lappend_oid(known, databases[i]);
	pfree(databases);
	return known;
}

/* All databases, and of them those that accept connections. */
static void
read_databases(List **all, List **connectable)
{
	MemoryContext caller = CurrentMemoryContext;
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
		MemoryContext old = MemoryContextSwitchTo(caller);

		*all = lappend_oid(*all, form->oid);
		if (form->datallowconn && form->datconnlimit != -2)
			*connectable = lappend_oid(*connectable, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	pgstat_report_stat(false);
}

/*
 * Forgets dropped databases.  The registry was read before pg_database: an
 * entry made since belongs to a database that was perhaps not seen there.
 */
static void
forget_dropped(List *known, List *present)
{
	ListCell   *cell;

	foreach(cell, known)
	{
		int			entry = mr_registry_find(lfirst_oid(cell));

		if (entry < 0 || list_member_oid(present, lfirst_oid(cell)))
			continue;
		mr_ledger_refuse_all(entry);
		mr_registry_forget(lfirst_oid(cell));
	}
}

/*
 * Asks for a worker in each database that is new since the last scan.
 * Returns those that were seen or asked for now.
 */
static List *
look_into_new(List *connectable, List *seen)
{
	List	   *asked = NIL;
	ListCell   *cell;

	foreach(cell, connectable)
	{
		if (list_member_oid(seen, lfirst_oid(cell)) ||
			mr_registry_want(lfirst_oid(cell)) >= 0)
			asked = lappend_oid(asked, lfirst_oid(cell));
	}
	return asked;
}

/* Forgets dropped databases, looks into new ones; when to scan again. */
static long
scan_databases(void)
{
	static List *seen = NIL;
	List	   *known = known_databases();
	List	   *all = NIL;
	List	   *connectable = NIL;
	List	   *asked;
	long		scan_again_ms = SCAN_INTERVAL_MS;

	read_databases(&all, &connectable);
	forget_dropped(known, all);
	asked = look_into_new(connectable, seen);
	/* entries are free again when those asked for now have been looked into */
	if (list_length(asked) < list_length(connectable) &&
		list_length(asked) > list_length(seen))
		scan_again_ms = SCAN_SHORT_MS;
	list_free(known);
	list_free(all);
	list_free(connectable);
	list_free(seen);
	seen = asked;
	return scan_again_ms;
}

/* ----------
 * Starting workers
 * ----------
 */

/* Takes note of workers that ended; some had not even attached. */
static void
reap_workers(void)
{
	for (int i = 0; i < mr_guc_max_databases; i++)
	{
		MrDatabase *entries;
		int			count;
		pid_t		pid;

		if (handles[i] == NULL ||
			GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
			continue;
		pfree(handles[i]);
		handles[i] = NULL;
		entries = mr_registry_lock(&count);
		entries[i].starting = false;
		mr_registry_unlock();
	}
}

/*
 * Whether the entry needs a worker now; else *next is brought forward to
 * when it will.
 */
static bool
needs_worker(const MrDatabase *entry, TimestampTz now, TimestampTz *next)
{
	if (!OidIsValid(entry->database) || entry->worker_pid != 0 ||
		entry->starting)
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

/* The next entry that needs a worker, marked as starting; -1 = none. */
static int
choose_entry(TimestampTz now, TimestampTz *next, Oid *database)
{
	MrDatabase *entries;
	int			count;
	int			starting = 0;
	int			chosen = -1;

	entries = mr_registry_lock(&count);
	for (int i = 0; i < count; i++)
		if (entries[i].starting)
			starting++;
	for (int i = 0; i < count && chosen < 0; i++)
		if (starting < STARTING_AT_ONCE && handles[i] == NULL &&
			needs_worker(&entries[i], now, next))
			chosen = i;
	if (chosen >= 0)
	{
		note_start(&entries[chosen], now);
		*database = entries[chosen].database;
	}
	mr_registry_unlock();
	return chosen;
}

static bool
start_worker(int entry, Oid database)
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
	return RegisterDynamicBackgroundWorker(&worker, &handles[entry]);
}

/* No slot of max_worker_processes was free for the entry, or one is again. */
static void
note_registration(int entry, TimestampTz now, bool registered)
{
	MrDatabase *entries;
	int			count;
	bool		news;

	entries = mr_registry_lock(&count);
	news = !registered && !entries[entry].no_worker_slot;
	entries[entry].no_worker_slot = !registered;
	if (!registered)
	{
		entries[entry].starting = false;
		entries[entry].failures--;
		entries[entry].retry_at =
			TimestampTzPlusMilliseconds(now, NO_SLOT_RETRY_MS);
	}
	mr_registry_unlock();
	if (news)
		ereport(LOG,
				(errmsg("modelroute: no background worker slot is free"),
				 errhint("Raise max_worker_processes and restart the server.")));
}

/* Starts what is needed; milliseconds until there may be more to do. */
static long
start_workers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = TimestampTzPlusMilliseconds(now, SCAN_INTERVAL_MS);
	Oid			database;
	int			entry;

	reap_workers();
	while ((entry = choose_entry(now, &next, &database)) >= 0)
	{
		note_registration(entry, now, start_worker(entry, database));
		next = Min(next, TimestampTzPlusMilliseconds(now, NO_SLOT_RETRY_MS));
	}
	return TimestampDifferenceMilliseconds(now, next);
}

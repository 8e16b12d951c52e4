/*
 * worker.c
 *	  The resident process of one database: writes the ledger in groups.
 *
 * Between transactions it holds nothing: no lock, no snapshot.  An error
 * aborts the transaction at hand and costs a pause at most, not the process.
 * It leaves with exit code 0 when the extension is not (or no longer) there
 * or it was asked to, and with 1 when it was terminated; it first writes what
 * is queued.  The launcher decides whether another one is to come.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/registry.h"
#include "ledger/ledger.h"
#include "worker/worker.h"

#define PAUSE_AFTER_ERROR_MS 1000
#define PAUSE_STEP_MS 100
#define DRAIN_LIMIT_MS 500
#define DRAIN_POLL_MS 10
#define IDLE_MS 60000

static int	registry_entry = -1;
static bool extension_missing;

static void connect_database(Oid database);
static void check_extension(void);
static void serve(MemoryContext work);
static void recover(MemoryContext work);

/* The process that the launcher starts for the database in arg. */
void
mr_worker_main(Datum arg)
{
	sigjmp_buf	on_error;
	MemoryContext work;

	connect_database(DatumGetObjectId(arg));
	work = AllocSetContextCreate(TopMemoryContext, "modelroute worker",
								 ALLOCSET_DEFAULT_SIZES);
	if (sigsetjmp(on_error, 1) != 0)
		recover(work);
	PG_exception_stack = &on_error;
	check_extension();
	for (;;)
	{
		long		flush_ms;

		serve(work);
		flush_ms = pgstat_report_stat(false);
		if (WaitLatch(MyLatch,
					  WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					  flush_ms > 0 ? flush_ms : IDLE_MS,
					  PG_WAIT_EXTENSION) & WL_TIMEOUT && flush_ms <= 0)
			check_extension();
		ResetLatch(MyLatch);
	}
}

/* Whatever way it ends: what is queued waits for the next worker. */
static void
detach(int code, Datum arg)
{
	mr_registry_detach_worker(registry_entry, extension_missing);
}

/*
 * Before it leaves: writes what is queued, and for a moment what is handed in
 * by sessions that end now, too, as all do when the server shuts down.  An
 * error in here is FATAL, and detach comes next.
 */
static void
drain(int code, Datum arg)
{
	TimestampTz limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													DRAIN_LIMIT_MS);

	AbortOutOfAnyTransaction();
	mr_ledger_attach(registry_entry);
	if (extension_missing)
		return;
	while (mr_ledger_drain(registry_entry) &&
		   !mr_registry_worker_must_stop(registry_entry) &&
		   GetCurrentTimestamp() < limit)
	{
		if (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH,
					  DRAIN_POLL_MS, PG_WAIT_EXTENSION) & WL_POSTMASTER_DEATH)
			return;
		ResetLatch(MyLatch);
	}
}

/* What ALTER DATABASE may have set must not get in the way of records. */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"}
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET,
						PGC_S_OVERRIDE);
}

static void
connect_database(Oid database)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pin_settings();
	registry_entry = mr_registry_attach_worker(database);
	if (registry_entry < 0)
		proc_exit(1);
	before_shmem_exit(detach, 0);
	before_shmem_exit(drain, 0);
	mr_ledger_attach(registry_entry);
	pgstat_report_appname("modelroute worker");
}

/* The installed extension, or InvalidOid; in a transaction of its own. */
static Oid
find_extension(void)
{
	Oid			found;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	found = get_extension_oid("modelroute", true);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return found;
}

/*
 * Leaves when the extension is not there.  When it is not the one that this
 * database had before, what is queued was meant for that one's tables.
 */
static void
check_extension(void)
{
	Oid			found = find_extension();
	Oid			before = mr_registry_change_extension(registry_entry, found);

	pgstat_report_activity(STATE_IDLE, NULL);
	if (OidIsValid(before) ? found != before : !OidIsValid(found))
		mr_ledger_refuse_all(registry_entry);
	if (OidIsValid(found))
		return;
	extension_missing = true;
	proc_exit(0);
}

static void
answer_requests(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (mr_registry_worker_must_stop(registry_entry))
		proc_exit(0);
	AcceptInvalidationMessages();
	if (mr_registry_take_wanted(registry_entry))
		check_extension();
}

/* One round: everything that is queued now. */
static void
serve(MemoryContext work)
{
	do
	{
		MemoryContextSwitchTo(work);
		MemoryContextReset(work);
		answer_requests();
		mr_ledger_reserve_ids(registry_entry);
	} while (mr_ledger_write_batch(registry_entry) > 0);
}

/* Lets time pass, though still answering to signals. */
static void
pause_after_error(void)
{
	for (int waited = 0; waited < PAUSE_AFTER_ERROR_MS;
		 waited += PAUSE_STEP_MS)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 PAUSE_STEP_MS, PG_WAIT_EXTENSION);
	}
}

/* Reports the error and cleans up, as AutoVacLauncherMain does; its code. */
static int
end_failed_transaction(MemoryContext work)
{
	int			sqlstate;

	error_context_stack = NULL; /* what it pointed to is gone */
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	sqlstate = geterrcode();
	EmitErrorReport();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	pgstat_report_wait_end();
	MemoryContextSwitchTo(work);
	FlushErrorState();
	MemoryContextReset(work);
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	return sqlstate;
}

static void
recover(MemoryContext work)
{
	int			sqlstate = end_failed_transaction(work);

	if (mr_ledger_recover(sqlstate) == MR_LEDGER_PAUSE)
		pause_after_error();
}

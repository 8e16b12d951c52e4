/*
 * worker.c
 *	  The resident process of one database: writes the ledger in groups.
 *
 * Between transactions it holds nothing: no lock, no snapshot.  An error
 * aborts the transaction at hand and costs a pause, not the process.  It
 * leaves with exit code 0 when the extension is not (or no longer) there or
 * it was asked to, and with 1 when it shall be started again.
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

#include "base/registry.h"
#include "ledger/ledger.h"
#include "worker/worker.h"

#define PAUSE_AFTER_ERROR_MS 1000
#define IDLE_MS 60000

static int	registry_entry = -1;
static bool extension_missing;

static void
detach(int code, Datum arg)
{
	mr_ledger_attach(registry_entry);
	mr_registry_detach_worker(registry_entry, extension_missing);
}

/* True when the extension is installed here; in a transaction of its own. */
static bool
extension_present(void)
{
	bool		present;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	present = OidIsValid(get_extension_oid("modelroute", true));
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return present;
}

static void
leave(int code)
{
	extension_missing = code == 0;
	proc_exit(code);
}

static void
require_extension(void)
{
	if (extension_present())
		return;
	mr_ledger_refuse_all(registry_entry);
	leave(0);
}

/* Clean-up after an error, as AutoVacLauncherMain does it. */
static void
recover(MemoryContext work)
{
	int			sqlstate;
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	sqlstate = error->sqlerrcode;
	FreeErrorData(error);
	EmitErrorReport();
	LWLockReleaseAll();
	AbortCurrentTransaction();
	pgstat_report_wait_end();
	MemoryContextSwitchTo(work);
	FlushErrorState();
	MemoryContextReset(work);
	mr_ledger_recover(registry_entry, sqlstate);
	RESUME_INTERRUPTS();
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 PAUSE_AFTER_ERROR_MS, PG_WAIT_EXTENSION);
}

/* One round: everything that is queued now. */
static void
serve(MemoryContext work)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (mr_registry_worker_must_stop(registry_entry))
		leave(1);
	AcceptInvalidationMessages();
	mr_ledger_reserve_ids(registry_entry);
	while (mr_ledger_write_batch(registry_entry) > 0)
	{
		mr_ledger_reserve_ids(registry_entry);
		MemoryContextReset(work);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
connect_database(Oid database)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	registry_entry = mr_registry_attach_worker(database);
	if (registry_entry < 0)
		proc_exit(1);
	before_shmem_exit(detach, 0);
	mr_ledger_attach(registry_entry);
	pgstat_report_appname("modelroute worker");
}

/* The process that the launcher starts for the database in arg. */
void
mr_worker_main(Datum arg)
{
	sigjmp_buf	on_error;
	MemoryContext work;

	connect_database(DatumGetObjectId(arg));
	work = AllocSetContextCreate(TopMemoryContext, "modelroute worker",
								 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work);
	if (sigsetjmp(on_error, 1) != 0)
		recover(work);
	PG_exception_stack = &on_error;
	require_extension();
	for (;;)
	{
		serve(work);
		if (WaitLatch(MyLatch,
					  WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					  IDLE_MS, PG_WAIT_EXTENSION) & WL_TIMEOUT)
			pgstat_report_stat(true);
		ResetLatch(MyLatch);
	}
}

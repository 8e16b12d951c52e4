/*
 * registry.c
 *	  The table of databases and their workers in shared memory.
 *
 * One LWLock guards everything; nothing is called and no other lock is taken
 * while it is held, but SetLatch.  Latches are published and cleared under
 * it, so a stale one is never set.  Single flags and numbers are also read
 * without it, where a change that comes a moment later is no worse.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/registry.h"
#include "base/shmem.h"

/* A database whose worker was asked to leave gets none for so long. */
#define STOP_HOLD_MS 15000

typedef struct Registry
{
	LWLock		lock;
	int			tranche;
	Latch	   *launcher_latch;
	MrDatabase	databases[FLEXIBLE_ARRAY_MEMBER];
} Registry;

static Registry *registry;

static Size
registry_size(void)
{
	return offsetof(Registry, databases) +
		mr_guc_max_databases * sizeof(MrDatabase);
}

static void
init_registry(void *place)
{
	registry = place;
	registry->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(registry->tranche, "ModelrouteRegistry");
	LWLockInitialize(&registry->lock, registry->tranche);
}

static const MrShmemSegment segment = {
	"modelroute registry", registry_size, init_registry
};

/* Reserves the shared memory; from _PG_init of a preloaded library. */
void
mr_registry_init(void)
{
	mr_shmem_add(&segment);
}

/* Whether the library was preloaded. */
bool
mr_registry_available(void)
{
	return registry != NULL;
}

MrDatabase *
mr_registry_lock(int *count)
{
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	*count = mr_guc_max_databases;
	return registry->databases;
}

void
mr_registry_unlock(void)
{
	LWLockRelease(&registry->lock);
}

/* The entry of a database, made when make is set; -1 = none, or no room. */
static int
find_entry(Oid database, bool make)
{
	int			unused = -1;

	for (int i = 0; i < mr_guc_max_databases; i++)
	{
		if (registry->databases[i].database == database)
			return i;
		if (unused < 0 && !OidIsValid(registry->databases[i].database))
			unused = i;
	}
	if (make && unused >= 0)
	{
		memset(&registry->databases[unused], 0, sizeof(MrDatabase));
		registry->databases[unused].database = database;
	}
	return make ? unused : -1;
}

static void
wake_launcher(void)
{
	if (registry->launcher_latch)
		SetLatch(registry->launcher_latch);
}

/*
 * Asks for a worker in the database; one that is there looks whether the
 * extension still is.  Returns the entry; -1: none is left.
 */
int
mr_registry_want(Oid database)
{
	int			entry;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	entry = find_entry(database, true);
	if (entry >= 0)
	{
		registry->databases[entry].wanted = true;
		if (registry->databases[entry].worker_latch)
			SetLatch(registry->databases[entry].worker_latch);
		else
			wake_launcher();
	}
	LWLockRelease(&registry->lock);
	return entry;
}

/* The entry of a database; -1 = none. */
int
mr_registry_find(Oid database)
{
	int			entry;

	LWLockAcquire(&registry->lock, LW_SHARED);
	entry = find_entry(database, false);
	LWLockRelease(&registry->lock);
	return entry;
}

/* Whether a worker is attached now. */
bool
mr_registry_has_worker(int entry)
{
	return registry->databases[entry].worker_pid != 0;
}

/* Wakes the entry's worker; false when there is none. */
bool
mr_registry_wake_worker(int entry)
{
	Latch	   *latch;

	LWLockAcquire(&registry->lock, LW_SHARED);
	latch = registry->databases[entry].worker_latch;
	if (latch)
		SetLatch(latch);
	LWLockRelease(&registry->lock);
	return latch != NULL;
}

/* Why the entry has no worker, as a sentence for a HINT. */
const char *
mr_registry_problem(int entry)
{
	if (entry < 0)
		return "Raise modelroute.max_databases and restart the server.";
	if (registry->databases[entry].no_worker_slot)
		return "Raise max_worker_processes and restart the server.";
	if (registry->launcher_latch == NULL)
		return "The modelroute launcher is not running: see the server log, and raise max_worker_processes if there are too many background workers.";
	return "See the server log for why the modelroute worker does not start.";
}

/* The calling worker serves the database from now on; its entry, or -1. */
int
mr_registry_attach_worker(Oid database)
{
	int			entry;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	entry = find_entry(database, true);
	if (entry >= 0 && registry->databases[entry].worker_pid == 0)
	{
		registry->databases[entry].worker_pid = MyProcPid;
		registry->databases[entry].worker_latch = MyLatch;
		registry->databases[entry].starting = false;
		registry->databases[entry].wanted = false;
		registry->databases[entry].started_at = GetCurrentTimestamp();
		wake_launcher();		/* others may wait for their turn to start */
	}
	else
		entry = -1;
	LWLockRelease(&registry->lock);
	return entry;
}

/* The worker leaves; a database without the extension needs no entry. */
void
mr_registry_detach_worker(int entry, bool extension_missing)
{
	MrDatabase *database = &registry->databases[entry];

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	database->worker_pid = 0;
	database->worker_latch = NULL;
	if (extension_missing && !database->wanted)
		memset(database, 0, sizeof(*database));
	else if (extension_missing)
	{
		/* made again in the meantime: not a failure */
		database->failures = 0;
		database->retry_at = 0;
	}
	wake_launcher();
	LWLockRelease(&registry->lock);
}

/* Whether the worker of the entry was asked to leave. */
bool
mr_registry_worker_must_stop(int entry)
{
	return registry->databases[entry].stop;
}

/* Whether somebody wanted a worker since this one attached or last asked. */
bool
mr_registry_take_wanted(int entry)
{
	bool		wanted;

	if (!registry->databases[entry].wanted)
		return false;
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	wanted = registry->databases[entry].wanted;
	registry->databases[entry].wanted = false;
	LWLockRelease(&registry->lock);
	return wanted;
}

/* Notes the extension that the entry's worker serves; returns the last. */
Oid
mr_registry_change_extension(int entry, Oid extension)
{
	Oid			before;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	before = registry->databases[entry].extension;
	registry->databases[entry].extension = extension;
	LWLockRelease(&registry->lock);
	return before;
}

/*
 * Asks the worker of a database to leave and keeps it away for a while.
 * True when there is one to wait for.
 */
bool
mr_registry_stop_worker(Oid database)
{
	int			entry;
	bool		present = false;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	entry = find_entry(database, false);
	if (entry >= 0)
	{
		MrDatabase *found = &registry->databases[entry];

		found->stop = true;
		found->retry_at =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STOP_HOLD_MS);
		present = found->worker_pid != 0 || found->starting;
		if (found->worker_latch)
			SetLatch(found->worker_latch);
	}
	LWLockRelease(&registry->lock);
	return present;
}

/* Ends the hold of mr_registry_stop_worker. */
void
mr_registry_allow_worker(Oid database)
{
	int			entry;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	entry = find_entry(database, false);
	if (entry >= 0)
	{
		MrDatabase *found = &registry->databases[entry];

		found->stop = false;
		found->failures = 0;
		found->retry_at = 0;
		wake_launcher();
	}
	LWLockRelease(&registry->lock);
}

/* The database was dropped: its entry is free, unless a worker holds it. */
void
mr_registry_forget(Oid database)
{
	int			entry;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	entry = find_entry(database, false);
	if (entry >= 0 && registry->databases[entry].worker_pid == 0 &&
		!registry->databases[entry].starting)
		memset(&registry->databases[entry], 0, sizeof(MrDatabase));
	LWLockRelease(&registry->lock);
}

static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	registry->launcher_latch = NULL;
	LWLockRelease(&registry->lock);
}

/* The calling process is the launcher until it exits. */
void
mr_registry_attach_launcher(void)
{
	before_shmem_exit(detach_launcher, 0);
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	registry->launcher_latch = MyLatch;
	for (int i = 0; i < mr_guc_max_databases; i++)
		registry->databases[i].starting = false;
	LWLockRelease(&registry->lock);
}

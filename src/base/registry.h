/*
 * registry.h
 *	  Which databases want and have a worker: shared by the launcher, the
 *	  workers, and whoever needs one to answer.
 *
 * A database has an entry while it is looked at for the extension, and as
 * long as the extension is there.
 */
#ifndef MR_REGISTRY_H
#define MR_REGISTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"

/* One database.  Every field is changed under the registry's lock only. */
typedef struct MrDatabase
{
	Oid			database;		/* InvalidOid = free entry */
	int			worker_pid;		/* 0 = none attached */
	Latch	   *worker_latch;
	Oid			extension;		/* that the last worker served */
	bool		wanted;			/* somebody needs a worker now, or the
								 * extension came or went */
	bool		starting;		/* registered, not yet attached */
	bool		no_worker_slot; /* max_worker_processes was reached */
	bool		stop;			/* the worker shall leave */
	int			failures;		/* in a row, for the back-off */
	TimestampTz started_at;
	TimestampTz retry_at;		/* not started again before */
} MrDatabase;

extern bool mr_registry_available(void);
extern int	mr_registry_want(Oid database);
extern int	mr_registry_find(Oid database);
extern bool mr_registry_has_worker(int entry);
extern bool mr_registry_wake_worker(int entry);
extern const char *mr_registry_problem(int entry);
extern int	mr_registry_attach_worker(Oid database);
extern void mr_registry_detach_worker(int entry, bool extension_missing);
extern bool mr_registry_worker_must_stop(int entry);
extern bool mr_registry_take_wanted(int entry);
extern Oid	mr_registry_change_extension(int entry, Oid extension);
extern bool mr_registry_stop_worker(Oid database);
extern void mr_registry_allow_worker(Oid database);
extern void mr_registry_forget(Oid database);
extern void mr_registry_attach_launcher(void);
extern void mr_registry_init(void);

/* For the launcher: all entries, between lock and unlock. */
extern MrDatabase *mr_registry_lock(int *count);
extern void mr_registry_unlock(void);

#endif							/* MR_REGISTRY_H */

/*
 * worker.h
 *	  Background processes: the launcher, one worker per database, and the
 *	  hook that makes workers leave a database that is dropped or copied.
 */
#ifndef MR_WORKER_H
#define MR_WORKER_H

#include "postgres.h"

extern PGDLLEXPORT void mr_launcher_main(Datum arg);
extern PGDLLEXPORT void mr_worker_main(Datum arg);
extern void mr_worker_want_at_commit(void);
extern void mr_worker_init(void);

#endif							/* MR_WORKER_H */

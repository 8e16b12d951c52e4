/*
 * want_worker.c
 *	  SQL function want_worker: the install script asks for a worker with it.
 */
#include "postgres.h"

#include "fmgr.h"

#include "worker/worker.h"

PG_FUNCTION_INFO_V1(mr_sql_want_worker);

/* Once this transaction commits, the launcher starts the database's worker. */
Datum
mr_sql_want_worker(PG_FUNCTION_ARGS)
{
	mr_worker_want_at_commit();
	PG_RETURN_VOID();
}

/*
 * modelroute.c
 *	  The entry: calls each module's init when the library is loaded.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/shmem.h"
#include "catalog/router_store.h"
#include "catalog/snapshot.h"
#include "engine/health.h"
#include "http/hosts.h"
#include "ledger/ledger.h"
#include "router/artifact.h"
#include "router/router.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static bool
check_objective(const char *value, const char **problem)
{
	MrObjective objective = {0};

	return mr_objective_parse(value, &objective, problem);
}

void
_PG_init(void)
{
	mr_guc_init(check_objective, mr_hosts_check_setting);
	mr_catalog_init();
	mr_router_store_init(mr_artifact_check);
	if (!process_shared_preload_libraries_in_progress)
		return;
	mr_health_init();
	mr_ledger_init();
	mr_progress_init();
	mr_router_share_init();
	mr_worker_init();
	mr_shmem_init();
}

/*
 * hooks.c
 *	  Registers the launcher, asks for workers at commit, and makes the worker
 *	  leave a database before DROP, RENAME or a copy of it.
 *
 * PostgreSQL refuses those commands while anybody is connected to the
 * database; a resident worker must not be the one who is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/wait_event.h"

#include "base/registry.h"
#include "worker/worker.h"

#define LEAVE_LIMIT_MS 5000
#define LEAVE_POLL_MS 10
#define RESTART_SECONDS 5

static ProcessUtility_hook_type previous_utility;
static bool wanted_at_commit;

/* The template named by CREATE DATABASE, or template1. */
static const char *
template_of(const CreatedbStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			return defGetString(option);
	}
	return "template1";
}

/* The database that nobody may be connected to for the statement, or NULL. */
static const char *
database_to_leave(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			return template_of((CreatedbStmt *) statement);
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			return ((AlterDatabaseStmt *) statement)->dbname;
		default:
			return NULL;
	}
}

/* Asks the database's worker to leave, and waits until it has. */
static void
make_worker_leave(Oid database)
{
	for (int waited = 0; waited < LEAVE_LIMIT_MS; waited += LEAVE_POLL_MS)
	{
		if (!mr_registry_stop_worker(database))
			return;
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LEAVE_POLL_MS, PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	const char *name = database_to_leave(planned->utilityStmt);
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	ProcessUtility_hook_type next = previous_utility ? previous_utility :
		standard_ProcessUtility;

	if (OidIsValid(database))
		make_worker_leave(database);
	PG_TRY();
	{
		next(planned, query, read_only_tree, context, params, environment,
			 dest, completion);
	}
	PG_FINALLY();
	{
		/* whether it worked or not, a worker may come back */
		if (OidIsValid(database))
			mr_registry_allow_worker(database);
	}
	PG_END_TRY();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!wanted_at_commit)
		return;
	if (event == XACT_EVENT_COMMIT)
		mr_registry_want(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		wanted_at_commit = false;
}

/* When this transaction commits, the database wants a worker. */
void
mr_worker_want_at_commit(void)
{
	if (mr_registry_available())
		wanted_at_commit = true;
}

/* Registers the launcher and the hooks; from _PG_init when preloaded. */
void
mr_worker_init(void)
{
	BackgroundWorker worker;

	mr_registry_init();
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "modelroute",
			sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "mr_launcher_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "modelroute launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "modelroute launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
	RegisterXactCallback(at_transaction_end, NULL);
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

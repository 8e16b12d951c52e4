/*
 * hooks.c
 *	  Registers the launcher, tells it and the workers at commit that the
 *	  extension came or went, and makes the worker leave a database before
 *	  DROP, RENAME or a copy of it.
 *
 * PostgreSQL refuses those commands while anybody is connected to the
 * database; a resident worker must not be the one who is.  A CREATE or DROP
 * EXTENSION that is prepared for two-phase commit is noticed by the first
 * call, or by the worker's next look at the catalog.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "base/registry.h"
#include "ledger/ledger.h"
#include "worker/worker.h"

#define LEAVE_LIMIT_MS 5000
#define LEAVE_POLL_MS 10
#define RESTART_SECONDS 5

static ProcessUtility_hook_type previous_utility;
static object_access_hook_type previous_object_access;

/* What this transaction did, for its commit. */
static bool wanted_at_commit;
static Oid	dropped_extension;

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

static bool
moves_to_tablespace(const AlterDatabaseStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
			return true;
	}
	return false;
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
			if (moves_to_tablespace((AlterDatabaseStmt *) statement))
				return ((AlterDatabaseStmt *) statement)->dbname;
			return NULL;
		default:
			return NULL;
	}
}

static bool
may_create_databases(Oid role)
{
	HeapTuple	tuple;
	bool		may;

	if (superuser_arg(role))
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(database));
	bool		is;

	if (!HeapTupleIsValid(tuple))
		return false;
	is = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return is;
}

/* Whether the statement has a chance: others cannot send workers away. */
static bool
may_run(Node *statement, Oid database)
{
	Oid			role = GetUserId();

	if (pg_database_ownercheck(database, role))
		return true;
	return IsA(statement, CreatedbStmt) && is_template(database) &&
		may_create_databases(role);
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

/* Nobody can be connected to it any more. */
static void
forget_database(Oid database)
{
	int			entry = mr_registry_find(database);

	if (entry < 0)
		return;
	mr_ledger_refuse_all(entry);
	mr_registry_forget(database);
}

static void
process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	const char *name = database_to_leave(statement);
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	ProcessUtility_hook_type next = previous_utility ? previous_utility :
		standard_ProcessUtility;

	if (!OidIsValid(database) || !may_run(statement, database))
	{
		next(planned, query, read_only_tree, context, params, environment,
			 dest, completion);
		return;
	}
	PG_TRY();
	{
		make_worker_leave(database);
		next(planned, query, read_only_tree, context, params, environment,
			 dest, completion);
	}
	PG_CATCH();
	{
		mr_registry_allow_worker(database);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (IsA(statement, DropdbStmt))
		forget_database(database);
	else
		mr_registry_allow_worker(database);
}

/* Notes that this transaction drops the extension. */
static void
object_access(ObjectAccessType access, Oid class_oid, Oid object_oid,
			  int sub_id, void *arg)
{
	if (previous_object_access)
		previous_object_access(access, class_oid, object_oid, sub_id, arg);
	if (access == OAT_DROP && class_oid == ExtensionRelationId &&
		object_oid == get_extension_oid("modelroute", true))
		dropped_extension = object_oid;
}

/* The drop may have been rolled back to a savepoint. */
static void
check_drop(void)
{
	if (get_extension_oid("modelroute", true) == dropped_extension)
		dropped_extension = InvalidOid;
}

static void
at_commit(void)
{
	if (OidIsValid(dropped_extension))
		mr_ledger_forget();
	if (OidIsValid(dropped_extension) || wanted_at_commit)
		mr_registry_want(MyDatabaseId);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!wanted_at_commit && !OidIsValid(dropped_extension))
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (OidIsValid(dropped_extension))
				check_drop();
			return;
		case XACT_EVENT_COMMIT:
			at_commit();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	wanted_at_commit = false;
	dropped_extension = InvalidOid;
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
	previous_object_access = object_access_hook;
	object_access_hook = object_access;
}

/*
 * owner.c
 *	  Switches to the extension's owner and back.
 *
 * An error between enter and leave needs no care: transaction and
 * subtransaction abort restore the user and the settings.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

#include "base/owner.h"

/* The owner's OID; raises 42704 when this database lacks the extension. */
Oid
mr_extension_owner(void)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("modelroute"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"modelroute\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION modelroute.")));
	return owner;
}

/* From here on statements run as the owner, until mr_owner_leave. */
void
mr_owner_enter(MrOwnerScope *scope)
{
	Oid			owner = mr_extension_owner();

	GetUserIdAndSecContext(&scope->saved_user,
						   &scope->saved_security_context);
	SetUserIdAndSecContext(owner, scope->saved_security_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	scope->guc_nest_level = NewGUCNestLevel();
	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Ends what mr_owner_enter began. */
void
mr_owner_leave(const MrOwnerScope *scope)
{
	AtEOXact_GUC(false, scope->guc_nest_level);
	SetUserIdAndSecContext(scope->saved_user, scope->saved_security_context);
}

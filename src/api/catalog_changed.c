/*
 * catalog_changed.c
 *	  The trigger that makes every backend read a changed catalog again.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "catalog/snapshot.h"

PG_FUNCTION_INFO_V1(mr_sql_catalog_changed);

/* For triggers AFTER INSERT, UPDATE, DELETE and TRUNCATE. */
Datum
mr_sql_catalog_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("catalog_changed can only be called as a trigger")));
	mr_catalog_changed(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(NULL);
}

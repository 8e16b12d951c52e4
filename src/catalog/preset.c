/*
 * preset.c
 *	  Presets: finding one in the snapshot, and changing the table as the
 *	  extension's owner on behalf of a role.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/owner.h"
#include "catalog/snapshot.h"

#define LATEST PG_INT32_MAX

static Datum call_as_owner(const char *query, const Oid *types, Datum *values,
						   const char *nulls);

/*
 * The last preset that does not stand behind (name, version), if it is that
 * one; a binary search.
 */
const MrPreset *
mr_preset_find(const MrCatalog *catalog, const char *name, int version)
{
	int			low = 0;
	int			high = catalog->npresets;
	const MrPreset *found;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const MrPreset *preset = &catalog->presets[middle];
		int			order = strcmp(preset->name, name);

		if (order < 0 ||
			(order == 0 && preset->version <= (version ? version : LATEST)))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	found = &catalog->presets[low - 1];
	return strcmp(found->name, name) == 0 &&
		(version == 0 || found->version == version) ? found : NULL;
}

/* The number of the version that holds body now. */
int
mr_preset_store(const char *name, Jsonb *body, Oid author)
{
	static const Oid types[] = {TEXTOID, JSONBOID, OIDOID};
	Datum		values[] = {
		CStringGetTextDatum(name), JsonbPGetDatum(body),
		ObjectIdGetDatum(author)
	};

	return DatumGetInt32(call_as_owner("SELECT modelroute.store_preset($1, $2, $3)",
									   types, values, "   "));
}

void
mr_preset_remove(const char *name, int version, Oid author)
{
	static const Oid types[] = {TEXTOID, INT4OID, OIDOID};
	Datum		values[] = {
		CStringGetTextDatum(name), Int32GetDatum(version),
		ObjectIdGetDatum(author)
	};

	call_as_owner("SELECT 0 FROM modelroute.remove_preset($1, $2, $3)", types,
				  values, version == 0 ? " n " : "   ");
}

/*
 * The only value of a query with three parameters.
 */
static Datum
call_as_owner(const char *query, const Oid *types, Datum *values,
			  const char *nulls)
{
	MrOwnerScope owner;
	Datum		result;
	bool		isnull;

	mr_owner_enter(&owner);
	SPI_connect();
	if (SPI_execute_with_args(query, 3, unconstify(Oid *, types), values,
							  nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "changing a preset failed");
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						   &isnull);
	SPI_finish();
	mr_owner_leave(&owner);
	return result;
}

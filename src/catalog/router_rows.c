/*
 * router_rows.c
 *	  The rows of table router: which versions there are, adding one, dropping
 *	  some.
 *
 * The statements run as the extension's owner; who may add to a name or drop
 * it is decided here, by column owner.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/text.h"
#include "base/versioned_name.h"
#include "catalog/data.h"
#include "catalog/router_data.h"

/* With version 0, the latest. */
static const char head_query[] =
	"SELECT version, artifact_sha256 FROM modelroute.router"
	" WHERE name = $1 AND (version = $2 OR $2 = 0)"
	" ORDER BY version DESC LIMIT 1";

static const char artifact_query[] =
	"SELECT artifact FROM modelroute.router WHERE name = $1 AND version = $2";

static const char latest_query[] =
	"SELECT version, owner FROM modelroute.router WHERE name = $1"
	" ORDER BY version DESC LIMIT 1";

static const char insert_query[] =
	"INSERT INTO modelroute.router (name, version, owner, feature_version,"
	" models, rows, prompts, options, report, artifact) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
	" $9::jsonb || jsonb_build_object('rows_skipped', $10), $11) "
	"RETURNING models, report";

static const char delete_query[] =
	"DELETE FROM modelroute.router"
	" WHERE name = $1 AND (version = $2 OR $2 = 0)";

/* The latest version of a name, as far as ownership goes. */
typedef struct Latest
{
	int			version;		/* 0 = there is none */
	NameData	owner;
} Latest;

/* The arguments of a statement, from left to right. */
#define MAX_ARGUMENTS 11

typedef struct Arguments
{
	int			count;
	Oid			types[MAX_ARGUMENTS];
	Datum		values[MAX_ARGUMENTS];
	char		nulls[MAX_ARGUMENTS];
} Arguments;

static bool is_name(const char *text);
static Latest read_latest(const char *name);
static void require_owner(const char *name, const Latest *latest);
static void raise_missing(const char *name, int version)
			pg_attribute_noreturn();
static MrRouterVersion insert_version(const MrRouterRow *row,
									  const Latest *latest);
static Datum copy_result(int column);
static Datum models_datum(const MrRouterRow *row);
static void add_argument(Arguments *arguments, Oid type, Datum value);
static void execute(const char *query, Arguments *arguments, bool read_only,
					int expected);

/* ----------
 * Names
 * ----------
 */

/*
 * Raises 22023 unless the text can be the name of a router; the CHECK of the
 * table says the same.
 */
void
mr_router_check_name(const char *name)
{
	if (!is_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid router name \"%s\"", name),
				 errhint("A name has 1 to %d of the characters A-Z, a-z, 0-9, \"_\", \".\" and \"-\", begins with a letter or digit, and is not \"default\".",
						 MR_ROUTER_NAME_BYTES - 1)));
}

static bool
is_name(const char *text)
{
	MrRouterHead head;

	return strchr(text, ':') == NULL && mr_router_parse(text, &head);
}

/*
 * Takes name or name:version apart; version 0 is the latest.  False when it
 * can be neither.
 */
bool
mr_router_parse(const char *text, MrRouterHead *head)
{
	MrVersionedName parsed;

	if (!mr_versioned_name_parse(text, &parsed) ||
		strlen(parsed.name) >= MR_ROUTER_NAME_BYTES ||
		strcmp(parsed.name, "default") == 0)
		return false;
	strcpy(head->name, parsed.name);
	head->version = parsed.version;
	return true;
}

/* ----------
 * Reading, between mr_catalog_begin_reading and its end
 * ----------
 */

Oid
mr_router_table(void)
{
	return get_relname_relid("router",
							 get_namespace_oid("modelroute", false));
}

/* Fills version, if it is 0, and sha256; false when there is no such row. */
bool
mr_router_read_head(MrRouterHead *head)
{
	Arguments	arguments = {0};
	bool		found;

	add_argument(&arguments, TEXTOID, CStringGetTextDatum(head->name));
	add_argument(&arguments, INT4OID, Int32GetDatum(head->version));
	execute(head_query, &arguments, true, SPI_OK_SELECT);
	found = SPI_processed > 0;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	columns = SPI_tuptable->tupdesc;
		bool		isnull;
		bytea	   *sha256;

		head->version = DatumGetInt32(SPI_getbinval(row, columns, 1, &isnull));
		sha256 = DatumGetByteaPP(SPI_getbinval(row, columns, 2, &isnull));
		memcpy(head->sha256, VARDATA_ANY(sha256), sizeof(head->sha256));
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* The artifact, in CurrentMemoryContext. */
bytea *
mr_router_read_artifact(const MrRouterHead *head)
{
	Arguments	arguments = {0};
	bool		isnull;
	bytea	   *artifact;

	add_argument(&arguments, TEXTOID, CStringGetTextDatum(head->name));
	add_argument(&arguments, INT4OID, Int32GetDatum(head->version));
	execute(artifact_query, &arguments, true, SPI_OK_SELECT);
	if (SPI_processed != 1)
		elog(ERROR, "router \"%s\" version %d was not found again",
			 head->name, head->version);
	artifact = DatumGetByteaPCopy(SPI_getbinval(SPI_tuptable->vals[0],
												SPI_tuptable->tupdesc, 1,
												&isnull));
	SPI_freetuptable(SPI_tuptable);
	return artifact;
}

/* ----------
 * Ownership
 * ----------
 */

/*
 * Raises 42501 unless the current role may add versions to the name: anyone
 * may begin one.
 */
void
mr_router_check_owner(const char *name)
{
	MrOwnerScope owner;
	Latest		latest;

	mr_catalog_begin_reading(&owner);
	latest = read_latest(name);
	mr_catalog_end_reading(&owner);
	require_owner(name, &latest);
}

static Latest
read_latest(const char *name)
{
	Arguments	arguments = {0};
	Latest		latest = {0};
	bool		isnull;

	add_argument(&arguments, TEXTOID, CStringGetTextDatum(name));
	execute(latest_query, &arguments, true, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	columns = SPI_tuptable->tupdesc;

		latest.version = DatumGetInt32(SPI_getbinval(row, columns, 1, &isnull));
		latest.owner = *DatumGetName(SPI_getbinval(row, columns, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return latest;
}

/* Runs as the caller. */
static void
require_owner(const char *name, const Latest *latest)
{
	Oid			role;

	if (latest->version == 0 || superuser())
		return;
	role = get_role_oid(NameStr(latest->owner), true);
	if (!OidIsValid(role) || !has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("router \"%s\" belongs to role \"%s\"", name,
						NameStr(latest->owner)),
				 errhint("Choose another name, or let a superuser grant you that role or change modelroute.router.owner.")));
}

/* ----------
 * Adding and dropping
 * ----------
 */

/*
 * Adds the next version.  Trainings of one name wait here for each other's
 * end of transaction, by a lock on the table as an object that nothing else
 * takes; so their numbers differ, and the name's owner is settled.
 */
MrRouterVersion
mr_router_insert(const MrRouterRow *row)
{
	MrRouterVersion stored;
	MrOwnerScope owner;
	Latest		latest;

	LockDatabaseObject(RelationRelationId, mr_router_table(),
					   (uint16) hash_bytes((const unsigned char *) row->name,
										   strlen(row->name)),
					   ExclusiveLock);
	mr_catalog_begin_reading(&owner);
	latest = read_latest(row->name);
	mr_catalog_end_reading(&owner);
	require_owner(row->name, &latest);
	if (latest.version == 0)
		namestrcpy(&latest.owner, GetUserNameFromId(GetUserId(), false));

	mr_owner_enter(&owner);
	SPI_connect();
	stored = insert_version(row, &latest);
	SPI_finish();
	mr_owner_leave(&owner);
	return stored;
}

/* Between SPI_connect and SPI_finish; the result is made for the caller. */
static MrRouterVersion
insert_version(const MrRouterRow *row, const Latest *latest)
{
	Arguments	arguments = {0};
	bytea	   *artifact = palloc(VARHDRSZ + row->artifact_bytes);
	const char *report = mr_text_from_utf8_lossy(row->report,
												 strlen(row->report));
	MrRouterVersion stored;

	SET_VARSIZE(artifact, VARHDRSZ + row->artifact_bytes);
	memcpy(VARDATA(artifact), row->artifact, row->artifact_bytes);

	add_argument(&arguments, TEXTOID, CStringGetTextDatum(row->name));
	add_argument(&arguments, INT4OID, Int32GetDatum(latest->version + 1));
	add_argument(&arguments, NAMEOID, NameGetDatum(&latest->owner));
	add_argument(&arguments, INT4OID, Int32GetDatum(row->feature_version));
	add_argument(&arguments, TEXTARRAYOID, models_datum(row));
	add_argument(&arguments, INT8OID, Int64GetDatum(row->rows));
	add_argument(&arguments, INT8OID, Int64GetDatum(row->prompts));
	add_argument(&arguments, JSONBOID, JsonbPGetDatum(row->options));
	if (row->options == NULL)
		arguments.nulls[arguments.count - 1] = 'n';
	add_argument(&arguments, TEXTOID, CStringGetTextDatum(report));
	add_argument(&arguments, INT8OID, Int64GetDatum(row->rows_skipped));
	add_argument(&arguments, BYTEAOID, PointerGetDatum(artifact));
	execute(insert_query, &arguments, false, SPI_OK_INSERT_RETURNING);

	stored.version = latest->version + 1;
	stored.models = DatumGetArrayTypeP(copy_result(1));
	stored.report = DatumGetJsonbP(copy_result(2));
	return stored;
}

/*
 * A column of the first row with its full header, so that nobody has to copy
 * it again, in the context that SPI_connect was called in.
 */
static Datum
copy_result(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, column, &isnull);

	return SPI_datumTransfer(PointerGetDatum(PG_DETOAST_DATUM(value)), false,
							 -1);
}

static Datum
models_datum(const MrRouterRow *row)
{
	Datum	   *names = palloc(Max(row->nmodels, 1) * sizeof(Datum));

	for (int i = 0; i < row->nmodels; i++)
	{
		const char *model = row->models[i];

		names[i] = CStringGetTextDatum(mr_text_from_utf8_lossy(model,
															   strlen(model)));
	}
	return PointerGetDatum(construct_array(names, row->nmodels, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

/*
 * Drops a version of the name, or with version 0 all; their number.  Raises
 * 42704 when there is none, 42501 when the name belongs to another role.
 */
int
mr_router_drop(const char *name, int version)
{
	Arguments	arguments = {0};
	MrOwnerScope owner;
	Latest		latest;
	int			dropped;

	mr_catalog_begin_reading(&owner);
	latest = read_latest(name);
	mr_catalog_end_reading(&owner);
	if (latest.version == 0)
		raise_missing(name, 0);
	require_owner(name, &latest);

	mr_owner_enter(&owner);
	SPI_connect();
	add_argument(&arguments, TEXTOID, CStringGetTextDatum(name));
	add_argument(&arguments, INT4OID, Int32GetDatum(version));
	execute(delete_query, &arguments, false, SPI_OK_DELETE);
	dropped = (int) SPI_processed;
	SPI_finish();
	mr_owner_leave(&owner);
	if (dropped == 0)
		raise_missing(name, version);
	return dropped;
}

static void
raise_missing(const char *name, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 version == 0 ? errmsg("router \"%s\" does not exist", name) :
			 errmsg("router \"%s\" has no version %d", name, version),
			 errhint("View modelroute.router_list shows what there is.")));
}

/* ----------
 * Statements
 * ----------
 */

static void
add_argument(Arguments *arguments, Oid type, Datum value)
{
	int			i = arguments->count++;

	Assert(i < MAX_ARGUMENTS);
	arguments->types[i] = type;
	arguments->values[i] = value;
	arguments->nulls[i] = ' ';
}

/* Leaves rows in SPI_tuptable, and the memory context as it was. */
static void
execute(const char *query, Arguments *arguments, bool read_only, int expected)
{
	MemoryContext saved = CurrentMemoryContext;
	int			result = SPI_execute_with_args(query, arguments->count,
											   arguments->types,
											   arguments->values,
											   arguments->nulls, read_only, 0);

	MemoryContextSwitchTo(saved);
	if (result != expected)
		elog(ERROR, "a statement on table router failed: %s",
			 SPI_result_code_string(result));
}

/*
 * load.c
 *	  Reads the catalog tables into memory.
 *
 * The reading runs as the extension's owner with a search_path that holds
 * pg_catalog only: the caller needs no privilege on the tables, and nothing
 * it created can take the place of an operator or function.  On error
 * everything is given back by the abort of the (sub)transaction: user,
 * settings, SPI and memory, which hangs under the caller's context until the
 * reading is complete.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog/data.h"

/*
 * A reasoning model thinks before it answers; how much more it writes is
 * measured per model later, this is where it starts.
 */
#define VERBOSITY_REASONING 1.5

/* The tables whose change makes a reading stale. */
static const char *const table_names[] = {
	"provider", "model", "endpoint", "price", "category_prior",
	"benchmark", "credential", "model_grant", "preset"
};

static Oid	table_oids[lengthof(table_names)];

/* One result row being read from left to right. */
typedef struct Row
{
	HeapTuple	tuple;
	TupleDesc	desc;
	int			column;			/* the one read last, from 1 */
} Row;

/* Fills one item, which starts as zeros, from a row. */
typedef void (*RowReader) (Row *row, void *item);

/* Columns in the order read_endpoint reads them. */
static const char endpoint_query[] =
	"SELECT e.model, e.provider, e.upstream_name,"
	" p.api, p.base_url, p.chat_path, p.max_tokens_field,"
	" (SELECT array_agg(h.key || ': ' || h.value ORDER BY h.key)"
	"  FROM jsonb_each_text(p.headers) h),"
	" p.needs_credential,"
	" e.context_window, e.max_output_tokens, e.capabilities,"
	" p.enabled AND m.enabled AND e.enabled,"
	" e.status = 'retired' OR coalesce(e.retirement_date <="
	"  (statement_timestamp() AT TIME ZONE 'UTC')::date, false),"
	" e.first_token_ms, e.tokens_per_second,"
	" r.valid_from IS NOT NULL,"
	" round(r.input_price * 1000000)::bigint,"
	" round(r.output_price * 1000000)::bigint,"
	" round(r.cached_input_price * 1000000)::bigint,"
	" round(r.cache_write_price * 1000000)::bigint,"
	" r.long_context_threshold,"
	" round(r.long_context_input_price * 1000000)::bigint,"
	" round(r.long_context_cached_input_price * 1000000)::bigint,"
	" round(r.long_context_output_price * 1000000)::bigint "
	"FROM modelroute.endpoint e"
	" JOIN modelroute.provider p ON p.provider = e.provider"
	" JOIN modelroute.model m ON m.model = e.model"
	" LEFT JOIN LATERAL (SELECT * FROM modelroute.price c"
	"  WHERE c.model = e.model AND c.provider = e.provider"
	"  AND c.valid_from <= statement_timestamp()"
	"  AND (c.valid_until IS NULL OR c.valid_until > statement_timestamp())"
	"  ORDER BY c.valid_from DESC LIMIT 1) r ON true "
	"ORDER BY e.model COLLATE \"C\", e.provider COLLATE \"C\"";

static const char prior_query[] =
	"SELECT model, category, quality, stderr_logit FROM ("
	" SELECT model, category, quality, stderr_logit"
	"  FROM modelroute.category_prior"
	" UNION ALL SELECT model, category, quality, stderr_logit"
	"  FROM modelroute.benchmark_prior) prior "
	"ORDER BY model COLLATE \"C\", category";

static const char credential_query[] =
	"SELECT provider, role::oid, source ? 'file',"
	" coalesce(source->>'file', source->>'env') "
	"FROM modelroute.credential"
	" WHERE coalesce(source->>'file', source->>'env') IS NOT NULL";

static const char grant_query[] =
	"SELECT role::oid, model_glob FROM modelroute.model_grant";

static const char preset_query[] =
	"SELECT name, version, body->>'model', body - 'model' "
	"FROM modelroute.preset ORDER BY name COLLATE \"C\", version";

static const char event_query[] =
	"SELECT min(at) FROM ("
	" SELECT valid_from FROM modelroute.price"
	" UNION ALL SELECT valid_until FROM modelroute.price"
	" UNION ALL SELECT retirement_date::timestamp AT TIME ZONE 'UTC'"
	"  FROM modelroute.endpoint) event (at) "
	"WHERE at > statement_timestamp()";

static void read_tables(MrCatalogData *data);
static void resolve_tables(void);
static uint64 run_query(const char *query);
static void *read_rows(const char *query, Size item_bytes, int *count,
					   RowReader reader);
static void read_endpoint(Row *row, void *item);
static void read_credential(Row *row, void *item);
static void read_grant(Row *row, void *item);
static void read_preset(Row *row, void *item);
static void read_priors(MrCatalogData *data);
static void fill_default_quality(MrEndpoint *endpoint);
static TimestampTz read_next_event(void);

/*
 * A reading of the tables, in a context of its own under CurrentMemoryContext.
 * In parallel mode it is taken with the active snapshot, which may be older
 * than the last invalidation; otherwise with the latest one.
 */
MrCatalogData *
mr_catalog_load(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "modelroute catalog",
												  ALLOCSET_DEFAULT_SIZES);
	MrCatalogData *data = MemoryContextAllocZero(context, sizeof(*data));
	MrOwnerScope owner;

	data->context = context;
	mr_catalog_begin_reading(&owner);
	read_tables(data);
	mr_catalog_end_reading(&owner);
	return data;
}

/*
 * What runs until mr_catalog_end_reading runs as the owner, with SPI at hand,
 * and sees what is committed.
 */
void
mr_catalog_begin_reading(MrOwnerScope *owner)
{
	mr_owner_enter(owner);
	PushActiveSnapshot(IsInParallelMode() ? GetActiveSnapshot() :
					   GetLatestSnapshot());
	SPI_connect();
}

void
mr_catalog_end_reading(const MrOwnerScope *owner)
{
	SPI_finish();
	PopActiveSnapshot();
	mr_owner_leave(owner);
}

/* Whether the last reading depends on the table; InvalidOid means any. */
bool
mr_catalog_reads(Oid relid)
{
	if (!OidIsValid(relid))
		return true;
	for (int i = 0; i < (int) lengthof(table_oids); i++)
	{
		if (table_oids[i] == relid)
			return true;
	}
	return false;
}

static void
read_tables(MrCatalogData *data)
{
	MemoryContext saved = MemoryContextSwitchTo(data->context);

	resolve_tables();
	data->endpoints = read_rows(endpoint_query, sizeof(MrEndpoint),
								&data->nendpoints, read_endpoint);
	read_priors(data);
	data->credentials = read_rows(credential_query, sizeof(MrCredentialRow),
								  &data->ncredentials, read_credential);
	data->grants = read_rows(grant_query, sizeof(MrGrantRow),
							 &data->ngrants, read_grant);
	data->presets = read_rows(preset_query, sizeof(MrPreset),
							  &data->npresets, read_preset);
	data->next_event = read_next_event();
	MemoryContextSwitchTo(saved);
}

static void
resolve_tables(void)
{
	Oid			schema = get_namespace_oid("modelroute", false);

	for (int i = 0; i < (int) lengthof(table_names); i++)
		table_oids[i] = get_relname_relid(table_names[i], schema);
}

/*
 * The rows are in SPI_tuptable until SPI_freetuptable.  SPI leaves its own
 * memory context current, which would take with it what is read.
 */
static uint64
run_query(const char *query)
{
	MemoryContext saved = CurrentMemoryContext;
	int			result = SPI_execute(query, true, 0);

	MemoryContextSwitchTo(saved);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "reading the catalog failed: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* All rows of a query as an array in CurrentMemoryContext. */
static void *
read_rows(const char *query, Size item_bytes, int *count, RowReader reader)
{
	uint64		nrows = run_query(query);
	char	   *items = palloc0(Max(nrows, 1) * item_bytes);

	for (uint64 i = 0; i < nrows; i++)
	{
		Row			row = {SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 0};

		reader(&row, items + i * item_bytes);
	}
	SPI_freetuptable(SPI_tuptable);
	*count = (int) nrows;
	return items;
}

/* ----------
 * Rows and their columns
 * ----------
 */

static Datum
next_column(Row *row, bool *isnull)
{
	row->column++;
	return SPI_getbinval(row->tuple, row->desc, row->column, isnull);
}

static char *
read_text(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static bool
read_bool(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return !isnull && DatumGetBool(value);
}

static Oid
read_oid(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/* 0 = unknown */
static int
read_int(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static double
read_double(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return isnull ? get_float8_nan() : DatumGetFloat8(value);
}

static int64
read_price(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);

	return isnull ? MR_PRICE_UNKNOWN : DatumGetInt64(value);
}

/* The strings of a text[] column, NULL-terminated; NULL for a NULL array. */
static char **
read_text_array(Row *row)
{
	bool		isnull;
	Datum		value = next_column(row, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int			kept = 0;
	char	  **strings;

	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	strings = palloc((count + 1) * sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			strings[kept++] = TextDatumGetCString(elements[i]);
	}
	strings[kept] = NULL;
	return strings;
}

static uint32
read_capabilities(Row *row)
{
	char	  **words = read_text_array(row);
	uint32		capabilities = 0;

	for (; words != NULL && *words != NULL; words++)
	{
		MrCapability capability;

		if (mr_capability_parse(*words, &capability))
			capabilities |= capability;
	}
	return capabilities;
}

/*
 * The tables refuse control characters in headers by CHECK; a header that
 * holds one all the same never reaches the wire.
 */
static const char *const *
read_headers(Row *row)
{
	char	  **headers = read_text_array(row);
	int			kept = 0;

	if (headers == NULL)
		return NULL;
	for (int i = 0; headers[i] != NULL; i++)
	{
		if (strpbrk(headers[i], "\r\n") == NULL)
			headers[kept++] = headers[i];
	}
	headers[kept] = NULL;
	return (const char *const *) headers;
}

/* ----------
 * The tables
 * ----------
 */

static uint64
hash_name(const char *provider, const char *model)
{
	char	   *name = psprintf("%s/%s", provider, model);
	uint64		hash = hash_bytes_extended((unsigned char *) name,
										   strlen(name), 0);

	pfree(name);
	return hash;
}

static void
read_price_columns(Row *row, MrEndpoint *endpoint)
{
	MrPrice    *price = &endpoint->price;

	endpoint->has_price = read_bool(row);
	price->input = read_price(row);
	price->output = read_price(row);
	price->cached_input = read_price(row);
	price->cache_write = read_price(row);
	price->long_context_threshold = read_int(row);
	price->long_context_input = read_price(row);
	price->long_context_cached_input = read_price(row);
	price->long_context_output = read_price(row);
}

static void
read_endpoint(Row *row, void *item)
{
	MrEndpoint *endpoint = item;
	char	   *base_url;

	endpoint->model = read_text(row);
	endpoint->provider = read_text(row);
	endpoint->upstream_name = read_text(row);
	endpoint->key = hash_name(endpoint->provider, endpoint->model);
	endpoint->api = read_text(row);
	base_url = read_text(row);
	for (Size length = strlen(base_url);
		 length > 0 && base_url[length - 1] == '/'; length--)
		base_url[length - 1] = '\0';
	endpoint->base_url = base_url;
	endpoint->chat_path = read_text(row);
	endpoint->max_tokens_field = read_text(row);
	endpoint->headers = read_headers(row);
	endpoint->needs_credential = read_bool(row);
	endpoint->context_window = read_int(row);
	endpoint->max_output_tokens = read_int(row);
	endpoint->capabilities = read_capabilities(row);
	endpoint->enabled = read_bool(row);
	endpoint->retired = read_bool(row);
	endpoint->first_token_ms = read_double(row);
	endpoint->tokens_per_second = read_double(row);
	read_price_columns(row, endpoint);

	endpoint->verbosity =
		(endpoint->capabilities & MR_CAPABILITY_REASONING) != 0 ?
		VERBOSITY_REASONING : 1.0;
	for (int i = 0; i < MR_CATEGORIES; i++)
		endpoint->quality[i] = endpoint->quality_stderr[i] = get_float8_nan();
}

static void
read_credential(Row *row, void *item)
{
	MrCredentialRow *credential = item;

	credential->provider = read_text(row);
	credential->role = read_oid(row);
	credential->is_file = read_bool(row);
	credential->place = read_text(row);
}

static void
read_grant(Row *row, void *item)
{
	MrGrantRow *grant = item;

	grant->role = read_oid(row);
	grant->glob = read_text(row);
}

static void
read_preset(Row *row, void *item)
{
	MrPreset   *preset = item;
	bool		isnull;

	preset->name = read_text(row);
	preset->version = read_int(row);
	preset->model = read_text(row);
	preset->options = DatumGetJsonbPCopy(next_column(row, &isnull));
}

/* ----------
 * Quality
 * ----------
 */

/* One row of category_prior goes to every endpoint of its model. */
static void
apply_prior(Row *row, MrEndpoint *endpoint)
{
	char	   *name = read_text(row);
	double		quality = read_double(row);
	double		quality_stderr = read_double(row);
	MrCategory	category;

	if (mr_category_parse(name, &category))
	{
		endpoint->quality[category] = quality;
		endpoint->quality_stderr[category] = quality_stderr;
	}
	pfree(name);
}

/* Both the endpoints and the rows come in the byte order of the model. */
static void
read_priors(MrCatalogData *data)
{
	uint64		nrows = run_query(prior_query);
	int			first = 0;

	for (uint64 i = 0; i < nrows; i++)
	{
		Row			row = {SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 0};
		char	   *model = read_text(&row);

		while (first < data->nendpoints &&
			   strcmp(data->endpoints[first].model, model) < 0)
			first++;
		for (int j = first; j < data->nendpoints &&
			 strcmp(data->endpoints[j].model, model) == 0; j++)
		{
			Row			columns = row;

			apply_prior(&columns, &data->endpoints[j]);
		}
		pfree(model);
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < data->nendpoints; i++)
		fill_default_quality(&data->endpoints[i]);
}

/* NaN when none is known. */
static double
mean_of_known(const double *values)
{
	double		sum = 0;
	int			known = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (!isnan(values[i]))
		{
			sum += values[i];
			known++;
		}
	}
	return known > 0 ? sum / known : get_float8_nan();
}

/*
 * Without a row of its own, default is the mean over the known categories;
 * and a category that is not known is default.
 */
static void
fill_default_quality(MrEndpoint *endpoint)
{
	double	   *quality = endpoint->quality;
	double	   *quality_stderr = endpoint->quality_stderr;

	if (isnan(quality[MR_CATEGORY_DEFAULT]))
	{
		quality[MR_CATEGORY_DEFAULT] = mean_of_known(quality);
		quality_stderr[MR_CATEGORY_DEFAULT] = mean_of_known(quality_stderr);
	}
	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (isnan(quality[i]))
		{
			quality[i] = quality[MR_CATEGORY_DEFAULT];
			quality_stderr[i] = quality_stderr[MR_CATEGORY_DEFAULT];
		}
	}
}

/* When the first price or retirement that is still ahead falls due. */
static TimestampTz
read_next_event(void)
{
	TimestampTz event = DT_NOEND;
	bool		isnull;
	Datum		value;

	(void) run_query(event_query);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	if (!isnull)
		event = DatumGetTimestampTz(value);
	SPI_freetuptable(SPI_tuptable);
	return event;
}

/*
 * store.c
 *	  Inserts records through saved plans that are built from the columns of
 *	  rows.c.
 *
 * The caller is in a transaction, runs as the extension's owner or a
 * superuser, and is connected to SPI.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "ledger/store.h"

#define MAX_COLUMNS 64
#define PICO_DIGITS 12

static const Oid column_types[] = {
	[MR_COLUMN_INT4] = INT4OID,
	[MR_COLUMN_INT8] = INT8OID,
	[MR_COLUMN_BOOL] = BOOLOID,
	[MR_COLUMN_FLOAT8] = FLOAT8OID,
	[MR_COLUMN_COST] = NUMERICOID,
	[MR_COLUMN_TIME] = TIMESTAMPTZOID,
	[MR_COLUMN_TEXT] = TEXTOID,
	[MR_COLUMN_NAME] = NAMEOID,
	[MR_COLUMN_JSONB] = JSONBOID,
	[MR_COLUMN_SHA256] = BYTEAOID
};

/* One statement per table, plain and as upsert; kept for the process. */
typedef struct RowPlans
{
	const MrRowType *type;
	SPIPlanPtr	plans[2];		/* [upsert] */
} RowPlans;

static RowPlans audit_plans = {&mr_audit_type, {NULL, NULL}};
static RowPlans attempt_plans = {&mr_attempt_type, {NULL, NULL}};

static Datum
text_datum(const char *text)
{
	return PointerGetDatum(cstring_to_text(text));
}

static Datum
integer_datum(MrColumnKind kind, int64 value, bool *null)
{
	*null = value == MR_NULL_INT;
	if (*null)
		return (Datum) 0;
	switch (kind)
	{
		case MR_COLUMN_INT4:
			return Int32GetDatum((int32) value);
		case MR_COLUMN_BOOL:
			return BoolGetDatum(value != 0);
		case MR_COLUMN_COST:
			return NumericGetDatum(int64_div_fast_to_numeric(value,
															 PICO_DIGITS));
		case MR_COLUMN_TIME:
			return TimestampTzGetDatum(value);
		default:
			return Int64GetDatum(value);
	}
}

static Datum
string_datum(MrColumnKind kind, const char *value, bool *null)
{
	*null = value == NULL;
	if (*null)
		return (Datum) 0;
	switch (kind)
	{
		case MR_COLUMN_NAME:
			return DirectFunctionCall1(namein, CStringGetDatum(value));
		case MR_COLUMN_JSONB:
			return DirectFunctionCall1(jsonb_in, CStringGetDatum(value));
		case MR_COLUMN_SHA256:
			return PointerGetDatum(cstring_to_text_with_len(value,
															MR_SHA256_BYTES));
		default:
			return text_datum(value);
	}
}

static Datum
column_datum(const MrColumn *column, const void *row, bool *null)
{
	const void *field = (const char *) row + column->offset;

	switch (column->kind)
	{
		case MR_COLUMN_TEXT:
		case MR_COLUMN_NAME:
		case MR_COLUMN_JSONB:
		case MR_COLUMN_SHA256:
			return string_datum(column->kind, *(const char *const *) field,
								null);
		case MR_COLUMN_FLOAT8:
			*null = isnan(*(const double *) field);
			return Float8GetDatum(*(const double *) field);
		default:
			return integer_datum(column->kind, *(const int64 *) field, null);
	}
}

static char *
insert_statement(const MrRowType *type, bool upsert)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", type->table);
	for (int i = 0; i < type->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "", type->columns[i].name);
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < type->ncolumns; i++)
		appendStringInfo(&sql, "%s$%d", i ? ", " : "", i + 1);
	appendStringInfoChar(&sql, ')');
	if (upsert)
	{
		appendStringInfo(&sql, " ON CONFLICT (%s) DO UPDATE SET ", type->key);
		for (int i = 0; i < type->ncolumns; i++)
			appendStringInfo(&sql, "%s%s = EXCLUDED.%s", i ? ", " : "",
							 type->columns[i].name, type->columns[i].name);
	}
	return sql.data;
}

static SPIPlanPtr
row_plan(RowPlans *plans, bool upsert)
{
	Oid			types[MAX_COLUMNS];
	SPIPlanPtr	plan;

	if (plans->plans[upsert])
		return plans->plans[upsert];
	Assert(plans->type->ncolumns <= MAX_COLUMNS);
	for (int i = 0; i < plans->type->ncolumns; i++)
		types[i] = column_types[plans->type->columns[i].kind];
	plan = SPI_prepare(insert_statement(plans->type, upsert),
					   plans->type->ncolumns, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the insert into %s",
			 plans->type->table);
	plans->plans[upsert] = plan;
	return plan;
}

static void
insert_row(RowPlans *plans, bool upsert, const void *row)
{
	SPIPlanPtr	plan = row_plan(plans, upsert);
	Datum		values[MAX_COLUMNS];
	char		nulls[MAX_COLUMNS];

	for (int i = 0; i < plans->type->ncolumns; i++)
	{
		bool		null;

		values[i] = column_datum(&plans->type->columns[i], row, &null);
		nulls[i] = null ? 'n' : ' ';
	}
	if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into %s", plans->type->table);
}

/* Writes the call and its attempts; raises what the tables raise. */
void
mr_store_record(const MrLedgerRecord *record)
{
	insert_row(&audit_plans, record->upsert, &record->audit);
	for (int i = 0; i < record->nattempts; i++)
		insert_row(&attempt_plans, record->upsert, &record->attempts[i]);
}

/* The first of MR_LEDGER_ID_BLOCK ids, the caller's once it commits. */
int64
mr_store_reserve_ids(void)
{
	static SPIPlanPtr plan = NULL;
	bool		null;

	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT pg_catalog.nextval('modelroute.ledger_id')",
						   0, NULL);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the reservation of ids");
	}
	if (SPI_execute_plan(plan, NULL, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not reserve ids");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &null));
}

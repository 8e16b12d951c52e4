/*
 * store.c
 *	  Writes records as logical replication applies rows: straight into the
 *	  table with its indexes, constraints, defaults and triggers, without
 *	  planning or starting a statement for each row.
 *
 * The caller is in a transaction with an active snapshot and runs as the
 * extension's owner or a superuser.  Errors need no clean-up beyond the
 * transaction's.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "ledger/store.h"

#define SCHEMA "modelroute"
#define PICO_DIGITS 12			/* pico-USD are USD with 12 decimals */

/* A column that somebody added and that has a default. */
typedef struct ForeignColumn
{
	AttrNumber	attnum;
	ExprState  *value;
} ForeignColumn;

typedef struct StoreTable
{
	const MrRowType *type;
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *target;
	TupleTableSlot *row;
	TupleTableSlot *present;	/* for upserts */
	AttrNumber *attnums;		/* of type->columns */
	List	   *foreign_columns;
} StoreTable;

struct MrStore
{
	StoreTable	audit;
	StoreTable	attempt;
};

static void open_table(StoreTable *table, const MrRowType *type);
static void find_columns(StoreTable *table);
static void write_row(StoreTable *table, bool upsert, const void *row);
static void fill_slot(StoreTable *table, const void *row);
static Datum column_datum(const MrColumn *column, const void *row, bool *null);
static void close_table(StoreTable *table);

/* Opens both tables; in CurrentMemoryContext. */
MrStore *
mr_store_open(void)
{
	MrStore    *store = palloc0(sizeof(MrStore));

	open_table(&store->audit, &mr_audit_type);
	open_table(&store->attempt, &mr_attempt_type);
	return store;
}

/* Writes the call and its attempts; raises what the tables raise. */
void
mr_store_record(MrStore *store, const MrLedgerRecord *record)
{
	write_row(&store->audit, record->upsert, &record->audit);
	for (int i = 0; i < record->nattempts; i++)
		write_row(&store->attempt, record->upsert, &record->attempts[i]);
}

/* Ends what mr_store_open began; the rows are visible to the next command. */
void
mr_store_close(MrStore *store)
{
	close_table(&store->audit);
	close_table(&store->attempt);
	pfree(store);
}

/* The first of MR_LEDGER_ID_BLOCK ids, the caller's once it commits. */
int64
mr_store_reserve_ids(void)
{
	Oid			sequence =
		RangeVarGetRelid(makeRangeVar(SCHEMA, "ledger_id", -1), NoLock, false);

	return nextval_internal(sequence, false);
}

static void
open_table(StoreTable *table, const MrRowType *type)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	EState	   *estate = CreateExecutorState();

	table->type = type;
	table->relation =
		table_openrv(makeRangeVar(SCHEMA, pstrdup(type->table), -1),
					 RowExclusiveLock);
	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(table->relation);
	entry->relkind = table->relation->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	ExecInitRangeTable(estate, list_make1(entry));

	table->estate = estate;
	table->target = makeNode(ResultRelInfo);
	InitResultRelInfo(table->target, table->relation, 1, NULL, 0);
	estate->es_opened_result_relations =
		lappend(estate->es_opened_result_relations, table->target);
	estate->es_output_cid = GetCurrentCommandId(true);
	ExecOpenIndices(table->target, false);
	table->row = ExecInitExtraTupleSlot(estate,
										RelationGetDescr(table->relation),
										&TTSOpsVirtual);
	find_columns(table);
	AfterTriggerBeginQuery();
}

/* Prepares the default of a column that is none of ours, if it has one. */
static void
add_foreign_column(StoreTable *table, AttrNumber attnum)
{
	Expr	   *expression;
	ForeignColumn *column;

	expression = (Expr *) build_column_default(table->relation, attnum);
	if (expression == NULL)
		return;
	column = palloc(sizeof(ForeignColumn));
	column->attnum = attnum;
	column->value = ExecInitExpr(expression_planner(expression), NULL);
	table->foreign_columns = lappend(table->foreign_columns, column);
}

/* Finds the columns by name: others may have been added, or come before. */
static void
find_columns(StoreTable *table)
{
	const MrRowType *type = table->type;
	TupleDesc	descriptor = RelationGetDescr(table->relation);
	int			next = 0;

	table->attnums = palloc0(type->ncolumns * sizeof(AttrNumber));
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped)
			continue;
		if (next < type->ncolumns &&
			strcmp(NameStr(attribute->attname), type->columns[next].name) == 0)
			table->attnums[next++] = attribute->attnum;
		else if (attribute->attgenerated == '\0')
			add_foreign_column(table, attribute->attnum);
	}
	if (next < type->ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table %s.%s is missing or not in its place",
						type->columns[next].name, SCHEMA, type->table),
				 errhint("Run ALTER EXTENSION modelroute UPDATE.")));
}

static void
update_row(StoreTable *table)
{
	EPQState	state;

	EvalPlanQualInit(&state, table->estate, NULL, NIL, -1);
	ExecSimpleRelationUpdate(table->target, table->estate, &state,
							 table->present, table->row);
	EvalPlanQualEnd(&state);
}

/* Whether the row's key is there; then it is in table->present, locked. */
static bool
find_present(StoreTable *table)
{
	Oid			key = RelationGetPrimaryKeyIndex(table->relation);

	if (table->present == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);

		table->present = table_slot_create(table->relation,
										   &table->estate->es_tupleTable);
		MemoryContextSwitchTo(old);
	}
	return RelationFindReplTupleByIndex(table->relation, key,
										LockTupleExclusive, table->row,
										table->present);
}

static void
write_row(StoreTable *table, bool upsert, const void *row)
{
	MemoryContext old =
		MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));

	fill_slot(table, row);
	if (upsert && find_present(table))
		update_row(table);
	else
		ExecSimpleRelationInsert(table->target, table->estate, table->row);
	MemoryContextSwitchTo(old);
	ExecClearTuple(table->row);
	ResetPerTupleExprContext(table->estate);
}

static void
fill_slot(StoreTable *table, const void *row)
{
	TupleTableSlot *slot = table->row;
	ExprContext *context = GetPerTupleExprContext(table->estate);
	ListCell   *cell;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < table->type->ncolumns; i++)
	{
		int			index = table->attnums[i] - 1;

		slot->tts_values[index] = column_datum(&table->type->columns[i], row,
											   &slot->tts_isnull[index]);
	}
	foreach(cell, table->foreign_columns)
	{
		ForeignColumn *column = lfirst(cell);
		int			index = column->attnum - 1;

		slot->tts_values[index] = ExecEvalExpr(column->value, context,
											   &slot->tts_isnull[index]);
	}
	ExecStoreVirtualTuple(slot);
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
			return CStringGetTextDatum(value);
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

/* Runs the triggers that waited for the end, and lets go; not the lock. */
static void
close_table(StoreTable *table)
{
	AfterTriggerEndQuery(table->estate);
	ExecCloseIndices(table->target);
	ExecResetTupleTable(table->estate->es_tupleTable, false);
	FreeExecutorState(table->estate);
	table_close(table->relation, NoLock);
}

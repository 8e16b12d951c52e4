/*
 * train_reader.c
 *	  Reads evals: the rows of a query, one by one, with columns by name.
 *
 * The query runs with the caller's rights and may only read.  The executor
 * hands each row over as it is made, and what it needs is freed before the
 * next one comes: neither the number of rows nor their size adds up.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/plancache.h"

#include "base/text.h"
#include "router/train_reader.h"

#define MODEL_MAX_BYTES	200		/* as the catalog has it */

typedef enum ColumnKind
{
	COLUMN_TEXT = 0,			/* any type, as it prints */
	COLUMN_NUMBER,
	COLUMN_SCORE				/* a number or a boolean */
} ColumnKind;

enum
{
	COLUMN_PROMPT,
	COLUMN_MODEL,
	COLUMN_SCORE_OF_MODEL,
	COLUMN_WINNER,
	COLUMN_LOSER,
	COLUMN_COST,
	COLUMN_OUTPUT_TOKENS,
	COLUMN_TASK,
	COLUMNS
};

typedef struct ColumnRule
{
	const char *name;
	ColumnKind	kind;
} ColumnRule;

static const ColumnRule column_rules[COLUMNS] = {
	[COLUMN_PROMPT] = {"prompt", COLUMN_TEXT},
	[COLUMN_MODEL] = {"model", COLUMN_TEXT},
	[COLUMN_SCORE_OF_MODEL] = {"score", COLUMN_SCORE},
	[COLUMN_WINNER] = {"winner", COLUMN_TEXT},
	[COLUMN_LOSER] = {"loser", COLUMN_TEXT},
	[COLUMN_COST] = {"cost", COLUMN_NUMBER},
	[COLUMN_OUTPUT_TOKENS] = {"output_tokens", COLUMN_NUMBER},
	[COLUMN_TASK] = {"task", COLUMN_TEXT},
};

/* A column of the query. */
typedef struct Column
{
	AttrNumber	attnum;			/* 0 = the query does not have it */
	Oid			type;			/* what a domain is made of */
	bool		is_text;		/* stored as text is */
	FmgrInfo	output;			/* of other types of COLUMN_TEXT */
} Column;

/* What the executor sends the rows to. */
typedef struct RowReceiver
{
	DestReceiver receiver;		/* first: the executor knows this */
	MrEvalsReader *reader;
	MemoryContext context;		/* of one row */
	TupleTableSlot *slot;		/* the row */
	Column		columns[COLUMNS];
} RowReceiver;

static SPIPlanPtr prepare_query(const char *query);
static void start_rows(DestReceiver *self, int operation, TupleDesc desc);
static void find_column(RowReceiver *receiver, int which, TupleDesc desc);
static void check_columns(const RowReceiver *receiver);
static bool take_row(TupleTableSlot *slot, DestReceiver *self);
static bool read_row(RowReceiver *receiver, MrEvalRow *row);
static bool read_score(RowReceiver *receiver, double *score);
static double read_amount(RowReceiver *receiver, int which);
static const char *read_model(RowReceiver *receiver, int which);
static const char *read_text(RowReceiver *receiver, int which, size_t *bytes);
static bool read_number(RowReceiver *receiver, int which, double *number);
static bool read_datum(RowReceiver *receiver, int which, Datum *value);
static void no_rows(DestReceiver *self);
static void raise_row(const RowReceiver *receiver, const char *detail,
					  const char *hint) pg_attribute_noreturn();

/*
 * Hands each row of the query that can be used to reader->add.  Raises what
 * the query raises; 22023 for one that is not a plain SELECT and for a row
 * with a bad value, 42703 and 42804 for columns that are missing or of a type
 * that cannot be read.
 */
void
mr_evals_read(const char *query, MrEvalsReader *reader)
{
	RowReceiver receiver = {
		.receiver = {
			.receiveSlot = take_row,
			.rStartup = start_rows,
			.rShutdown = no_rows,
			.rDestroy = no_rows,
			.mydest = DestNone
		},
		.reader = reader
	};
	SPIExecuteOptions options = {
		.read_only = true,
		.must_return_tuples = true,
		.dest = &receiver.receiver
	};
	SPIPlanPtr	plan;

	reader->rows_read = 0;
	reader->rows_skipped = 0;
	SPI_connect();
	receiver.context = AllocSetContextCreate(CurrentMemoryContext,
											 "modelroute row of evals",
											 ALLOCSET_DEFAULT_SIZES);
	plan = prepare_query(query);
	if (SPI_execute_plan_extended(plan, &options) < 0)
		elog(ERROR, "the query of evals could not be run");
	SPI_finish();
}

static SPIPlanPtr
prepare_query(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(query, 0, NULL,
										  CURSOR_OPT_PARALLEL_OK);
	List	   *sources = SPI_plan_get_plan_sources(plan);
	Query	   *parsed = NULL;

	if (list_length(sources) == 1)
	{
		CachedPlanSource *source = linitial(sources);

		if (list_length(source->query_list) == 1)
			parsed = linitial(source->query_list);
	}
	if (parsed == NULL || parsed->commandType != CMD_SELECT ||
		parsed->hasModifyingCTE || parsed->rowMarks != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("evals_query must be one SELECT that only reads"),
				 errhint("For example 'SELECT prompt, model, score FROM evals'.")));
	return plan;
}

/* ----------
 * Columns
 * ----------
 */

/* The executor tells which columns will come. */
static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
	RowReceiver *receiver = (RowReceiver *) self;

	for (int which = 0; which < COLUMNS; which++)
		if (!receiver->reader->prompts_only || which == COLUMN_PROMPT ||
			which == COLUMN_TASK)
			find_column(receiver, which, desc);
	check_columns(receiver);
}

static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == FLOAT4OID || type == FLOAT8OID || type == NUMERICOID;
}

static void
find_column(RowReceiver *receiver, int which, TupleDesc desc)
{
	const ColumnRule *rule = &column_rules[which];
	Column	   *column = &receiver->columns[which];

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (strcmp(NameStr(attribute->attname), rule->name) != 0)
			continue;
		if (column->attnum != 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("evals_query has two columns \"%s\"",
							rule->name)));
		column->attnum = attribute->attnum;
		column->type = getBaseType(attribute->atttypid);
		column->is_text = column->type == TEXTOID ||
			column->type == VARCHAROID || column->type == BPCHAROID;
	}
	if (column->attnum == 0)
		return;
	if (rule->kind == COLUMN_TEXT)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(column->type, &output, &is_varlena);
		fmgr_info(output, &column->output);
	}
	else if (!is_number(column->type) &&
			 (rule->kind != COLUMN_SCORE || column->type != BOOLOID))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of evals_query has type %s", rule->name,
						format_type_be(column->type)),
				 errhint("Cast it to a number, as in %s::float8.",
						 rule->name)));
}

static void
check_columns(const RowReceiver *receiver)
{
	const Column *columns = receiver->columns;
	int			missing;

	if (columns[COLUMN_PROMPT].attnum == 0)
		missing = COLUMN_PROMPT;
	else if (receiver->reader->prompts_only)
		return;
	else if (columns[COLUMN_WINNER].attnum != 0 &&
			 columns[COLUMN_LOSER].attnum != 0)
		return;
	else if (columns[COLUMN_WINNER].attnum != 0)
		missing = COLUMN_LOSER;
	else if (columns[COLUMN_LOSER].attnum != 0)
		missing = COLUMN_WINNER;
	else if (columns[COLUMN_MODEL].attnum == 0)
		missing = COLUMN_MODEL;
	else if (columns[COLUMN_SCORE_OF_MODEL].attnum == 0)
		missing = COLUMN_SCORE_OF_MODEL;
	else
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s has no column \"%s\"",
					receiver->reader->prompts_only ? "query" : "evals_query",
					column_rules[missing].name),
			 errhint("%s", receiver->reader->prompts_only ?
					 "The query must yield prompt, and may yield task." :
					 "The query must yield prompt, model and score in 0..1, or prompt, winner and loser. It may also yield cost in USD, output_tokens and task.")));
}

/* ----------
 * Rows
 * ----------
 */

/* The executor has a row; true for more. */
static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MrEvalsReader *reader = receiver->reader;
	MemoryContext saved = MemoryContextSwitchTo(receiver->context);
	MrEvalRow	row = {0};

	CHECK_FOR_INTERRUPTS();
	receiver->slot = slot;
	reader->rows_read++;
	if (read_row(receiver, &row))
	{
		const char *problem = reader->add(reader->arg, &row);

		if (problem != NULL)
			raise_row(receiver, problem, NULL);
	}
	else
		reader->rows_skipped++;
	reader->progress(reader->arg, reader->rows_read);
	MemoryContextSwitchTo(saved);
	MemoryContextReset(receiver->context);
	return true;
}

/* False for a row that tells nothing. */
static bool
read_row(RowReceiver *receiver, MrEvalRow *row)
{
	row->prompt = read_text(receiver, COLUMN_PROMPT, &row->prompt_bytes);
	row->task = read_text(receiver, COLUMN_TASK, NULL);
	row->cost_usd = row->output_tokens = get_float8_nan();
	if (receiver->reader->prompts_only)
	{
		row->model = MR_EVALS_NO_MODEL;
		return row->prompt != NULL;
	}
	row->model = read_model(receiver, COLUMN_MODEL);
	row->cost_usd = read_amount(receiver, COLUMN_COST);
	row->output_tokens = read_amount(receiver, COLUMN_OUTPUT_TOKENS);
	if (row->prompt == NULL)
		return false;
	if (row->model != NULL)
		return read_score(receiver, &row->score);
	row->winner = read_model(receiver, COLUMN_WINNER);
	row->loser = read_model(receiver, COLUMN_LOSER);
	return row->winner != NULL && row->loser != NULL &&
		strcmp(row->winner, row->loser) != 0;
}

/* False for NULL. */
static bool
read_score(RowReceiver *receiver, double *score)
{
	if (!read_number(receiver, COLUMN_SCORE_OF_MODEL, score))
		return false;
	if (!(*score >= 0 && *score <= 1))
		raise_row(receiver, psprintf("The score is %g.", *score),
				  "A score is between 0 and 1: divide it by the best that can be reached, as in score / 10.0.");
	return true;
}

/* NaN for NULL; the bounds are for who takes the row. */
static double
read_amount(RowReceiver *receiver, int which)
{
	double		amount;

	if (!read_number(receiver, which, &amount))
		return get_float8_nan();
	if (isnan(amount))
		raise_row(receiver, psprintf("Column \"%s\" is NaN.",
									 column_rules[which].name),
				  "Give NULL for what is not known.");
	return amount;
}

/* NULL for an empty one too. */
static const char *
read_model(RowReceiver *receiver, int which)
{
	size_t		bytes;
	const char *model = read_text(receiver, which, &bytes);

	if (model != NULL && bytes > MODEL_MAX_BYTES)
		raise_row(receiver, psprintf("Column \"%s\" has more than %d bytes.",
									 column_rules[which].name,
									 MODEL_MAX_BYTES),
				  "It is the name of a model.");
	return model;
}

/* The text of a column as UTF-8; NULL for an empty one too. */
static const char *
read_text(RowReceiver *receiver, int which, size_t *bytes)
{
	Column	   *column = &receiver->columns[which];
	Datum		value;
	const char *data;
	size_t		length;

	if (!read_datum(receiver, which, &value))
		return NULL;
	if (column->is_text)
	{
		text	   *stored = DatumGetTextPP(value);

		data = VARDATA_ANY(stored);
		length = VARSIZE_ANY_EXHDR(stored);
	}
	else
	{
		data = OutputFunctionCall(&column->output, value);
		length = strlen(data);
	}
	while (column->type == BPCHAROID && length > 0 && data[length - 1] == ' ')
		length--;
	return length > 0 ? mr_text_to_utf8(data, length, bytes) : NULL;
}

/* False for NULL. */
static bool
read_number(RowReceiver *receiver, int which, double *number)
{
	Datum		value;

	if (!read_datum(receiver, which, &value))
		return false;
	switch (receiver->columns[which].type)
	{
		case BOOLOID:
			*number = DatumGetBool(value) ? 1 : 0;
			break;
		case INT2OID:
			*number = DatumGetInt16(value);
			break;
		case INT4OID:
			*number = DatumGetInt32(value);
			break;
		case INT8OID:
			*number = (double) DatumGetInt64(value);
			break;
		case FLOAT4OID:
			*number = DatumGetFloat4(value);
			break;
		case FLOAT8OID:
			*number = DatumGetFloat8(value);
			break;
		default:
			value = DirectFunctionCall1(numeric_float8_no_overflow, value);
			*number = DatumGetFloat8(value);
			break;
	}
	return true;
}

/* False for NULL and for a column that the query does not have. */
static bool
read_datum(RowReceiver *receiver, int which, Datum *value)
{
	AttrNumber	attnum = receiver->columns[which].attnum;
	bool		isnull = true;

	if (attnum != 0)
		*value = slot_getattr(receiver->slot, attnum, &isnull);
	return !isnull;
}

static void
no_rows(DestReceiver *self)
{
}

static void
raise_row(const RowReceiver *receiver, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("row %lld of evals_query cannot be used",
					(long long) receiver->reader->rows_read),
			 errdetail("%s", detail),
			 hint != NULL ? errhint("%s", hint) : 0));
}

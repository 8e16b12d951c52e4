/*
 * evaluate.c
 *	  SQL functions evaluate_router and router_report: what a router is worth
 *	  on prompts whose outcome is known, as rows and as a page.
 *
 * Both only read: they work on a standby, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/option_values.h"
#include "api/options.h"
#include "api/row.h"
#include "base/guc.h"
#include "base/text.h"
#include "engine/binding.h"
#include "engine/evals_source.h"
#include "engine/outcomes_read.h"
#include "router/evaluate.h"
#include "router/report.h"

#define DEFAULT_FOLDS	5

PG_FUNCTION_INFO_V1(mr_sql_evaluate_router);
PG_FUNCTION_INFO_V1(mr_sql_router_report);

/* The columns of evaluate_router. */
enum
{
	EVALUATION_KIND,
	EVALUATION_POINT,
	EVALUATION_SETTING,
	EVALUATION_QUALITY,
	EVALUATION_QUALITY_LOW,
	EVALUATION_QUALITY_HIGH,
	EVALUATION_EXPECTED_QUALITY,
	EVALUATION_COST,
	EVALUATION_COST_LOW,
	EVALUATION_COST_HIGH,
	EVALUATION_SHARE,
	EVALUATION_METRIC,
	EVALUATION_VALUE,
	EVALUATION_VALUE_LOW,
	EVALUATION_VALUE_HIGH,
	EVALUATION_MEANING,
	EVALUATION_COLUMNS
};

/* One call of either function. */
typedef struct Evaluating
{
	/* what was asked */
	const char *router;			/* UTF-8; with crossval a label, or NULL */
	char	   *query;			/* in the server encoding */
	int			crossval;		/* 0 = not asked for */
	int			folds;
	int64		seed;
	int			resamples;
	double		level;

	MrEvalsSource source;
	MrEvals    *evals;
	MrOutcomes *outcomes;
	MrEvaluation *evaluation;
} Evaluating;

static void set_seed(void *target, const MrOption *option);

static const MrOptionRow option_rows[] = {
	{"crossval", MR_OPTION_INT, .offset = offsetof(Evaluating, crossval),
	.minimum = 2, .maximum = MR_CROSSVAL_MAX},
	{"folds", MR_OPTION_INT, .offset = offsetof(Evaluating, folds),
	.minimum = 2, .maximum = 20},
	{"level", MR_OPTION_DOUBLE, .offset = offsetof(Evaluating, level),
	.minimum = 0.5, .maximum = 0.999},
	{"resamples", MR_OPTION_INT, .offset = offsetof(Evaluating, resamples),
	.minimum = 0, .maximum = MR_EVALUATION_MAX_RESAMPLES},
	{"seed", MR_OPTION_CUSTOM, .set = set_seed},
};

static const MrOptionTable options_table =
{"", option_rows, lengthof(option_rows), "{\"crossval\": 5}"};

static void read_arguments(FunctionCallInfo fcinfo, Evaluating *evaluating);
static void evaluate(Evaluating *evaluating);
static void put_rows(const Evaluating *evaluating, ReturnSetInfo *result);
static void put_point(const Evaluating *evaluating,
					  const MrEvaluationRow *point, ReturnSetInfo *result);
static Datum share_datum(const MrOutcomes *outcomes, const double *share);
static void put_metric(const MrEvaluationMetric *metric,
					   ReturnSetInfo *result);
static void put_counts(const Evaluating *evaluating, ReturnSetInfo *result);
static text *write_report(const Evaluating *evaluating);
static char *page_from_utf8(const char *page);

/* A row for each operating point, then one for each line of the summary. */
Datum
mr_sql_evaluate_router(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Evaluating	evaluating = {0};

	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(caller, "modelroute evaluation",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	read_arguments(fcinfo, &evaluating);
	evaluate(&evaluating);
	put_rows(&evaluating, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* The same as a page of HTML. */
Datum
mr_sql_router_report(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "modelroute evaluation",
												  ALLOCSET_DEFAULT_SIZES);
	Evaluating	evaluating = {0};
	text	   *page;
	text	   *result;

	MemoryContextSwitchTo(context);
	read_arguments(fcinfo, &evaluating);
	evaluate(&evaluating);
	page = write_report(&evaluating);
	MemoryContextSwitchTo(caller);
	result = palloc(VARSIZE(page));
	memcpy(result, page, VARSIZE(page));
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(result);
}

/* ----------
 * Arguments
 * ----------
 */

static void
read_arguments(FunctionCallInfo fcinfo, Evaluating *evaluating)
{
	MrEvaluateOptions defaults = MR_EVALUATE_DEFAULTS;
	Jsonb	   *options = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);

	evaluating->folds = DEFAULT_FOLDS;
	evaluating->resamples = defaults.resamples;
	evaluating->level = defaults.level;
	evaluating->query = mr_argument_text(fcinfo, 1, "evals_query");
	if (mr_options_given(options))
		mr_options_read(evaluating, &options_table, &options->root);
	if (!PG_ARGISNULL(0))
		evaluating->router = mr_router_argument(PG_GETARG_TEXT_PP(0));
	else if (evaluating->crossval == 0)
		evaluating->router = mr_guc_router;
	if (evaluating->crossval == 0)
		mr_binding_require(evaluating->router, mr_catalog_get());
}

static void
set_seed(void *target, const MrOption *option)
{
	((Evaluating *) target)->seed = mr_option_int64(option);
}

/* ----------
 * The evaluation
 * ----------
 */

static void
evaluate(Evaluating *evaluating)
{
	MrEvaluateOptions options = {
		.seed = (uint64) evaluating->seed,
		.resamples = evaluating->resamples,
		.level = evaluating->level
	};
	MrOutcomesTask task = {
		.router = evaluating->router,
		.crossval = evaluating->crossval,
		.folds = evaluating->folds,
		.seed = (uint64) evaluating->seed
	};

	evaluating->source.query = evaluating->query;
	task.evals = evaluating->evals = mr_evals_gather(&evaluating->source);
	evaluating->outcomes = mr_outcomes_read(&task);
	evaluating->evaluation = mr_evaluate(evaluating->outcomes, &options);
}

/* ----------
 * Rows
 * ----------
 */

static void
put_rows(const Evaluating *evaluating, ReturnSetInfo *result)
{
	const MrEvaluation *evaluation = evaluating->evaluation;

	for (int i = 0; i < evaluation->nrows; i++)
		put_point(evaluating, &evaluation->rows[i], result);
	put_counts(evaluating, result);
	for (int i = 0; i < evaluation->nmetrics; i++)
		put_metric(&evaluation->metrics[i], result);
}

static void
put_point(const Evaluating *evaluating, const MrEvaluationRow *point,
		  ReturnSetInfo *result)
{
	Datum		values[EVALUATION_COLUMNS];
	bool		nulls[EVALUATION_COLUMNS] = {false};
	MrRow		row = {values, nulls};
	const char *meaning = NULL;

	mr_row_set_text(&row, EVALUATION_KIND, mr_policy_name(point->policy));
	mr_row_set_text(&row, EVALUATION_POINT, point->point);
	mr_row_set_double(&row, EVALUATION_SETTING, point->setting);
	mr_row_set_double(&row, EVALUATION_QUALITY, point->quality.value);
	mr_row_set_double(&row, EVALUATION_QUALITY_LOW, point->quality.low);
	mr_row_set_double(&row, EVALUATION_QUALITY_HIGH, point->quality.high);
	mr_row_set_double(&row, EVALUATION_EXPECTED_QUALITY,
					  point->expected_quality);
	mr_row_set_double(&row, EVALUATION_COST, point->cost_usd.value);
	mr_row_set_double(&row, EVALUATION_COST_LOW, point->cost_usd.low);
	mr_row_set_double(&row, EVALUATION_COST_HIGH, point->cost_usd.high);
	values[EVALUATION_SHARE] = share_datum(evaluating->outcomes,
										   point->share);
	for (int i = EVALUATION_METRIC; i <= EVALUATION_VALUE_HIGH; i++)
		nulls[i] = true;
	if (evaluating->evaluation->cost_source == MR_COST_SOURCE_EXPECTED)
		meaning = "costs are what the router expects: the evals have none";
	mr_row_set_text(&row, EVALUATION_MEANING, meaning);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* An object of the models that were picked at all. */
static Datum
share_datum(const MrOutcomes *outcomes, const double *share)
{
	JsonbParseState *state = NULL;
	JsonbValue	part;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		const char *model = outcomes->models[m];

		if (share[m] <= 0)
			continue;
		part.type = jbvString;
		part.val.string.val = mr_text_from_utf8_lossy(model, strlen(model));
		part.val.string.len = strlen(part.val.string.val);
		pushJsonbValue(&state, WJB_KEY, &part);
		part.type = jbvNumeric;
		part.val.numeric =
			DatumGetNumeric(DirectFunctionCall1(float8_numeric,
												Float8GetDatum(share[m])));
		pushJsonbValue(&state, WJB_VALUE, &part);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state,
														   WJB_END_OBJECT,
														   NULL)));
}

static void
put_metric(const MrEvaluationMetric *metric, ReturnSetInfo *result)
{
	Datum		values[EVALUATION_COLUMNS];
	bool		nulls[EVALUATION_COLUMNS];
	MrRow		row = {values, nulls};

	memset(nulls, true, sizeof(nulls));
	nulls[EVALUATION_KIND] = false;
	nulls[EVALUATION_METRIC] = false;
	nulls[EVALUATION_MEANING] = false;
	mr_row_set_text(&row, EVALUATION_KIND, "summary");
	mr_row_set_text(&row, EVALUATION_METRIC, metric->name);
	mr_row_set_double(&row, EVALUATION_VALUE, metric->interval.value);
	mr_row_set_double(&row, EVALUATION_VALUE_LOW, metric->interval.low);
	mr_row_set_double(&row, EVALUATION_VALUE_HIGH, metric->interval.high);
	mr_row_set_text(&row, EVALUATION_MEANING, metric->meaning);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What all of it rests on. */
static void
put_counts(const Evaluating *evaluating, ReturnSetInfo *result)
{
	const struct
	{
		const char *name;
		const char *meaning;
		double		value;
	}			counts[] = {
		{"prompts", "different prompts that it was judged on",
		evaluating->outcomes->nprompts},
		{"prompts_left_out", "prompts that a model had no score for",
		evaluating->outcomes->left_out},
		{"prompts_share",
			"of the query's prompts that were read: 1, or 1/2, 1/4, ... when maintenance_work_mem held no more",
		evaluating->evals->kept_share},
		{"rows_skipped", "rows without prompt, model or score",
		evaluating->source.rows_skipped},
	};

	for (size_t i = 0; i < lengthof(counts); i++)
	{
		MrEvaluationMetric metric = {
			.name = counts[i].name,
			.meaning = counts[i].meaning,
			.interval = {counts[i].value, get_float8_nan(), get_float8_nan()}
		};

		put_metric(&metric, result);
	}
}

/* ----------
 * The page
 * ----------
 */

static text *
write_report(const Evaluating *evaluating)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	TimestampTz second = now - now % USECS_PER_SEC;
	MrReportTitle title = {
		.router = evaluating->router,
		.evals = mr_text_to_utf8(evaluating->query, strlen(evaluating->query),
								 NULL),
		.made = pstrdup(timestamptz_to_str(second))
	};
	char	   *page;

	if (evaluating->crossval > 0)
		title.about = psprintf("Trained and judged by cross-validation: for each of %d parts of the prompts a router learned from the others.",
							   evaluating->crossval);
	page = mr_report_html(evaluating->outcomes, evaluating->evaluation,
						  &title);
	return cstring_to_text(page_from_utf8(page));
}

/*
 * In the server encoding; when that lacks a character of the page, those that
 * are not ASCII become references, which say the same.
 */
static char *
page_from_utf8(const char *page)
{
	size_t		bytes;
	char	   *converted = mr_text_from_utf8(page, strlen(page), &bytes);
	StringInfoData ascii;

	if (converted != NULL)
		return converted;
	initStringInfo(&ascii);
	for (const char *next = page; *next != '\0';
		 next += pg_utf_mblen((const unsigned char *) next))
		if (IS_HIGHBIT_SET(*next))
			appendStringInfo(&ascii, "&#%u;", (unsigned int)
							 utf8_to_unicode((const unsigned char *) next));
		else
			appendStringInfoChar(&ascii, *next);
	return ascii.data;
}

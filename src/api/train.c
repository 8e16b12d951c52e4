/*
 * train.c
 *	  SQL functions train_router, drop_router and check_router: trained
 *	  routers from evals to stored versions.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "api/arguments.h"
#include "api/option_values.h"
#include "base/progress.h"
#include "base/text.h"
#include "catalog/router_store.h"
#include "engine/evals_source.h"
#include "router/train.h"

#define DEFAULT_FOLDS	5

PG_FUNCTION_INFO_V1(mr_sql_train_router);
PG_FUNCTION_INFO_V1(mr_sql_drop_router);
PG_FUNCTION_INFO_V1(mr_sql_check_router);

/* The fields of type modelroute.router_version. */
enum
{
	VERSION_NAME,
	VERSION_VERSION,
	VERSION_PROMPTS,
	VERSION_MODELS,
	VERSION_REPORT,
	VERSION_COLUMNS
};

/* The results of check_router. */
enum
{
	CHECK_NAME,
	CHECK_VERSION,
	CHECK_ARTIFACT_BYTES,
	CHECK_SHARED,
	CHECK_COLUMNS
};

/* One call of train_router. */
typedef struct Training
{
	/* what was asked */
	const char *name;
	const char *query;
	Jsonb	   *options;
	int64		seed;
	int			folds;
	const char *note;			/* stays in options */

	MrProgressSlot *progress;
	int64		rows_skipped;
	MrEvals    *evals;
	MrTrainResult result;
	MrRouterVersion stored;
} Training;

static void set_seed(void *target, const MrOption *option);

static const MrOptionRow option_rows[] = {
	{"folds", MR_OPTION_INT, .offset = offsetof(Training, folds),
	.minimum = 2, .maximum = 20},
	{"note", MR_OPTION_TEXT, .offset = offsetof(Training, note)},
	{"seed", MR_OPTION_CUSTOM, .set = set_seed},
};

static const MrOptionTable options_table =
{"", option_rows, lengthof(option_rows), "{\"seed\": 1}"};

static void read_arguments(FunctionCallInfo fcinfo, Training *training);
static void run(Training *training);
static void read_evals(Training *training);
static void note_row(void *arg, int64 rows_read);
static void learn(Training *training);
static void note_phase(void *arg, MrTrainPhase phase, int64 done, int64 total);
static void store(Training *training);
static Datum version_datum(const Training *training, TupleDesc descriptor);
static TupleDesc result_descriptor(FunctionCallInfo fcinfo, int columns);

/* Learns from evals; the version that was stored. */
Datum
mr_sql_train_router(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor = result_descriptor(fcinfo, VERSION_COLUMNS);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Training	training = {.folds = DEFAULT_FOLDS};
	Datum		result;

	read_arguments(fcinfo, &training);
	PreventCommandIfReadOnly("train_router()");
	PreventCommandIfParallelMode("train_router()");
	mr_router_check_owner(training.name);

	context = AllocSetContextCreate(caller, "modelroute training",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	training.progress = mr_progress_begin(training.name);

	/* The slot must not wait for the memory of a failed transaction to go. */
	PG_TRY();
	{
		run(&training);
	}
	PG_FINALLY();
	{
		mr_progress_end(training.progress);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	result = version_datum(&training, descriptor);
	MemoryContextDelete(context);
	return result;
}

/* Drops a version of a router, or all; how many. */
Datum
mr_sql_drop_router(PG_FUNCTION_ARGS)
{
	char	   *name = mr_argument_text(fcinfo, 0, "name");
	int			version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);

	if (!PG_ARGISNULL(1) && version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be at least 1"),
				 errhint("Leave it out to drop all versions.")));
	PG_RETURN_INT32(mr_router_drop(name, version));
}

/* Loads a router as route() does, and tells which it is. */
Datum
mr_sql_check_router(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor = result_descriptor(fcinfo, CHECK_COLUMNS);
	char	   *spec = mr_argument_text(fcinfo, 0, "router");
	MrRouterBlob *router = mr_router_get(spec);
	Datum		values[CHECK_COLUMNS];
	bool		nulls[CHECK_COLUMNS] = {false};

	if (router == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("router \"%s\" does not exist", spec),
				 errhint("Give the name of a router, or name:version, of view modelroute.router_list.")));
	values[CHECK_NAME] = CStringGetTextDatum(router->name);
	values[CHECK_VERSION] = Int32GetDatum(router->version);
	values[CHECK_ARTIFACT_BYTES] = Int64GetDatum(router->length);
	values[CHECK_SHARED] = BoolGetDatum(router->shared);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

/* ----------
 * Arguments
 * ----------
 */

static void
read_arguments(FunctionCallInfo fcinfo, Training *training)
{
	training->name = mr_argument_text(fcinfo, 0, "name");
	training->query = mr_argument_text(fcinfo, 1, "evals_query");
	training->options = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	mr_router_check_name(training->name);
	if (mr_options_given(training->options))
		mr_options_read(training, &options_table, &training->options->root);
}

static void
set_seed(void *target, const MrOption *option)
{
	((Training *) target)->seed = mr_option_int64(option);
}

/* ----------
 * Training
 * ----------
 */

static void
run(Training *training)
{
	read_evals(training);
	learn(training);
	store(training);
}

static void
read_evals(Training *training)
{
	MrEvalsSource source = {
		.query = training->query,
		.progress = note_row,
		.progress_arg = training
	};

	training->evals = mr_evals_gather(&source);
	training->rows_skipped = source.rows_skipped;
	mr_progress_rows(training->progress, source.rows_read,
					 training->evals->nprompts);
}

static void
note_row(void *arg, int64 rows_read)
{
	mr_progress_rows(((Training *) arg)->progress, rows_read, 0);
}

static void
learn(Training *training)
{
	MrEvals    *evals = training->evals;
	MrTrainOptions options = {
		.seed = (uint64) training->seed,
		.folds = training->folds,
		.priors = mr_evals_priors(evals),
		.progress = note_phase,
		.progress_arg = training
	};
	const char *problem = mr_train(evals, &options, &training->result);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("router \"%s\" cannot be trained from these evals",
						training->name),
				 errdetail("%s Of %lld rows, %lld were skipped.", problem,
						   (long long) (evals->rows + training->rows_skipped),
						   (long long) training->rows_skipped),
				 evals->nprompts == 0 && evals->rows > 0 ?
				 errhint("Raise maintenance_work_mem, or give fewer rows of a prompt.") :
				 evals->nmodels == 1 ? errhint("Score other models' replies, too. Calls with option explore get some.") :
				 errhint("Each row needs a prompt, a model and a score, or a prompt, a winner and a loser.")));
}

static void
note_phase(void *arg, MrTrainPhase phase, int64 done, int64 total)
{
	CHECK_FOR_INTERRUPTS();
	mr_progress_phase(((Training *) arg)->progress, phase, done, total);
}

static void
store(Training *training)
{
	const MrEvals *evals = training->evals;
	MrRouterRow row = {
		.name = training->name,
		.feature_version = MR_FEATURE_VERSION,
		.models = evals->models,
		.nmodels = evals->nmodels,
		.rows = evals->rows,
		.rows_skipped = training->rows_skipped,
		.prompts = evals->nprompts,
		.options = training->options,
		.report = training->result.report,
		.artifact = training->result.artifact,
		.artifact_bytes = training->result.artifact_bytes
	};

	training->stored = mr_router_insert(&row);
}

/* ----------
 * Results
 * ----------
 */

static Datum
version_datum(const Training *training, TupleDesc descriptor)
{
	Datum		values[VERSION_COLUMNS];
	bool		nulls[VERSION_COLUMNS] = {false};

	values[VERSION_NAME] = CStringGetTextDatum(training->name);
	values[VERSION_VERSION] = Int32GetDatum(training->stored.version);
	values[VERSION_PROMPTS] = Int64GetDatum(training->evals->nprompts);
	values[VERSION_MODELS] = PointerGetDatum(training->stored.models);
	values[VERSION_REPORT] = JsonbPGetDatum(training->stored.report);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

/* The row type of the result. */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo, int columns)
{
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) !=
		TYPEFUNC_COMPOSITE || descriptor->natts != columns)
		elog(ERROR, "the function's result type is not the one it fills");
	return BlessTupleDesc(descriptor);
}

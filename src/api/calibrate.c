/*
 * calibrate.c
 *	  SQL function calibrate: the threshold or weight of a router that meets a
 *	  target, stored as a preset.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "api/arguments.h"
#include "api/option_values.h"
#include "api/options.h"
#include "api/preset.h"
#include "api/row.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/text.h"
#include "engine/binding.h"
#include "engine/decide.h"
#include "engine/evals_source.h"
#include "engine/outcomes_read.h"
#include "router/operating.h"

#define CALLS			1000	/* that a cost is stated for */

PG_FUNCTION_INFO_V1(mr_sql_calibrate);

/* The columns of the result. */
enum
{
	CALIBRATION_PRESET,
	CALIBRATION_VERSION,
	CALIBRATION_MODEL,
	CALIBRATION_OBJECTIVE,
	CALIBRATION_THRESHOLD,
	CALIBRATION_USD,
	CALIBRATION_REACHED,
	CALIBRATION_NOTE,
	CALIBRATION_COLUMNS
};

typedef struct Calibrating Calibrating;

/* A kind of target; the value must be in minimum..maximum. */
typedef struct Target
{
	const char *name;
	double		minimum;
	double		maximum;
	bool		of_evals;		/* needs scores, not only prompts */
	void		(*meet) (Calibrating *calibrating);
	double		unit;			/* of what is reached and of its range */
	const char *what;			/* that is, in an error */
} Target;

struct Calibrating
{
	/* what was asked */
	const char *router;			/* UTF-8 */
	char	   *query;
	char	   *target_text;
	const Target *target;
	double		wanted;
	char	   *preset;
	Jsonb	   *options;
	MrRequest	request;		/* of the options, without a prompt */

	MrEvals    *evals;
	MrOutcomes *outcomes;
	int			strong;			/* of the outcomes' models; -1 = by weight */
	int			weak;
	double		unit;			/* of what is reached */
	MrOperatingPoint point;

	/* what is stored */
	const char *model;			/* UTF-8 */
	const char *objective;		/* or NULL */
	int			version;
	char	   *note;
};

static void meet_share(Calibrating *calibrating);
static void meet_cost(Calibrating *calibrating);
static void meet_quality(Calibrating *calibrating);

static const Target targets[] = {
	{"cost_per_1k", 0, 1e9, false, meet_cost, CALLS,
	"Expected costs of 1000 calls lie between"},
	{"quality", 0, 10, true, meet_quality, 1,
	"Shares of the best single model's quality lie between"},
	{"strong_share", 0, 1, false, meet_share, 1,
	"The nearest shares that a threshold gives are"},
};

/* All of them are options of route(), and stay in the preset. */
static void leave_to_request(void *target, const MrOption *option);

static const MrOptionRow option_rows[] = {
	{"exclude", MR_OPTION_CUSTOM, .set = leave_to_request},
	{"models", MR_OPTION_CUSTOM, .set = leave_to_request},
	{"provider", MR_OPTION_CUSTOM, .set = leave_to_request},
	{"strong", MR_OPTION_CUSTOM, .set = leave_to_request},
	{"weak", MR_OPTION_CUSTOM, .set = leave_to_request},
};

static const MrOptionTable options_table =
{"", option_rows, lengthof(option_rows), "{\"strong\": \"big\", \"weak\": \"small\"}"};

static void read_arguments(FunctionCallInfo fcinfo, Calibrating *calibrating);
static void read_target(Calibrating *calibrating);
static void refuse_target(const Calibrating *calibrating)
			pg_attribute_noreturn();
static char *default_preset(const Calibrating *calibrating);
static void run(Calibrating *calibrating);
static void read_prompts(Calibrating *calibrating);
static MrDecision *decide_any(Calibrating *calibrating);
static int	take_pair(Calibrating *calibrating, const MrDecision *decision,
					  const MrEndpoint **endpoints);
static int	take_cheapest(const MrDecision *decision,
						  const MrEndpoint **endpoints);
static void read_evals(Calibrating *calibrating);
static void choose_pair(Calibrating *calibrating);
static int	find_model(const Calibrating *calibrating, const char *name);
static void refuse_unreached(const Calibrating *calibrating)
			pg_attribute_noreturn();
static void describe(Calibrating *calibrating);
static Jsonb *preset_body(const Calibrating *calibrating);
static void append_models(StringInfo json, const MrOutcomes *outcomes);
static Datum result_datum(const Calibrating *calibrating,
						  TupleDesc descriptor);

/* What was found and stored. */
Datum
mr_sql_calibrate(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Calibrating calibrating = {.strong = -1, .weak = -1, .unit = 1};
	TupleDesc	descriptor;
	Datum		result;

	if (get_call_result_type(fcinfo, NULL, &descriptor) !=
		TYPEFUNC_COMPOSITE || descriptor->natts != CALIBRATION_COLUMNS)
		elog(ERROR, "the function's result type is not the one it fills");
	descriptor = BlessTupleDesc(descriptor);
	context = AllocSetContextCreate(caller, "modelroute calibration",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	read_arguments(fcinfo, &calibrating);
	PreventCommandIfReadOnly("calibrate()");
	PreventCommandIfParallelMode("calibrate()");
	run(&calibrating);
	MemoryContextSwitchTo(caller);
	result = result_datum(&calibrating, descriptor);
	MemoryContextDelete(context);
	return result;
}

/* ----------
 * Arguments
 * ----------
 */

static void
read_arguments(FunctionCallInfo fcinfo, Calibrating *calibrating)
{
	Jsonb	   *options = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);

	calibrating->router = PG_ARGISNULL(0) ? mr_guc_router :
		mr_router_argument(PG_GETARG_TEXT_PP(0));
	calibrating->query = mr_argument_text(fcinfo, 1, "query");
	calibrating->target_text = mr_argument_text(fcinfo, 2, "target");
	read_target(calibrating);
	calibrating->preset = PG_ARGISNULL(3) ? default_preset(calibrating) :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	mr_preset_check_name(calibrating->preset);
	if (mr_options_given(options))
	{
		mr_options_read(calibrating, &options_table, &options->root);
		calibrating->options = options;
	}
	mr_request_init(&calibrating->request, NULL, calibrating->options,
					MR_ON_ERROR_RAISE);
	calibrating->request.router = calibrating->router;
	calibrating->request.task_key = NULL;
	mr_binding_require(calibrating->router, mr_catalog_get());
}

static void
leave_to_request(void *target, const MrOption *option)
{
}

static void
read_target(Calibrating *calibrating)
{
	const char *text = calibrating->target_text;
	const char *equals = strchr(text, '=');
	char	   *end;

	if (equals == NULL)
		refuse_target(calibrating);
	for (size_t i = 0; i < lengthof(targets); i++)
		if (strlen(targets[i].name) == (size_t) (equals - text) &&
			strncmp(text, targets[i].name, equals - text) == 0)
			calibrating->target = &targets[i];
	calibrating->wanted = strtod(equals + 1, &end);
	if (calibrating->target == NULL || end == equals + 1 || *end != '\0' ||
		!(calibrating->wanted >= calibrating->target->minimum &&
		  calibrating->wanted <= calibrating->target->maximum))
		refuse_target(calibrating);
}

static void
refuse_target(const Calibrating *calibrating)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid target \"%s\"", calibrating->target_text),
			 errhint("Give strong_share=0.3 (0 to 1), cost_per_1k=12.50 (USD for 1000 calls), or quality=0.95 (of the best single model's).")));
}

/* <router>-<target>, with hyphens for what a name may not have. */
static char *
default_preset(const Calibrating *calibrating)
{
	char	   *name = psprintf("%s-%s", calibrating->router,
								calibrating->target_text);

	for (char *next = name; *next != '\0'; next++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-",
				   *next) == NULL)
			*next = '-';
	return name;
}

/* ----------
 * Finding the point
 * ----------
 */

static void
run(Calibrating *calibrating)
{
	mr_catalog_pin(mr_catalog_get(), CurrentMemoryContext);
	if (calibrating->target->of_evals)
		read_evals(calibrating);
	else
		read_prompts(calibrating);
	calibrating->unit = calibrating->target->unit;
	calibrating->target->meet(calibrating);
	if (!calibrating->point.found)
		refuse_unreached(calibrating);
	describe(calibrating);
	calibrating->version = mr_preset_store(calibrating->preset,
										   preset_body(calibrating),
										   GetUserId());
}

/* What is expected of the models that can serve, on the prompts. */
static void
read_prompts(Calibrating *calibrating)
{
	MrEvalsSource source = {
		.query = calibrating->query,
		.prompts_only = true
	};
	MrDecision *decision = decide_any(calibrating);
	const MrEndpoint **endpoints = palloc(sizeof(MrEndpoint *) *
										  Max(decision->nchosen, 2));
	int			count = calibrating->target->meet == meet_share ?
		take_pair(calibrating, decision, endpoints) :
		take_cheapest(decision, endpoints);

	calibrating->evals = mr_evals_gather(&source);
	if (calibrating->evals->nprompts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query yielded no prompts"),
				 errhint("Its column \"prompt\" must not be NULL or empty in every row.")));
	calibrating->outcomes = mr_outcomes_expect(calibrating->evals,
											   calibrating->router, endpoints,
											   count);
}

/* Who can serve at all is the same for every prompt of ordinary length. */
static MrDecision *
decide_any(Calibrating *calibrating)
{
	MrRequest  *request = palloc(sizeof(MrRequest));
	MrDecision *decision;

	*request = calibrating->request;
	request->prompt = "?";
	request->prompt_bytes = 1;
	decision = mr_decide(request);
	mr_decision_require(decision);
	return decision;
}

static int
take_pair(Calibrating *calibrating, const MrDecision *decision,
		  const MrEndpoint **endpoints)
{
	int			strong;
	int			weak;

	mr_front_find_pair(decision->request, decision->candidates,
					   decision->nchosen, &strong, &weak);
	if (strong < 0 || weak < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no two models to choose between"),
				 errhint("Name two models that can serve in options strong and weak.")));
	endpoints[0] = decision->candidates[strong].endpoint;
	endpoints[1] = decision->candidates[weak].endpoint;
	calibrating->strong = 0;
	calibrating->weak = 1;
	return 2;
}

/*
 * Each model at the endpoint that costs least; those without a price cannot be
 * weighed, and are never chosen where a dollar has a weight.
 */
static int
take_cheapest(const MrDecision *decision, const MrEndpoint **endpoints)
{
	int64	   *cost = palloc(sizeof(int64) * decision->nchosen);
	int			count = 0;

	for (int i = 0; i < decision->nchosen; i++)
	{
		const MrCandidate *candidate = &decision->candidates[i];
		int			place = 0;

		if (candidate->cost_picousd == MR_COST_UNKNOWN)
			continue;
		while (place < count && strcmp(endpoints[place]->model,
									   candidate->endpoint->model) != 0)
			place++;
		if (place < count && cost[place] <= candidate->cost_picousd)
			continue;
		endpoints[place] = candidate->endpoint;
		cost[place] = candidate->cost_picousd;
		count = Max(count, place + 1);
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no model that can serve has a known price"),
				 errhint("Add prices with modelroute.add_model.")));
	return count;
}

static void
read_evals(Calibrating *calibrating)
{
	MrEvalsSource source = {.query = calibrating->query};
	MrOutcomesTask task = {.router = calibrating->router};
	const MrRequest *request = &calibrating->request;

	if (request->models != NULL || request->exclude != NULL ||
		request->provider.only != NULL || request->provider.ignore != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target quality is about the models of the evals"),
				 errhint("Choose them in the query, as in WHERE model IN (...), instead of options models, exclude and provider.")));
	task.evals = calibrating->evals = mr_evals_gather(&source);
	calibrating->outcomes = mr_outcomes_read(&task);
	choose_pair(calibrating);
}

/* Of evals of two models, or when they are named. */
static void
choose_pair(Calibrating *calibrating)
{
	const MrRequest *request = &calibrating->request;
	double		score;

	if (calibrating->outcomes->nmodels != 2)
	{
		if (request->strong != NULL || request->weak != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a threshold needs evals of two models, not of %d",
							calibrating->outcomes->nmodels),
					 errhint("Choose them in the query, as in WHERE model IN (...), or leave out options strong and weak.")));
		return;
	}
	calibrating->strong = mr_operating_best_single(calibrating->outcomes,
												   &score);
	if (request->strong != NULL)
		calibrating->strong = find_model(calibrating, request->strong);
	else if (request->weak != NULL)
		calibrating->strong = 1 - find_model(calibrating, request->weak);
	calibrating->weak = 1 - calibrating->strong;
	if (request->weak != NULL &&
		find_model(calibrating, request->weak) != calibrating->weak)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options strong and weak name the same model")));
}

static int
find_model(const Calibrating *calibrating, const char *name)
{
	for (int m = 0; m < calibrating->outcomes->nmodels; m++)
		if (strcmp(calibrating->outcomes->models[m], name) == 0)
			return m;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the evals have no model \"%s\"",
					mr_text_from_utf8_lossy(name, strlen(name)))));
}

/* ----------
 * Targets
 * ----------
 */

static void
meet_share(Calibrating *calibrating)
{
	mr_operating_share(calibrating->outcomes, calibrating->strong,
					   calibrating->weak, calibrating->wanted,
					   &calibrating->point);
}

static void
meet_cost(Calibrating *calibrating)
{
	mr_operating_cost(calibrating->outcomes, calibrating->wanted / CALLS,
					  &calibrating->point);
}

static void
meet_quality(Calibrating *calibrating)
{
	const MrOutcomes *outcomes = calibrating->outcomes;
	double		best;

	mr_operating_best_single(outcomes, &best);
	if (best <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the best single model scores 0 on these evals"),
				 errdetail("There is no share of that to reach.")));
	calibrating->unit = 1 / best;
	if (calibrating->strong >= 0)
		mr_operating_pair_quality(outcomes, calibrating->strong,
								  calibrating->weak,
								  calibrating->wanted * best,
								  &calibrating->point);
	else if (!mr_operating_quality(outcomes, calibrating->wanted * best,
								   &calibrating->point))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the cheapest way to a quality needs costs"),
				 errdetail("Neither do the evals have costs of every model nor does the catalog have prices of all."),
				 errhint("Add column cost (USD) to the evals.")));
}

static void
refuse_unreached(const Calibrating *calibrating)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("target \"%s\" cannot be reached",
					calibrating->target_text),
			 errdetail("%s %.6g and %.6g.", calibrating->target->what,
					   calibrating->point.least * calibrating->unit,
					   calibrating->point.most * calibrating->unit)));
}

/* ----------
 * What is stored
 * ----------
 */

static void
describe(Calibrating *calibrating)
{
	const MrOutcomes *outcomes = calibrating->outcomes;
	StringInfoData note;

	initStringInfo(&note);
	if (calibrating->strong >= 0)
	{
		calibrating->model = psprintf("router-%s-%s", calibrating->router,
									  calibrating->point.setting);
		appendStringInfo(&note, "%s from the threshold on, else %s; ",
						 outcomes->models[calibrating->strong],
						 outcomes->models[calibrating->weak]);
	}
	else
	{
		calibrating->model = "auto";
		calibrating->objective = psprintf("quality=1,usd=%s",
										  calibrating->point.setting);
	}
	appendStringInfo(&note, "%s on %d prompts",
					 calibrating->target->of_evals ?
					 "scored" : "expected", outcomes->nprompts);
	if (outcomes->left_out > 0)
		appendStringInfo(&note, ", %d left out", outcomes->left_out);
	calibrating->note = note.data;
}

/* The options given, with what was found. */
static Jsonb *
preset_body(const Calibrating *calibrating)
{
	const MrOutcomes *outcomes = calibrating->outcomes;
	StringInfoData json;
	char	   *text;
	Datum		body;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"model\": ");
	mr_json_append_string(&json, calibrating->model);
	if (calibrating->strong >= 0)
	{
		appendStringInfoString(&json, ", \"strong\": ");
		mr_json_append_string(&json, outcomes->models[calibrating->strong]);
		appendStringInfoString(&json, ", \"weak\": ");
		mr_json_append_string(&json, outcomes->models[calibrating->weak]);
	}
	else
	{
		appendStringInfoString(&json, ", \"router\": ");
		mr_json_append_string(&json, calibrating->router);
		appendStringInfoString(&json, ", \"objective\": ");
		mr_json_append_string(&json, calibrating->objective);
		if (calibrating->target->of_evals)
			append_models(&json, outcomes);
	}
	appendStringInfoChar(&json, '}');
	text = mr_text_from_utf8_lossy(json.data, json.len);
	body = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	if (calibrating->options != NULL)
		body = DirectFunctionCall2(jsonb_concat,
								   JsonbPGetDatum(calibrating->options),
								   body);
	return DatumGetJsonbP(body);
}

static void
append_models(StringInfo json, const MrOutcomes *outcomes)
{
	appendStringInfoString(json, ", \"models\": [");
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		if (m > 0)
			appendStringInfoString(json, ", ");
		mr_json_append_string(json, outcomes->models[m]);
	}
	appendStringInfoChar(json, ']');
}

static Datum
result_datum(const Calibrating *calibrating, TupleDesc descriptor)
{
	Datum		values[CALIBRATION_COLUMNS];
	bool		nulls[CALIBRATION_COLUMNS] = {false};
	MrRow		row = {values, nulls};
	bool		pair = calibrating->strong >= 0;
	double		value = calibrating->point.value;

	values[CALIBRATION_PRESET] = CStringGetTextDatum(calibrating->preset);
	values[CALIBRATION_VERSION] = Int32GetDatum(calibrating->version);
	mr_row_set_text(&row, CALIBRATION_MODEL, calibrating->model);
	mr_row_set_text(&row, CALIBRATION_OBJECTIVE, calibrating->objective);
	mr_row_set_double(&row, CALIBRATION_THRESHOLD,
					  pair ? value : get_float8_nan());
	mr_row_set_double(&row, CALIBRATION_USD, pair ? get_float8_nan() : value);
	mr_row_set_double(&row, CALIBRATION_REACHED,
					  calibrating->point.reached * calibrating->unit);
	mr_row_set_text(&row, CALIBRATION_NOTE, calibrating->note);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

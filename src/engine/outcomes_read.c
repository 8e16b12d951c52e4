/*
 * outcomes_read.c
 *	  From evals and a router to outcomes: the scores of the prompts that every
 *	  model has one for, and what the router expects of each.
 *
 * Expectations are made as for a decision.  A model of the evals stands for its
 * cheapest endpoint in the catalog; one that the catalog does not have is known
 * by what the router learned only.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "base/text.h"
#include "engine/binding.h"
#include "engine/crossval.h"
#include "engine/evals_source.h"
#include "engine/outcomes_read.h"
#include "router/router.h"

#define NAMED_MODELS	5		/* in an error */

/* Who is asked, about the models of the outcomes. */
typedef struct Oracle
{
	MrOutcomes *outcomes;
	const MrArtifact *artifact; /* NULL = default router */
	MrBasis		basis;
	MrCandidate *candidates;	/* one for each model */
	int		   *column;			/* of each model in the artifact; -1 = none */
	MrLearned  *learned;
	double	   *typical;		/* filled by the first question */
} Oracle;

static MrOutcomes *make_outcomes(const char *const *models, int nmodels,
								 int nprompts);
static int *find_complete(const MrEvals *evals, int *count);
static void refuse_incomplete(const MrEvals *evals) pg_attribute_noreturn();
static char *list_missing(const MrEvals *evals);
static void fill_scores(MrOutcomes *outcomes, const MrEvals *evals,
						const int *prompts);
static void drop_unknown_costs(MrOutcomes *outcomes);
static bool has_known(const MrOutcomes *outcomes, const double *cells,
					  int model);
static const MrEndpoint **find_endpoints(const MrOutcomes *outcomes);
static void ask_router(MrOutcomes *outcomes, const MrOutcomesTask *task,
					   const MrEndpoint *const *endpoints,
					   const int *prompts);
static void ask_folds(MrOutcomes *outcomes, const MrOutcomesTask *task,
					  const int *prompts);
static void init_oracle(Oracle *oracle, MrOutcomes *outcomes,
						const MrEndpoint *const *endpoints,
						const MrBinding *binding);
static void ask(Oracle *oracle, const MrEvalPrompt *prompt, int place);

MrOutcomes *
mr_outcomes_read(const MrOutcomesTask *task)
{
	const MrEvals *evals = task->evals;
	int			count;
	int		   *prompts = find_complete(evals, &count);
	MrOutcomes *outcomes;

	if (count == 0)
		refuse_incomplete(evals);
	mr_catalog_pin(mr_catalog_get(), CurrentMemoryContext);
	outcomes = make_outcomes((const char *const *) evals->models,
							 evals->nmodels, count);
	outcomes->left_out = evals->nprompts - count;
	fill_scores(outcomes, evals, prompts);
	if (task->crossval > 0)
		ask_folds(outcomes, task, prompts);
	else
		ask_router(outcomes, task, find_endpoints(outcomes), prompts);
	drop_unknown_costs(outcomes);
	return outcomes;
}

MrOutcomes *
mr_outcomes_expect(const MrEvals *prompts, const char *router,
				   const MrEndpoint *const *endpoints, int nmodels)
{
	MrOutcomesTask task = {.evals = prompts, .router = router};
	const char **models = palloc(sizeof(char *) * nmodels);
	int		   *all = palloc_extended(sizeof(int) *
									  Max(prompts->nprompts, 1),
									  MCXT_ALLOC_HUGE);
	MrOutcomes *outcomes;

	for (int m = 0; m < nmodels; m++)
		models[m] = pstrdup(endpoints[m]->model);
	for (int i = 0; i < prompts->nprompts; i++)
		all[i] = i;
	outcomes = make_outcomes(models, nmodels, prompts->nprompts);
	outcomes->cost_usd = NULL;
	ask_router(outcomes, &task, endpoints, all);
	return outcomes;
}

/* ----------
 * What happened
 * ----------
 */

static double *
make_matrix(const MrOutcomes *outcomes)
{
	size_t		cells = mr_outcomes_cell(outcomes, outcomes->nprompts, 0);

	return palloc_extended(sizeof(double) * Max(cells, 1),
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static MrOutcomes *
make_outcomes(const char *const *models, int nmodels, int nprompts)
{
	MrOutcomes *outcomes = palloc0(sizeof(MrOutcomes));

	outcomes->nprompts = nprompts;
	outcomes->nmodels = nmodels;
	outcomes->models = models;
	outcomes->score = make_matrix(outcomes);
	outcomes->cost_usd = make_matrix(outcomes);
	outcomes->quality = make_matrix(outcomes);
	outcomes->quality_stderr = make_matrix(outcomes);
	outcomes->expected_cost_usd = make_matrix(outcomes);
	outcomes->category = palloc_extended(sizeof(int) * Max(nprompts, 1),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return outcomes;
}

/* The prompts that every model has a score for. */
static int *
find_complete(const MrEvals *evals, int *count)
{
	int		   *prompts = palloc_extended(sizeof(int) *
										  Max(evals->nprompts, 1),
										  MCXT_ALLOC_HUGE);

	*count = 0;
	for (int i = 0; i < evals->nprompts; i++)
		if (evals->prompts[i].ncells == evals->nmodels)
			prompts[(*count)++] = i;
	return prompts;
}

static void
refuse_incomplete(const MrEvals *evals)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no prompt of these evals has a score of every model"),
			 evals->nprompts == 0 ?
			 errdetail("The query yielded no rows that can be used.") :
			 errdetail("Of %d prompts, a score is missing: %s.",
					   evals->nprompts, list_missing(evals)),
			 evals->nprompts == 0 ? 0 :
			 errhint("Leave out the models with few scores, as in WHERE model IN (...). Comparisons, rows with winner and loser, are no scores.")));
}

/* Of which model how often, those that lack the most first. */
static char *
list_missing(const MrEvals *evals)
{
	int		   *missing = palloc(sizeof(int) * evals->nmodels);
	StringInfo	list = makeStringInfo();

	for (int m = 0; m < evals->nmodels; m++)
		missing[m] = evals->nprompts;
	for (int i = 0; i < evals->nprompts; i++)
		for (int j = 0; j < evals->prompts[i].ncells; j++)
			missing[evals->prompts[i].cells[j].model]--;
	for (int k = 0; k < Min(NAMED_MODELS, evals->nmodels); k++)
	{
		int			most = 0;

		for (int m = 1; m < evals->nmodels; m++)
			if (missing[m] > missing[most])
				most = m;
		if (missing[most] <= 0)
			break;
		appendStringInfo(list, "%s%d of %s", k > 0 ? ", " : "", missing[most],
						 mr_text_from_utf8_lossy(evals->models[most],
												 strlen(evals->models[most])));
		missing[most] = 0;
	}
	return list->data;
}

/* The number that was meant: 0.1f is not 0.100000001490116. */
static double
widen(float number)
{
	char		text[FLOAT_SHORTEST_DECIMAL_LEN];

	if (isnan(number))
		return get_float8_nan();
	float_to_shortest_decimal_buf(number, text);
	return strtod(text, NULL);
}

static void
fill_scores(MrOutcomes *outcomes, const MrEvals *evals, const int *prompts)
{
	for (int i = 0; i < outcomes->nprompts; i++)
	{
		const MrEvalPrompt *prompt = &evals->prompts[prompts[i]];
		size_t		cell = mr_outcomes_cell(outcomes, i, 0);

		for (int m = 0; m < outcomes->nmodels; m++)
		{
			outcomes->score[cell + m] = widen(prompt->cells[m].score);
			outcomes->cost_usd[cell + m] = widen(prompt->cells[m].cost_usd);
		}
	}
}

/* A model without any known cost leaves nothing to compare. */
static void
drop_unknown_costs(MrOutcomes *outcomes)
{
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		if (outcomes->cost_usd != NULL &&
			!has_known(outcomes, outcomes->cost_usd, m))
			outcomes->cost_usd = NULL;
		if (outcomes->expected_cost_usd != NULL &&
			!has_known(outcomes, outcomes->expected_cost_usd, m))
			outcomes->expected_cost_usd = NULL;
	}
}

static bool
has_known(const MrOutcomes *outcomes, const double *cells, int model)
{
	for (int i = 0; i < outcomes->nprompts; i++)
		if (!isnan(cells[mr_outcomes_cell(outcomes, i, model)]))
			return true;
	return false;
}

/* ----------
 * What was expected
 * ----------
 */

/* One for each model; that of an unknown one tells nothing. */
static const MrEndpoint **
find_endpoints(const MrOutcomes *outcomes)
{
	const MrCatalog *catalog = mr_catalog_get();
	const MrEndpoint **endpoints = palloc(sizeof(MrEndpoint *) *
										  outcomes->nmodels);
	MrEndpoint *unknown = palloc0(sizeof(MrEndpoint));

	for (int i = 0; i < MR_CATEGORIES; i++)
		unknown->quality[i] = unknown->quality_stderr[i] = get_float8_nan();
	unknown->first_token_ms = unknown->tokens_per_second = get_float8_nan();
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		endpoints[m] = mr_catalog_cheapest(catalog, outcomes->models[m]);
		if (endpoints[m] == NULL)
			endpoints[m] = unknown;
	}
	return endpoints;
}

/* The catalog must be pinned. */
static void
ask_router(MrOutcomes *outcomes, const MrOutcomesTask *task,
		   const MrEndpoint *const *endpoints, const int *prompts)
{
	Oracle		oracle;
	MrGuard    *guard = palloc(sizeof(MrGuard));

	init_oracle(&oracle, outcomes, endpoints,
				mr_binding_require(task->router, mr_catalog_get()));
	for (int i = 0; i < outcomes->nprompts; i++)
		ask(&oracle, &task->evals->prompts[prompts[i]], i);
	guard->margin = oracle.basis.margin;
	guard->trusted = oracle.basis.trusted;
	guard->typical_quality = oracle.typical;
	outcomes->guards = guard;
}

static void
ask_folds(MrOutcomes *outcomes, const MrOutcomesTask *task,
		  const int *prompts)
{
	const MrEndpoint **endpoints = find_endpoints(outcomes);
	MrGuard    *guards = palloc(sizeof(MrGuard) * task->crossval);
	MrCrossval	crossval = {
		.evals = task->evals,
		.prompts = prompts,
		.nprompts = outcomes->nprompts,
		.nfolds = task->crossval,
		.folds = task->folds,
		.seed = task->seed
	};

	outcomes->guard = mr_crossval_split(&crossval);
	for (int fold = 0; fold < task->crossval; fold++)
	{
		MrBinding	binding = {.artifact = mr_crossval_train(&crossval, fold)};
		Oracle		oracle;

		binding.basis.margin = mr_artifact_margin(binding.artifact);
		binding.basis.trusted = mr_artifact_trusted(binding.artifact);
		init_oracle(&oracle, outcomes, endpoints, &binding);
		for (int i = 0; i < outcomes->nprompts; i++)
			if (outcomes->guard[i] == fold)
				ask(&oracle, &task->evals->prompts[prompts[i]], i);
		guards[fold].margin = oracle.basis.margin;
		guards[fold].trusted = oracle.basis.trusted;
		guards[fold].typical_quality = oracle.typical;
		mr_crossval_forget(&crossval);
	}
	outcomes->guards = guards;
}

static void
init_oracle(Oracle *oracle, MrOutcomes *outcomes,
			const MrEndpoint *const *endpoints, const MrBinding *binding)
{
	int			nmodels = outcomes->nmodels;

	oracle->outcomes = outcomes;
	oracle->artifact = binding->artifact;
	oracle->basis = binding->basis;
	oracle->candidates = palloc0(sizeof(MrCandidate) * nmodels);
	oracle->column = palloc(sizeof(int) * nmodels);
	oracle->learned = palloc(sizeof(MrLearned) * MR_EVALS_MODELS_MAX);
	oracle->typical = palloc(sizeof(double) * nmodels);
	for (int m = 0; m < nmodels; m++)
	{
		oracle->candidates[m].endpoint = endpoints[m];
		oracle->column[m] = oracle->artifact == NULL ? -1 :
			mr_binding_column(oracle->artifact, outcomes->models[m]);
		oracle->typical[m] = get_float8_nan();
	}
}

/* Fills a row of what is expected. */
static void
ask(Oracle *oracle, const MrEvalPrompt *prompt, int place)
{
	MrOutcomes *outcomes = oracle->outcomes;
	size_t		cell = mr_outcomes_cell(outcomes, place, 0);
	MrRequest	request = {0};
	MrPromptFeatures features;

	CHECK_FOR_INTERRUPTS();
	mr_router_take_features(&prompt->features, prompt->input_tokens,
							&features);
	if (oracle->artifact != NULL)
		mr_artifact_predict(oracle->artifact, &prompt->features,
							oracle->learned);
	for (int m = 0; m < outcomes->nmodels; m++)
		oracle->candidates[m].learned = oracle->column[m] < 0 ? NULL :
			&oracle->learned[oracle->column[m]];
	mr_router_expect(&request, &features, &oracle->basis, oracle->candidates,
					 outcomes->nmodels);
	outcomes->category[place] = features.category;
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		const MrCandidate *candidate = &oracle->candidates[m];

		outcomes->quality[cell + m] = candidate->quality;
		outcomes->quality_stderr[cell + m] = candidate->stated_stderr;
		outcomes->expected_cost_usd[cell + m] =
			candidate->cost_picousd == MR_COST_UNKNOWN ? get_float8_nan() :
			mr_cost_usd(candidate->cost_picousd);
		oracle->typical[m] = candidate->typical_quality;
	}
}

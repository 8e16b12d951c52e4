/*
 * train.c
 *	  Trains a router: scores from preferences, cross-validation, the final fit
 *	  to all prompts, the artifact and its report.
 */
#include "postgres.h"

#include "router/fit.h"
#include "router/pack.h"
#include "router/pairs.h"
#include "router/train.h"
#include "router/validate.h"

/* Who asked, while the work goes on. */
typedef struct Progress
{
	const MrTrainOptions *options;
	MrTrainPhase phase;
	int			done;
	int			total;
} Progress;

static const char *find_problem(const MrEvals *evals);
static void tick(void *arg);
static void step(void *arg, int done, int total);

/*
 * Memory beside the evals: about 40 bytes for each prompt and model, and 4 for
 * each of 69,000 buckets and model.
 */
const char *
mr_train(MrEvals *evals, const MrTrainOptions *options,
		 MrTrainResult *result)
{
	const char *problem = find_problem(evals);
	Progress	progress = {options, MR_TRAIN_VALIDATING, 0, 1};
	MrRows		rows = {.evals = evals, .nrows = evals->nprompts};
	int32	   *all;
	MrValidateTask validate_task = {&rows, options, step, tick, &progress};
	MrFitTask	fit_task = {
		.rows = &rows,
		.options = options,
		.nlambdas = 1,
		.tick = tick,
		.tick_arg = &progress
	};
	MrValidation validation;
	MrFit		fit;

	if (problem != NULL)
		return problem;
	mr_pairs_to_cells(evals);
	all = palloc_extended(sizeof(int32) * evals->nprompts, MCXT_ALLOC_HUGE);
	for (int i = 0; i < evals->nprompts; i++)
		all[i] = i;
	rows.prompt = all;
	mr_validate(&validation, &validate_task);
	progress.phase = MR_TRAIN_FITTING;
	step(&progress, 0, 1);
	fit_task.lambda[0] = validation.lambda;
	mr_fit_make(&fit, &fit_task);
	progress.phase = MR_TRAIN_WRITING;
	step(&progress, 0, 1);
	mr_pack_artifact(&fit, &rows, &validation, result);
	result->report = mr_pack_report(&fit, &rows, &validation);
	mr_fit_free(&fit);
	return NULL;
}

static const char *
find_problem(const MrEvals *evals)
{
	if (evals->nprompts == 0 && evals->rows > 0)
		return "One prompt has more comparisons than maintenance_work_mem holds.";
	if (evals->nprompts == 0)
		return "The query yielded no rows that can be used.";
	if (evals->nmodels < 2)
		return "The query yielded one model only: there is nothing to choose between.";
	return NULL;
}

static void
tick(void *arg)
{
	Progress   *progress = arg;

	if (progress->options->progress)
		progress->options->progress(progress->options->progress_arg,
									progress->phase, progress->done,
									progress->total);
}

static void
step(void *arg, int done, int total)
{
	Progress   *progress = arg;

	progress->done = done;
	progress->total = total;
	tick(progress);
}

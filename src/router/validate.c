/*
 * validate.c
 *	  Cross-validation of a router: chooses how strongly to shrink, whether
 *	  neighbours help, how far to trust a difference, and tells what came of it.
 *
 * At most MR_VALIDATION_ROWS_MAX prompts take part, those of the lowest hash.
 * Which fold a prompt is in follows from its hash and the seed.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "utils/float.h"

#include "router/validate.h"

#define FEW_ROWS			200 /* below, nothing is chosen by folds */
#define FEW_ROWS_LAMBDA		20.0
#define NEAR_LEAST			1.004	/* of the least squared error */
#define SLOPE_MIN			0.2 /* keeps an order even of what is unsure */
#define SLOPE_MAX			1.2
#define NEIGHBOURS_HELP		0.98	/* of the squared error without them */
#define NEIGHBOUR_SHARE		0.5
#define MARGIN_STDERRS		0.5 /* a gain must be that far above 0 */
#define NOISE_BEFORE		0.25	/* one score's, before any is known */
#define NOISE_ROWS			10.0	/* of all models, in each one's noise */
#define TRUSTED_STDERRS		2.0 /* and what differences tell */

static const double lambdas[MR_FIT_LAMBDAS_MAX] = {10, 20, 60};
static const double margins[] = {0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12};

/* Held-out expectations by the fits of one lambda. */
typedef struct HeldOut
{
	int			nmodels;
	double		error;			/* squared, of who is better */
	float	   *quality;		/* before calibration */
	float	   *models;			/* who is better: learned, without trust */
	float	   *outcome;		/* score - mean - common; NaN = not scored */
} HeldOut;

typedef struct Work
{
	const MrValidateTask *task;
	MrValidation *validation;
	int		   *fold;			/* of each row */
	double	   *mean;			/* score of each model; -1 = it has no rows */
	int		   *scored;			/* rows of each model */
	int			nlambdas;
	HeldOut		tried[MR_FIT_LAMBDAS_MAX];
	HeldOut		held;			/* of the chosen one */
} Work;

static void assign_folds(Work *work);
static void allocate_held(const Work *work, HeldOut *held);
static void run_fold(Work *work, int fold, int32 *train);
static void test_fold(Work *work, const MrFit *fit, int fold);
static void test_prompt(const MrEvalPrompt *prompt, const MrFit *fit,
						const MrFitted *fitted, int lambda, HeldOut *held,
						size_t at);
static void choose_lambda(Work *work);
static void choose_neighbours(Work *work);
static void fill_means(Work *work);
static void calibrate(Work *work);
static void choose_margin(Work *work);
static void judge_differences(Work *work);

/* Everything it fills is in CurrentMemoryContext. */
void
mr_validate(MrValidation *validation, const MrValidateTask *task)
{
	Work		work = {.task = task, .validation = validation};
	int32	   *train;

	memset(validation, 0, sizeof(*validation));
	validation->rows = *task->rows;
	validation->nrows = Min(task->rows->nrows, MR_VALIDATION_ROWS_MAX);
	validation->rows.nrows = validation->nrows;
	validation->folds = Min(task->options->folds, validation->nrows);
	validation->model_noise =
		palloc0(sizeof(double) * task->rows->evals->nmodels);
	assign_folds(&work);
	work.nlambdas = validation->nrows < FEW_ROWS ? 1 : MR_FIT_LAMBDAS_MAX;
	for (int i = 0; i < work.nlambdas; i++)
		allocate_held(&work, &work.tried[i]);
	train = palloc(sizeof(int32) * Max(validation->nrows, 1));
	for (int fold = 0; fold < validation->folds; fold++)
	{
		run_fold(&work, fold, train);
		task->step(task->arg, fold + 1, validation->folds);
	}
	pfree(train);
	choose_lambda(&work);
	choose_neighbours(&work);
	fill_means(&work);
	calibrate(&work);
	choose_margin(&work);
	validation->place = work.held.models;
	validation->outcome = work.held.outcome;
	pfree(work.held.quality);
	pfree(work.fold);
}

/* A row and where the seed puts it. */
typedef struct Drawn
{
	uint64		hash;
	int			row;
} Drawn;

static int
compare_drawn(const void *a, const void *b)
{
	const Drawn *left = a;
	const Drawn *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->row - right->row;
}

/* Folds of equal size, in an order that the seed decides. */
static void
assign_folds(Work *work)
{
	MrValidation *validation = work->validation;
	Drawn	   *drawn = palloc(sizeof(Drawn) * Max(validation->nrows, 1));

	work->fold = palloc(sizeof(int) * Max(validation->nrows, 1));
	for (int i = 0; i < validation->nrows; i++)
	{
		uint64		key = mr_rows_prompt(&validation->rows, i)->key;

		drawn[i].hash = hash_bytes_extended((unsigned char *) &key,
											sizeof(key),
											work->task->options->seed);
		drawn[i].row = i;
	}
	qsort(drawn, validation->nrows, sizeof(Drawn), compare_drawn);
	for (int i = 0; i < validation->nrows; i++)
		work->fold[drawn[i].row] = i % validation->folds;
	pfree(drawn);
}

static void
allocate_held(const Work *work, HeldOut *held)
{
	size_t		cells = (size_t) Max(work->validation->nrows, 1) *
		work->task->rows->evals->nmodels;

	held->nmodels = work->task->rows->evals->nmodels;
	held->quality = palloc0(sizeof(float) * cells);
	held->models = palloc0(sizeof(float) * cells);
	held->outcome = palloc(sizeof(float) * cells);
	for (size_t i = 0; i < cells; i++)
		held->outcome[i] = get_float4_nan();
}

/* ----------
 * Folds
 * ----------
 */

/* Fits all lambdas to the other folds at once. */
static void
run_fold(Work *work, int fold, int32 *train)
{
	MrValidation *validation = work->validation;
	MrRows		rows = {validation->rows.evals, 0, train};
	MrFitTask	task = {
		.rows = &rows,
		.options = work->task->options,
		.nlambdas = work->nlambdas,
		.lambda = {FEW_ROWS_LAMBDA},
		.tick = work->task->tick,
		.tick_arg = work->task->arg
	};
	MrFit		fit;

	if (work->nlambdas > 1)
		memcpy(task.lambda, lambdas, sizeof(lambdas));
	for (int i = 0; i < validation->nrows; i++)
		if (work->fold[i] != fold || validation->folds < 2)
			train[rows.nrows++] = validation->rows.prompt[i];
	mr_fit_make(&fit, &task);
	test_fold(work, &fit, fold);
	mr_fit_free(&fit);
}

static void
test_fold(Work *work, const MrFit *fit, int fold)
{
	MrValidation *validation = work->validation;
	MrFitted   *fitted = palloc(sizeof(MrFitted));

	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);

		if (work->fold[i] != fold)
			continue;
		mr_fit_apply(fit, &prompt->features, fitted);
		for (int j = 0; j < work->nlambdas; j++)
			test_prompt(prompt, fit, fitted, j, &work->tried[j],
						(size_t) i * fit->nmodels);
	}
	pfree(fitted);
}

static void
test_prompt(const MrEvalPrompt *prompt, const MrFit *fit,
			const MrFitted *fitted, int lambda, HeldOut *held, size_t at)
{
	const float *models = mr_fitted_models(fit, fitted, lambda);
	double		common = 0;

	for (int m = 0; m < fit->nmodels; m++)
	{
		held->quality[at + m] = mr_fitted_quality(fit, fitted, lambda, m);
		held->models[at + m] = models[m];
	}
	for (int j = 0; j < prompt->ncells; j++)
		common += (prompt->cells[j].score
				   - fit->mean[prompt->cells[j].model]) / prompt->ncells;
	for (int j = 0; j < prompt->ncells; j++)
	{
		int			m = prompt->cells[j].model;
		double		outcome = prompt->cells[j].score - fit->mean[m]
			- (prompt->ncells > 1 ? common : fitted->common);
		double		missed = outcome - models[m]
			- fitted->difficulty * fit->advantage[m];

		held->outcome[at + m] = outcome;
		held->error += missed * missed;
	}
}

/* ----------
 * Choices
 * ----------
 */

/* The strongest shrinking whose error is near the least. */
static void
choose_lambda(Work *work)
{
	double		least = work->tried[0].error;
	int			chosen = 0;

	for (int i = 1; i < work->nlambdas; i++)
		least = Min(least, work->tried[i].error);
	for (int i = 0; i < work->nlambdas; i++)
		if (work->tried[i].error <= NEAR_LEAST * least)
			chosen = i;
	work->validation->lambda = work->nlambdas > 1 ? lambdas[chosen]
		: FEW_ROWS_LAMBDA;
	work->held = work->tried[chosen];
}

typedef struct Distance
{
	float		distance;
	int			row;
} Distance;

static int
compare_distances(const void *a, const void *b)
{
	const Distance *left = a;
	const Distance *right = b;

	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	return left->row - right->row;
}

/*
 * What prompts with the most similar expectations came to, without the row
 * itself; 0 where none was scored.
 */
static void
ask_neighbours(const HeldOut *held, int nrows, int row, Distance *distances,
			   double *outcome)
{
	int			nmodels = held->nmodels;
	const float *own = held->models + (size_t) row * nmodels;

	for (int i = 0; i < nrows; i++)
	{
		const float *other = held->models + (size_t) i * nmodels;
		float		distance = 0;

		for (int m = 0; m < nmodels; m++)
			distance += (own[m] - other[m]) * (own[m] - other[m]);
		distances[i].distance = i == row ? HUGE_VALF : distance;
		distances[i].row = i;
	}
	qsort(distances, nrows, sizeof(Distance), compare_distances);
	for (int m = 0; m < nmodels; m++)
	{
		double		sum = 0;
		int			count = 0;

		for (int i = 0; i < Min(MR_NEIGHBOURS, nrows - 1); i++)
		{
			float		value = held->outcome[(size_t) distances[i].row *
											  nmodels + m];

			if (isnan(value))
				continue;
			sum += value;
			count++;
		}
		outcome[m] = count > 0 ? sum / count : 0;
	}
}

/*
 * Neighbours join when they lessen the squared error of who is better
 * clearly; the held-out qualities are then those of the blend.
 */
static void
choose_neighbours(Work *work)
{
	HeldOut    *held = &work->held;
	int			nrows = work->validation->nrows;
	size_t		cells = (size_t) nrows * held->nmodels;
	double		without = 0;
	double		with = 0;
	Distance   *distances;
	double	   *outcome;
	float	   *blended;

	if (nrows < FEW_ROWS || held->nmodels < 3 ||
		held->nmodels > MR_NEIGHBOUR_MODELS_MAX)
		return;
	distances = palloc(sizeof(Distance) * nrows);
	outcome = palloc(sizeof(double) * held->nmodels);
	blended = palloc(sizeof(float) * cells);
	for (int i = 0; i < nrows; i++)
	{
		size_t		at = (size_t) i * held->nmodels;

		if (i % 64 == 0 && work->task->tick)
			work->task->tick(work->task->arg);
		ask_neighbours(held, nrows, i, distances, outcome);
		for (int m = 0; m < held->nmodels; m++)
		{
			double		alone = held->models[at + m];
			double		blend = alone
				+ NEIGHBOUR_SHARE * (outcome[m] - alone);
			double		seen = held->outcome[at + m];

			blended[at + m] = held->quality[at + m] + blend - alone;
			if (isnan(seen))
				continue;
			without += (seen - alone) * (seen - alone);
			with += (seen - blend) * (seen - blend);
		}
	}
	if (with < NEIGHBOURS_HELP * without)
	{
		work->validation->neighbour_share = NEIGHBOUR_SHARE;
		memcpy(held->quality, blended, sizeof(float) * cells);
	}
	pfree(distances);
	pfree(outcome);
	pfree(blended);
}

/* Means of score over the rows, for each model. */
static void
fill_means(Work *work)
{
	int			nmodels = work->held.nmodels;
	double	   *mean = palloc0(sizeof(double) * nmodels);
	int		   *count = palloc0(sizeof(int) * nmodels);

	for (int i = 0; i < work->validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&work->validation->rows, i);

		for (int j = 0; j < prompt->ncells; j++)
		{
			mean[prompt->cells[j].model] += prompt->cells[j].score;
			count[prompt->cells[j].model]++;
		}
	}
	for (int m = 0; m < nmodels; m++)
		mean[m] = count[m] > 0 ? mean[m] / count[m] : -1;
	work->mean = mean;
	work->scored = count;
}

/*
 * The slope of score on expectation, both as distances from the model's mean,
 * and the held-out qualities calibrated by it; then what is left over.
 */
static void
calibrate(Work *work)
{
	MrValidation *validation = work->validation;
	HeldOut    *held = &work->held;
	const double *mean = work->mean;
	double		product = 0;
	double		square = 0;
	int64		cells = 0;

	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);

		for (int j = 0; j < prompt->ncells; j++)
		{
			int			m = prompt->cells[j].model;
			double		x = held->quality[(size_t) i * held->nmodels + m]
				- mean[m];

			product += x * (prompt->cells[j].score - mean[m]);
			square += x * x;
		}
	}
	validation->slope = square > 0
		? Min(Max(product / square, SLOPE_MIN), SLOPE_MAX) : SLOPE_MIN;
	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);
		float	   *quality = held->quality + (size_t) i * held->nmodels;

		for (int m = 0; m < held->nmodels; m++)
			quality[m] = mean[m] + validation->slope * (quality[m] - mean[m]);
		for (int j = 0; j < prompt->ncells; j++)
		{
			int			m = prompt->cells[j].model;
			double		missed = prompt->cells[j].score - quality[m];

			validation->model_noise[m] += missed * missed;
			validation->noise += missed * missed;
			cells++;
		}
	}
	validation->noise = (validation->noise + NOISE_BEFORE) / (cells + 1);
	for (int m = 0; m < held->nmodels; m++)
		validation->model_noise[m] = (validation->model_noise[m]
									  + NOISE_ROWS * validation->noise)
			/ (work->scored[m] + NOISE_ROWS);
}

/* The score of a model on a prompt; NaN when it has none. */
static double
score_of(const MrEvalPrompt *prompt, int model)
{
	for (int j = 0; j < prompt->ncells; j++)
		if (prompt->cells[j].model == model)
			return prompt->cells[j].score;
	return get_float8_nan();
}

/*
 * The policy of a margin against the best single model, on prompts that both
 * choices were scored on.
 */
static void
try_margin(const Work *work, double margin, double *gain, double *gain_stderr)
{
	const MrValidation *validation = work->validation;
	int			single = validation->best_single;
	double		sum = 0;
	double		square = 0;
	int			count = 0;

	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);
		const float *quality = work->held.quality
			+ (size_t) i * work->held.nmodels;
		double		base = score_of(prompt, single);
		int			best = single;
		double		difference;

		if (isnan(base))
			continue;
		for (int j = 0; j < prompt->ncells; j++)
			if (quality[prompt->cells[j].model] > quality[best])
				best = prompt->cells[j].model;
		if (quality[best] - quality[single] <= margin)
			best = single;
		difference = score_of(prompt, best) - base;
		sum += difference;
		square += difference * difference;
		count++;
	}
	*gain = count > 0 ? sum / count : 0;
	*gain_stderr = count > 0
		? sqrt(Max(square / count - *gain * *gain, 0) / count) : 0;
}

/* By mean; that of a model of few rows counts only among its like. */
static bool
is_better(const Work *work, int model, int other)
{
	int			least = Min(MR_FIT_MODEL_PROMPTS_MIN,
							work->validation->nrows / 2 + 1);
	bool		known = work->scored[model] >= least;

	return known == (work->scored[other] >= least)
		? work->mean[model] > work->mean[other] : known;
}

/*
 * The least margin whose gain stands out; none does: never leave the best
 * single model (I8), and of many models shrink who is better most strongly.
 */
static void
choose_margin(Work *work)
{
	MrValidation *validation = work->validation;

	for (int m = 1; m < work->held.nmodels; m++)
		if (is_better(work, m, validation->best_single))
			validation->best_single = m;
	validation->single_quality = work->mean[validation->best_single];
	validation->margin = HUGE_VAL;
	for (int i = 0; i < (int) lengthof(margins); i++)
	{
		double		gain;
		double		gain_stderr;

		try_margin(work, margins[i], &gain, &gain_stderr);
		if (gain <= MARGIN_STDERRS * gain_stderr)
			continue;
		validation->margin = margins[i];
		validation->gain = gain;
		validation->gain_stderr = gain_stderr;
		break;
	}
	validation->router_quality = validation->single_quality
		+ validation->gain;
	if (isinf(validation->margin) && work->nlambdas > 1 &&
		work->held.nmodels > 2)
		validation->lambda = lambdas[MR_FIT_LAMBDAS_MAX - 1];
	judge_differences(work);
}

/*
 * Whether a model's distance from the best single one goes with what is
 * expected of it, beyond the distance of their means: the sum over held-out
 * prompts of the products of both, against its standard error.
 */
static void
judge_differences(Work *work)
{
	MrValidation *validation = work->validation;
	int			single = validation->best_single;
	double		sum = 0;
	double		square = 0;

	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);
		const float *quality = work->held.quality
			+ (size_t) i * work->held.nmodels;
		double		base = score_of(prompt, single);
		double		product = 0;

		for (int j = 0; j < prompt->ncells && !isnan(base); j++)
		{
			int			m = prompt->cells[j].model;
			double		typical = work->mean[m] - work->mean[single];

			product += (quality[m] - quality[single] - typical)
				* (prompt->cells[j].score - base - typical);
		}
		sum += product;
		square += product * product;
	}
	validation->trusted = sum > TRUSTED_STDERRS * sqrt(square);
}

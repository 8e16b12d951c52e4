/*
 * fit.c
 *	  Fits a router to training rows.
 *
 * A score is taken apart: the model's mean, what the prompt does to all models
 * (common), and what it does to this one beside (who is better here).  The
 * last two are ridge regressions on the prompt's features.  Beside them stands
 * a prior that needs no rows: hard-looking prompts widen the distance between
 * strong and weak models, by beta x hardness x advantage.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"

#include "router/fit.h"

#define COMMON_LAMBDA		3.0
#define PRIOR_PROMPTS		20.0	/* a model's prior counts as so many */
#define MEAN_ROUNDS			5	/* of alternating means, with missing cells */
#define BETA				0.2 /* before any rows */
#define BETA_PROMPTS		3000.0	/* rows after which beta is half its own */
#define BETA_FADES			2000.0	/* and half of it is left */
#define TYPICAL_LOW			0.01	/* quantiles of the training rows */
#define TYPICAL_HIGH		0.20

/* What a regression is to find: [row * noutputs + output]. */
typedef struct Targets
{
	float	   *values;
	int			noutputs;
	const double *lambda;		/* NULL = COMMON_LAMBDA for all */
} Targets;

static int	word_bits(int nmodels);
static void fill_means(MrFit *fit, const MrFitTask *task);
static void shrink_means(MrFit *fit, const MrFitTask *task);
static void fill_common_targets(const MrFit *fit, const MrFitTask *task,
								float *target);
static void fill_model_targets(const MrFit *fit, const MrFitTask *task,
							   float *target);
static void fill_beta(MrFit *fit, const MrFitTask *task,
					  const float *target);
static void fill_typicality(MrFit *fit, const MrFitTask *task);
static float *solve(const MrDesign *design, const MrFitTask *task,
					Targets targets);
static void spread_targets(const MrFit *fit, const MrRows *rows,
						   float *target);
static double typicality_of(const MrVocabulary *vocabulary,
							const MrFeatures *features);

static double *
new_numbers(int count)
{
	return palloc0(sizeof(double) * count);
}

/* Everything it fills is in CurrentMemoryContext. */
void
mr_fit_make(MrFit *fit, const MrFitTask *task)
{
	int			nmodels = task->rows->evals->nmodels;
	int			noutputs = nmodels * task->nlambdas;
	size_t		nrows = (size_t) Max(task->rows->nrows, 1);
	float	   *common = palloc_extended(sizeof(float) * 2 * nrows,
										 MCXT_ALLOC_HUGE);
	float	   *models = palloc_extended(sizeof(float) * noutputs * nrows,
										 MCXT_ALLOC_HUGE);
	MrDesign	design;

	fit->nmodels = nmodels;
	fit->nlambdas = task->nlambdas;
	fit->mean = new_numbers(nmodels);
	fit->advantage = new_numbers(nmodels);
	fit->ln_tokens = new_numbers(nmodels);
	fit->ln_cost = new_numbers(nmodels);
	fit->prompts = palloc0(sizeof(int) * nmodels);
	mr_vocabulary_build(&fit->vocabulary, task->rows, word_bits(nmodels));
	mr_design_build(&design, &fit->vocabulary, task->rows);
	fill_means(fit, task);
	shrink_means(fit, task);
	fill_common_targets(fit, task, common);
	mr_lengths_fill(fit, task, common);
	fit->common_weights = solve(&design, task,
								(Targets) {common, 2, NULL});
	mr_lengths_scale(fit, task);
	fill_model_targets(fit, task, models);
	fill_beta(fit, task, models);
	spread_targets(fit, task->rows, models);
	fit->model_weights = solve(&design, task,
							   (Targets) {models, noutputs, task->lambda});
	fill_typicality(fit, task);
	mr_design_free(&design);
	pfree(common);
	pfree(models);
}

/* As many buckets as keep the artifact within its bound. */
static int
word_bits(int nmodels)
{
	int			bits = MR_WORD_BITS_MAX;
	size_t		most = MR_ARTIFACT_MAX_BYTES - MR_ARTIFACT_MAX_BYTES / 16;

	if (nmodels > MR_PAIR_MODELS_MAX)
		most = MR_ARTIFACT_MAX_BYTES / 2 + MR_ARTIFACT_MAX_BYTES / 16;
	while (bits > MR_WORD_BITS_MIN && most <
		   (size_t) mr_layout_buckets(bits) * (1 + MR_OUTPUTS(nmodels)))
		bits--;
	return bits;
}

void
mr_fit_free(MrFit *fit)
{
	mr_vocabulary_free(&fit->vocabulary);
	pfree(fit->mean);
	pfree(fit->advantage);
	pfree(fit->ln_tokens);
	pfree(fit->ln_cost);
	pfree(fit->prompts);
	pfree(fit->common_weights);
	pfree(fit->model_weights);
}

/*
 * The weights of all outputs: with lambdas, as many outputs for each of them;
 * without, COMMON_LAMBDA for all.
 */
static float *
solve(const MrDesign *design, const MrFitTask *task, Targets targets)
{
	double	   *lambda = new_numbers(targets.noutputs);
	int			each = targets.noutputs / task->nlambdas;
	MrRidge		ridge = {
		.design = design,
		.noutputs = targets.noutputs,
		.lambda = lambda,
		.target = targets.values,
		.weights = palloc_extended(sizeof(float) * targets.noutputs *
								   (size_t) design->vocabulary->nbuckets,
								   MCXT_ALLOC_HUGE),
		.tick = task->tick,
		.tick_arg = task->tick_arg
	};

	for (int i = 0; i < targets.noutputs; i++)
		lambda[i] = targets.lambda ? targets.lambda[i / each]
			: COMMON_LAMBDA;
	mr_ridge_solve(&ridge);
	pfree(lambda);
	return ridge.weights;
}

/*
 * The models' targets, which stand at the beginning, once for each lambda;
 * from the last row on, so that none is overwritten before it is read.
 */
static void
spread_targets(const MrFit *fit, const MrRows *rows, float *target)
{
	size_t		bytes = sizeof(float) * fit->nmodels;

	for (int i = rows->nrows - 1; i >= 0; i--)
		for (int j = fit->nlambdas - 1; j >= 0; j--)
			memmove(target + ((size_t) i * fit->nlambdas + j) * fit->nmodels,
					target + (size_t) i * fit->nmodels, bytes);
}

/* ----------
 * Means
 * ----------
 */

/*
 * With every model on every prompt these are plain means.  Otherwise models
 * met prompts of different difficulty: means of models and of prompts are
 * fitted in turn, a prompt's with one pseudo-row at 0.
 */
static void
fill_means(MrFit *fit, const MrFitTask *task)
{
	const MrRows *rows = task->rows;
	double	   *ease = new_numbers(Max(rows->nrows, 1));
	double	   *sum = new_numbers(fit->nmodels);

	for (int round = 0; round < MEAN_ROUNDS; round++)
	{
		memset(sum, 0, sizeof(double) * fit->nmodels);
		memset(fit->prompts, 0, sizeof(int) * fit->nmodels);
		for (int i = 0; i < rows->nrows; i++)
		{
			const MrEvalPrompt *prompt = mr_rows_prompt(rows, i);

			for (int j = 0; j < prompt->ncells; j++)
			{
				const MrEvalCell *cell = &prompt->cells[j];

				sum[cell->model] += cell->score
					- (prompt->ncells < fit->nmodels ? ease[i] : 0);
				fit->prompts[cell->model]++;
			}
		}
		for (int m = 0; m < fit->nmodels; m++)
			fit->mean[m] = fit->prompts[m] > 0
				? sum[m] / fit->prompts[m] : get_float8_nan();
		for (int i = 0; i < rows->nrows; i++)
		{
			const MrEvalPrompt *prompt = mr_rows_prompt(rows, i);

			ease[i] = 0;
			for (int j = 0; j < prompt->ncells; j++)
				ease[i] += prompt->cells[j].score
					- fit->mean[prompt->cells[j].model];
			ease[i] /= prompt->ncells + 1;
		}
	}
	pfree(ease);
	pfree(sum);
}

/* What the catalog expects of a model; NaN when it does not know it. */
static double
prior_of(const MrFitTask *task, int model)
{
	const MrModelPrior *priors = task->options->priors;

	return priors ? priors[model].quality : get_float8_nan();
}

/*
 * The prior's scale is not that of the scores: its place among the priors of
 * all models, as a distance from their mean, is added to the mean score.
 * A model without rows or prior takes the mean over models.  Neither that nor
 * what is laid to the prompts of others takes a mean out of 0..1.
 */
static void
shrink_means(MrFit *fit, const MrFitTask *task)
{
	double		sum = 0;
	double		prior_sum = 0;
	int			known = 0;
	int			priors = 0;

	for (int m = 0; m < fit->nmodels; m++)
		if (fit->prompts[m] >= MR_FIT_MODEL_PROMPTS_MIN ||
			(fit->prompts[m] > 0 && fit->prompts[m] * 2 > task->rows->nrows))
		{
			double		prior = prior_of(task, m);

			sum += fit->mean[m];
			known++;
			prior_sum += isnan(prior) ? 0 : prior;
			priors += !isnan(prior);
		}
	for (int m = 0; m < fit->nmodels; m++)
	{
		double		prior = prior_of(task, m);
		double		center = known > 0 ? sum / known : 0.5;
		int			n = fit->prompts[m];

		if (n >= MR_FIT_MODEL_PROMPTS_MIN || (n > 0 && known == 0))
			continue;
		if (!isnan(prior) && priors > 0)
			center += prior - prior_sum / priors;
		else if (n * 2 > task->rows->nrows)
			continue;
		fit->mean[m] = (n * (n > 0 ? fit->mean[m] : 0) +
						PRIOR_PROMPTS * center) / (n + PRIOR_PROMPTS);
	}
	sum = 0;
	for (int m = 0; m < fit->nmodels; m++)
	{
		fit->mean[m] = Min(Max(fit->mean[m], 0), 1);
		sum += fit->mean[m] / fit->nmodels;
	}
	for (int m = 0; m < fit->nmodels; m++)
		fit->advantage[m] = fit->mean[m] - sum;
}

/* ----------
 * Targets
 * ----------
 */

/* What the prompt did to the models that were asked. */
static double
common_of(const MrFit *fit, const MrEvalPrompt *prompt)
{
	double		sum = 0;

	for (int j = 0; j < prompt->ncells; j++)
		sum += prompt->cells[j].score - fit->mean[prompt->cells[j].model];
	return prompt->ncells > 0 ? sum / prompt->ncells : get_float8_nan();
}

static void
fill_common_targets(const MrFit *fit, const MrFitTask *task, float *target)
{
	for (int i = 0; i < task->rows->nrows; i++)
		target[2 * (size_t) i] = common_of(fit, mr_rows_prompt(task->rows, i));
}

/*
 * Who is better on this prompt: score - mean - common.  Where one model only
 * was asked, common is what the features say; models of few rows have none.
 */
static void
fill_model_targets(const MrFit *fit, const MrFitTask *task, float *target)
{
	for (int i = 0; i < task->rows->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(task->rows, i);
		float	   *row = target + (size_t) i * fit->nmodels;
		double		common = common_of(fit, prompt);

		for (int m = 0; m < fit->nmodels; m++)
			row[m] = get_float4_nan();
		if (prompt->ncells == 1)
		{
			float		outputs[2];

			mr_ridge_apply(&fit->vocabulary, fit->common_weights, 2,
						   &prompt->features, outputs);
			common = outputs[0];
		}
		for (int j = 0; j < prompt->ncells; j++)
		{
			int			m = prompt->cells[j].model;

			if (fit->prompts[m] >= MR_FIT_MODEL_PROMPTS_MIN ||
				fit->prompts[m] * 2 > task->rows->nrows)
				row[m] = prompt->cells[j].score - fit->mean[m] - common;
		}
	}
}

/*
 * beta by least squares of the models' targets on hardness x advantage, drawn
 * to what holds without rows.
 */
static void
fill_beta(MrFit *fit, const MrFitTask *task, const float *target)
{
	double		spread = 0;
	double		numerator;
	double		denominator;

	for (int m = 0; m < fit->nmodels; m++)
		spread += fit->advantage[m] * fit->advantage[m];
	numerator = BETA * BETA_PROMPTS * spread;
	denominator = BETA_PROMPTS * spread;
	for (int i = 0; i < task->rows->nrows; i++)
	{
		double		hardness = mr_hardness(&mr_rows_prompt(task->rows,
														   i)->features);
		const float *row = target + (size_t) i * fit->nmodels;

		for (int m = 0; m < fit->nmodels; m++)
		{
			double		x = hardness * fit->advantage[m];

			if (isnan(row[m]))
				continue;
			numerator += x * row[m];
			denominator += x * x;
		}
	}
	fit->beta = denominator > 1e-12 ? numerator / denominator : 0;
	fit->beta_weight = BETA_FADES / (BETA_FADES + task->rows->nrows);
}

/* ----------
 * Typicality
 * ----------
 */

/*
 * The cosine of a prompt with the middle of the training rows, from how many
 * of its words have each idf byte: sum(idf^2 df/n) / sqrt(sum(idf^2)).  An
 * unknown word counts as one of a single row.
 */
double
mr_typicality(const uint32 *histogram, uint32 unknown, int nrows)
{
	double		rarest = log((nrows + 1.0) / 2) + 1;
	double		square = unknown * rarest * rarest;
	double		shared = 0;

	for (int byte = 1; byte < 256; byte++)
	{
		double		idf = byte * MR_IDF_UNIT;

		if (histogram[byte] == 0)
			continue;
		square += histogram[byte] * idf * idf;
		shared += histogram[byte] * idf * idf * Min(exp(1 - idf), 1);
	}
	return square > 0 ? shared / sqrt(square) : 0;
}

static double
typicality_of(const MrVocabulary *vocabulary, const MrFeatures *features)
{
	uint32		histogram[256] = {0};

	for (int i = 0; i < features->nwords; i++)
		if (mr_word_counts(features->words[i], vocabulary->pairs))
			histogram[vocabulary->idf[mr_bucket_of_word(features->words[i],
														vocabulary->bits)]]++;
	return mr_typicality(histogram, histogram[0], vocabulary->nrows);
}

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return left < right ? -1 : left > right;
}

static void
fill_typicality(MrFit *fit, const MrFitTask *task)
{
	int			count = task->rows->nrows;
	double	   *values = palloc_extended(sizeof(double) * Max(count, 1),
										 MCXT_ALLOC_HUGE);

	values[0] = 0;
	for (int i = 0; i < count; i++)
		values[i] = typicality_of(&fit->vocabulary,
								  &mr_rows_prompt(task->rows, i)->features);
	qsort(values, count, sizeof(double), compare_doubles);
	fit->typical_low = values[(int) (TYPICAL_LOW * count)];
	fit->typical_high = values[(int) (TYPICAL_HIGH * count)];
	pfree(values);
}

/* ----------
 * Expectations
 * ----------
 */

void
mr_fit_apply(const MrFit *fit, const MrFeatures *features, MrFitted *fitted)
{
	double		width = fit->typical_high - fit->typical_low;
	double		over = typicality_of(&fit->vocabulary, features)
		- fit->typical_low;
	double		hardness = mr_hardness(features);
	float		outputs[2];

	fitted->trust = width > 0 ? Min(Max(over / width, 0), 1) : 1;
	mr_ridge_apply(&fit->vocabulary, fit->common_weights, 2, features,
				   outputs);
	mr_ridge_apply(&fit->vocabulary, fit->model_weights,
				   fit->nlambdas * fit->nmodels, features, fitted->models);
	fitted->common = outputs[0];
	fitted->length = outputs[1];
	fitted->difficulty = hardness *
		Max(fit->beta * fit->beta_weight,
			MR_UNTRUSTED_BETA * (1 - fitted->trust));
}

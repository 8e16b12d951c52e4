/*
 * lengths.c
 *	  How long a prompt makes the answers: output tokens where they are known,
 *	  else cost.
 *
 * ln(length) is a mean for each model and, for all models alike, what the
 * prompt adds; the latter is learned as one output of the common ridge.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"

#include "router/fit.h"

/*
 * ln of a cell's output tokens: as given, else what its cost leaves after the
 * input at the model's price; NaN when neither is known.
 */
static double
ln_tokens_of(const MrFitTask *task, const MrEvalPrompt *prompt,
			 const MrEvalCell *cell)
{
	const MrModelPrior *prior = task->options->priors
		? &task->options->priors[cell->model] : NULL;
	double		tokens = cell->output_tokens;

	if (isnan(tokens) && prior && prior->output_price > 0)
		tokens = (cell->cost_usd - prompt->input_tokens * prior->input_price)
			/ prior->output_price;
	return tokens >= 1 ? log(tokens) : get_float8_nan();
}

static double
ln_cost_of(const MrFitTask *task, const MrEvalPrompt *prompt,
		   const MrEvalCell *cell)
{
	return cell->cost_usd > 0 ? log(cell->cost_usd) : get_float8_nan();
}

typedef double (*LengthOf) (const MrFitTask *task, const MrEvalPrompt *prompt,
							const MrEvalCell *cell);

/* Means of a length per model; how many cells have one. */
static int64
length_means(const MrFitTask *task, LengthOf length_of, double *mean)
{
	int			nmodels = task->rows->evals->nmodels;
	int		   *count = palloc0(sizeof(int) * nmodels);
	int64		total = 0;

	memset(mean, 0, sizeof(double) * nmodels);
	for (int i = 0; i < task->rows->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(task->rows, i);

		for (int j = 0; j < prompt->ncells; j++)
		{
			double		length = length_of(task, prompt, &prompt->cells[j]);

			if (isnan(length))
				continue;
			mean[prompt->cells[j].model] += length;
			count[prompt->cells[j].model]++;
			total++;
		}
	}
	for (int m = 0; m < nmodels; m++)
		mean[m] = count[m] > 0 ? mean[m] / count[m] : get_float8_nan();
	pfree(count);
	return total;
}

/* Fills the second common target, target[2 * row + 1]. */
void
mr_lengths_fill(MrFit *fit, const MrFitTask *task, float *target)
{
	bool		tokens = length_means(task, ln_tokens_of, fit->ln_tokens) > 0;
	bool		costs = length_means(task, ln_cost_of, fit->ln_cost) > 0;
	LengthOf	length_of = tokens ? ln_tokens_of : ln_cost_of;
	const double *mean = tokens ? fit->ln_tokens : fit->ln_cost;

	for (int i = 0; i < task->rows->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(task->rows, i);
		double		sum = 0;
		int			count = 0;

		for (int j = 0; j < prompt->ncells && (tokens || costs); j++)
		{
			double		length = length_of(task, prompt, &prompt->cells[j]);

			if (isnan(length))
				continue;
			sum += length - mean[prompt->cells[j].model];
			count++;
		}
		target[2 * (size_t) i + 1] = count > 0 ? sum / count
			: get_float4_nan();
	}
}

/*
 * The factor of each model that makes its expectations sum to what was seen:
 * ln(sum of lengths / sum of exp(learned length)).
 */
static void
scale_model(const MrFitTask *task, const MrFit *fit, LengthOf length_of,
			double *scale)
{
	double	   *seen = palloc0(sizeof(double) * fit->nmodels);
	double	   *learned = palloc0(sizeof(double) * fit->nmodels);

	for (int i = 0; i < task->rows->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(task->rows, i);
		float		outputs[2];

		mr_ridge_apply(&fit->vocabulary, fit->common_weights, 2,
					   &prompt->features, outputs);
		for (int j = 0; j < prompt->ncells; j++)
		{
			double		length = length_of(task, prompt, &prompt->cells[j]);

			if (isnan(length))
				continue;
			seen[prompt->cells[j].model] += exp(length);
			learned[prompt->cells[j].model] += exp(outputs[1]);
		}
	}
	for (int m = 0; m < fit->nmodels; m++)
		scale[m] = seen[m] > 0 ? log(seen[m] / learned[m])
			: get_float8_nan();
	pfree(seen);
	pfree(learned);
}

/* Once the common weights are known. */
void
mr_lengths_scale(MrFit *fit, const MrFitTask *task)
{
	scale_model(task, fit, ln_tokens_of, fit->ln_tokens);
	scale_model(task, fit, ln_cost_of, fit->ln_cost);
}

/*
 * fit.c
 *	  Fits the model: multinomial logistic regression for the categories and
 *	  least squares for ln(output tokens), both with a penalty on squares.
 *
 * Accelerated gradient steps (Nesterov), each row with the largest step that
 * cannot overshoot.  The order of every sum is fixed and nothing is drawn at
 * random, so that the same prompts give the same weights.
 */
#include "postgres.h"

#include <math.h>

#include "model.h"
#include "plain.h"

#define ITERATIONS			200

/* Penalties, found by cross-validation; a flat optimum each. */
#define CATEGORY_PENALTY	2e-5
#define TOKENS_PENALTY		1e-3
#define TOKENS_SURFACE_PENALTY 5e-5

/* Weights are rounded to characters at most this far from the zero. */
#define MOST_LEVEL			45

typedef double Rows[ROWS][MR_CATEGORY_OUTPUTS];

static Rows gradient;
static Rows before;				/* the weights of the step before */
static double curvature[ROWS];

static double bound_curvature(const Corpus *corpus, int fold);
static void add_gradients(const Corpus *corpus, int fold, const Model *model,
						  double mean);
static void add_gradient(const Example *example, const double *slope);
static void category_slopes(const double *score, int output, double *slope);
static void step_weights(Model *model, double momentum);
static double penalty_of(int row, int output);
static double largest(const Model *model, int first_row, int end_row,
					  int first_output, int end_output);
static void round_rows(Model *model, int first_row, int end_row,
					   const double *step);

void
fit_model(const Corpus *corpus, int fold, Model *model)
{
	double		mean = bound_curvature(corpus, fold);
	double		t = 1;

	memset(model, 0, sizeof(*model));
	memset(before, 0, sizeof(before));
	for (int i = 0; i < ITERATIONS; i++)
	{
		double		next = (1 + sqrt(1 + 4 * t * t)) / 2;

		memset(gradient, 0, sizeof(gradient));
		add_gradients(corpus, fold, model, mean);
		step_weights(model, (t - 1) / next);
		t = next;
	}
	memcpy(model->weights, before, sizeof(before));
	model->weights[BIAS_ROW][MR_CATEGORY_TOKENS] += mean;
}

/*
 * Fills curvature: the matrix of second derivatives of squared error is less
 * than the diagonal of sum |x_row| |x|_1 over the examples' mean.  Returns the
 * mean of ln(tokens).
 */
static double
bound_curvature(const Corpus *corpus, int fold)
{
	double		total = 0;
	int			used = 0;

	memset(curvature, 0, sizeof(curvature));
	for (int i = 0; i < corpus->nexamples; i++)
	{
		const Example *example = &corpus->examples[i];
		double		length = 0;

		if (fold_of(i) == fold)
			continue;
		for (int j = 0; j < example->nterms; j++)
			length += example->terms[j].value;
		for (int j = 0; j < example->nterms; j++)
			curvature[example->terms[j].row] +=
				example->terms[j].value * length;
		total += example->ln_tokens;
		used++;
	}
	for (int i = 0; i < ROWS; i++)
		curvature[i] /= used;
	return total / used;
}

static void
add_gradients(const Corpus *corpus, int fold, const Model *model, double mean)
{
	int			used = 0;

	for (int i = 0; i < corpus->nexamples; i++)
		used += fold_of(i) != fold;
	for (int i = 0; i < corpus->nexamples; i++)
	{
		const Example *example = &corpus->examples[i];
		double		score[MR_CATEGORY_OUTPUTS];
		double		slope[MR_CATEGORY_OUTPUTS];

		if (fold_of(i) == fold)
			continue;
		score_example(model, example, score);
		category_slopes(score, example->output, slope);
		slope[MR_CATEGORY_TOKENS] = score[MR_CATEGORY_TOKENS]
			- (example->ln_tokens - mean);
		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			slope[k] /= used;
		add_gradient(example, slope);
	}
}

void
score_example(const Model *model, const Example *example, double *score)
{
	for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
		score[k] = 0;
	for (int i = 0; i < example->nterms; i++)
	{
		const double *weights = model->weights[example->terms[i].row];
		double		value = example->terms[i].value;

		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			score[k] += value * weights[k];
	}
}

/*
 * The slope of the logarithmic loss in each logit: probability less truth.
 */
static void
category_slopes(const double *score, int output, double *slope)
{
	double		most = score[0];
	double		sum = 0;

	for (int k = 1; k < MR_CATEGORY_TOKENS; k++)
		most = Max(most, score[k]);
	for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
	{
		slope[k] = plain_exp(score[k] - most);
		sum += slope[k];
	}
	for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
		slope[k] = slope[k] / sum - (k == output);
}

static void
add_gradient(const Example *example, const double *slope)
{
	for (int i = 0; i < example->nterms; i++)
	{
		double	   *row = gradient[example->terms[i].row];
		double		value = example->terms[i].value;

		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			row[k] += value * slope[k];
	}
}

/*
 * The loss of a logit curves half as much as a square does.
 */
static void
step_weights(Model *model, double momentum)
{
	for (int i = 0; i < ROWS; i++)
	{
		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
		{
			double	   *weight = &model->weights[i][k];
			double		penalty = penalty_of(i, k);
			double		curved = k == MR_CATEGORY_TOKENS
				? curvature[i] : curvature[i] / 2;
			double		stepped = *weight
				- (gradient[i][k] + penalty * *weight) / (curved + penalty);

			*weight = stepped + momentum * (stepped - before[i][k]);
			before[i][k] = stepped;
		}
	}
}

static double
penalty_of(int row, int output)
{
	if (output != MR_CATEGORY_TOKENS)
		return CATEGORY_PENALTY;
	return row < SURFACE_ROW ? TOKENS_PENALTY : TOKENS_SURFACE_PENALTY;
}

/* ----------
 * Rounding
 * ----------
 */

/*
 * Replace the weights by the nearest that the table can hold.  The categories
 * share a step, so that their logits stay comparable.
 */
void
round_model(Model *model)
{
	double		words = largest(model, 0, SURFACE_ROW, 0,
								MR_CATEGORY_TOKENS);
	double		surface = largest(model, SURFACE_ROW, BIAS_ROW, 0,
								  MR_CATEGORY_TOKENS);

	for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
	{
		model->word_step[k] = words / MOST_LEVEL;
		model->surface_step[k] = surface / MOST_LEVEL;
	}
	model->word_step[MR_CATEGORY_TOKENS] =
		largest(model, 0, SURFACE_ROW, MR_CATEGORY_TOKENS,
				MR_CATEGORY_OUTPUTS) / MOST_LEVEL;
	model->surface_step[MR_CATEGORY_TOKENS] =
		largest(model, SURFACE_ROW, BIAS_ROW, MR_CATEGORY_TOKENS,
				MR_CATEGORY_OUTPUTS) / MOST_LEVEL;
	round_rows(model, 0, SURFACE_ROW, model->word_step);
	round_rows(model, SURFACE_ROW, BIAS_ROW, model->surface_step);
}

static double
largest(const Model *model, int first_row, int end_row, int first_output,
		int end_output)
{
	double		most = 0;

	for (int i = first_row; i < end_row; i++)
		for (int k = first_output; k < end_output; k++)
			most = Max(most, fabs(model->weights[i][k]));
	return most;
}

static void
round_rows(Model *model, int first_row, int end_row, const double *step)
{
	for (int i = first_row; i < end_row; i++)
		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			model->weights[i][k] =
				level_of(model->weights[i][k], step[k]) * step[k];
}

/*
 * The level nearest to a weight, but for those whose characters mean something
 * to the compiler or to make lint.
 */
int
level_of(double weight, double step)
{
	int			level = (int) floor(weight / step + 0.5);

	if (strchr("?\\X", MR_CATEGORY_ZERO + level) == NULL)
		return level;
	return weight / step > level ? level + 1 : level - 1;
}

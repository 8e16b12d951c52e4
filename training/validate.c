/*
 * validate.c
 *	  Cross-validation: scores each prompt by a model that was trained without
 *	  it, prints how good and how honest that is, and calibrates.
 */
#include "postgres.h"

#include <math.h>

#include "model.h"
#include "plain.h"

#define BINS 5

typedef double Scores[EXAMPLES_MAX][MR_CATEGORY_OUTPUTS];

static Scores scores;
static Model model;

static void score_folds(const Corpus *corpus);
static Calibration calibrate(const Corpus *corpus);
static double mean_loss(const Corpus *corpus, double sharpness);
static void distribution(const double *score, double sharpness,
						 double *probability, double *open);
static int	best_of(const double *score);
static void print_accuracy(const Corpus *corpus, Calibration calibration);
static void print_confusion(const Corpus *corpus);
static void print_reliability(const Corpus *corpus, double sharpness);
static double expected_ln_tokens(int i, const Example *example);
static void print_tokens(const Corpus *corpus, double growth);

Calibration
validate(const Corpus *corpus)
{
	Calibration calibration;

	score_folds(corpus);
	calibration = calibrate(corpus);
	print_accuracy(corpus, calibration);
	print_confusion(corpus);
	print_reliability(corpus, calibration.sharpness);
	print_tokens(corpus, calibration.growth);
	return calibration;
}

static void
score_folds(const Corpus *corpus)
{
	for (int fold = 0; fold < FOLDS; fold++)
	{
		fit_model(corpus, fold, &model);
		round_model(&model);
		for (int i = 0; i < corpus->nexamples; i++)
			if (fold_of(i) == fold)
				score_example(&model, &corpus->examples[i], scores[i]);
	}
}

/*
 * The sharpness with the least logarithmic loss on unseen prompts, and the
 * factor that makes the expected output tokens of all prompts right together.
 */
static Calibration
calibrate(const Corpus *corpus)
{
	Calibration calibration = {.sharpness = 1};
	double		least = mean_loss(corpus, 1);
	double		written = 0;
	double		expected = 0;

	for (int i = 50; i <= 300; i += 5)
	{
		double		loss = mean_loss(corpus, i / 100.0);

		if (loss < least)
		{
			least = loss;
			calibration.sharpness = i / 100.0;
		}
	}
	for (int i = 0; i < corpus->nexamples; i++)
	{
		written += corpus->examples[i].tokens;
		expected += plain_exp(scores[i][MR_CATEGORY_TOKENS]);
	}
	calibration.growth = written / expected;
	return calibration;
}

/*
 * What the classifier leaves open counts as spread over the categories.
 */
static double
mean_loss(const Corpus *corpus, double sharpness)
{
	double		loss = 0;

	for (int i = 0; i < corpus->nexamples; i++)
	{
		double		probability[MR_CATEGORY_TOKENS];
		double		open;

		distribution(scores[i], sharpness, probability, &open);
		loss -= plain_log(probability[corpus->examples[i].output]
						  + open / MR_CATEGORY_TOKENS);
	}
	return loss / corpus->nexamples;
}

/*
 * As mr_classify does: DEFAULT has logit 0.
 */
static void
distribution(const double *score, double sharpness, double *probability,
			 double *open)
{
	double		sum = 1;

	for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
	{
		probability[k] = plain_exp(sharpness * score[k]);
		sum += probability[k];
	}
	for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
		probability[k] /= sum;
	*open = 1 / sum;
}

static int
best_of(const double *score)
{
	int			best = 0;

	for (int k = 1; k < MR_CATEGORY_TOKENS; k++)
		if (score[k] > score[best])
			best = k;
	return best;
}

static void
print_accuracy(const Corpus *corpus, Calibration calibration)
{
	int			right = 0;

	for (int i = 0; i < corpus->nexamples; i++)
		right += best_of(scores[i]) == corpus->examples[i].output;
	printf("%d prompts, %d-fold cross-validation\n"
		   "accuracy %.1f %%, log-loss %.3f at sharpness %.2f\n\n",
		   corpus->nexamples, FOLDS, 100.0 * right / corpus->nexamples,
		   mean_loss(corpus, calibration.sharpness), calibration.sharpness);
}

static void
print_confusion(const Corpus *corpus)
{
	int			count[MR_CATEGORY_TOKENS][MR_CATEGORY_TOKENS] = {{0}};

	for (int i = 0; i < corpus->nexamples; i++)
		count[corpus->examples[i].output][best_of(scores[i])]++;
	printf("%-26s classified as, in the same order\n", "category");
	for (int i = 0; i < MR_CATEGORY_TOKENS; i++)
	{
		printf("%-26s", mr_category_name(learned_categories[i]));
		for (int k = 0; k < MR_CATEGORY_TOKENS; k++)
			printf("%5d", count[i][k]);
		printf("\n");
	}
	printf("\n");
}

/*
 * Of prompts with such a probability of the best category, how many were
 * right?
 */
static void
print_reliability(const Corpus *corpus, double sharpness)
{
	static const double edges[BINS + 1] = {0, 0.4, 0.6, 0.8, 0.95, 1.01};
	int			count[BINS] = {0};
	int			right[BINS] = {0};
	double		claimed[BINS] = {0};

	for (int i = 0; i < corpus->nexamples; i++)
	{
		double		probability[MR_CATEGORY_TOKENS];
		double		open;
		int			best = best_of(scores[i]);
		int			bin = 0;

		distribution(scores[i], sharpness, probability, &open);
		while (probability[best] >= edges[bin + 1])
			bin++;
		count[bin]++;
		right[bin] += best == corpus->examples[i].output;
		claimed[bin] += probability[best] + open / MR_CATEGORY_TOKENS;
	}
	printf("%-14s%8s%9s%9s\n", "probability", "prompts", "claimed", "right");
	for (int i = 0; i < BINS; i++)
		printf("%.2f to %.2f  %8d%8.1f%%%8.1f%%\n", edges[i],
			   Min(edges[i + 1], 1), count[i],
			   100 * claimed[i] / Max(count[i], 1),
			   100.0 * right[i] / Max(count[i], 1));
	printf("\n");
}

/* As mr_classify does. */
static double
expected_ln_tokens(int i, const Example *example)
{
	double		ln_tokens = scores[i][MR_CATEGORY_TOKENS];

	if (example->asked_words >= MR_CATEGORY_ASKED_LEAST)
		ln_tokens += MR_CATEGORY_ASKED_SHARE
			* (plain_log(MR_CATEGORY_TOKENS_PER_WORD
						 * example->asked_words) - ln_tokens);
	return ln_tokens;
}

/*
 * Errors of ln(tokens), beside those of a table with the mean of each
 * category.
 */
static void
print_tokens(const Corpus *corpus, double growth)
{
	double		mean[MR_CATEGORY_TOKENS] = {0};
	int			count[MR_CATEGORY_TOKENS] = {0};
	double		error = 0;
	double		table_error = 0;
	int			near = 0;

	for (int i = 0; i < corpus->nexamples; i++)
	{
		mean[corpus->examples[i].output] += corpus->examples[i].ln_tokens;
		count[corpus->examples[i].output]++;
	}
	for (int i = 0; i < corpus->nexamples; i++)
	{
		const Example *example = &corpus->examples[i];
		double		off = fabs(expected_ln_tokens(i, example)
							   - example->ln_tokens);

		error += off;
		near += off < LN2;
		table_error += fabs(mean[example->output] / count[example->output]
							- example->ln_tokens);
	}
	printf("output tokens: mean error of ln %.3f, within a factor of two "
		   "%.0f %%\n"
		   "(a table by the true category: %.3f), factor of the mean %.3f\n",
		   error / corpus->nexamples, 100.0 * near / corpus->nexamples,
		   table_error / corpus->nexamples, growth);
}

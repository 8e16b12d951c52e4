/*
 * bootstrap.c
 *	  Draws prompts with replacement and computes statistics of them; the
 *	  percentiles of what comes out are the intervals.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "router/bootstrap.h"
#include "router/metrics.h"

static void draw_counts(const MrBootstrap *bootstrap, uint64 *state,
						int *counts);
static uint64 next_random(uint64 *state);
static void fill_means(const MrBootstrap *bootstrap, const int *counts,
					   double *means);
static int	compare_numbers(const double *a, const double *b);

#define ST_SORT sort_numbers
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) compare_numbers(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Columns for nprompts prompts, at least 1, all numbers 0.
 */
MrBootstrap *
mr_bootstrap_create(int nprompts, int ncolumns,
					const MrEvaluateOptions *options)
{
	MrBootstrap *bootstrap = palloc0(sizeof(MrBootstrap));

	bootstrap->nprompts = nprompts;
	bootstrap->ncolumns = ncolumns;
	bootstrap->ngroups = Min(nprompts, MR_BOOTSTRAP_MAX_GROUPS);
	bootstrap->ngroups = Min(bootstrap->ngroups,
							 MR_BOOTSTRAP_MAX_CELLS / ncolumns);
	bootstrap->sums = palloc0(sizeof(double) * bootstrap->ngroups * ncolumns);
	bootstrap->group_prompts = palloc0(sizeof(int) * bootstrap->ngroups);
	for (int i = 0; i < nprompts; i++)
		bootstrap->group_prompts[i % bootstrap->ngroups]++;
	bootstrap->options = *options;
	return bootstrap;
}

/*
 * Compute nstatistics numbers for the prompts as they are and for each
 * resampling.
 */
void
mr_bootstrap_run(MrBootstrap *bootstrap, int nstatistics,
				 MrBootstrapStatistics statistics, void *argument)
{
	int			resamples = bootstrap->options.resamples;
	int		   *counts = palloc(sizeof(int) * bootstrap->ngroups);
	double	   *means = palloc(sizeof(double) * bootstrap->ncolumns);
	double	   *drawn = palloc(sizeof(double) * nstatistics);
	uint64		state = bootstrap->options.seed;

	bootstrap->nstatistics = nstatistics;
	bootstrap->values = palloc(sizeof(double) * nstatistics);
	bootstrap->draws = palloc(sizeof(double) * nstatistics *
							  Max(resamples, 1));
	for (int g = 0; g < bootstrap->ngroups; g++)
		counts[g] = 1;
	fill_means(bootstrap, counts, means);
	statistics(means, counts, argument, bootstrap->values);
	for (int k = 0; k < resamples; k++)
	{
		CHECK_FOR_INTERRUPTS();
		draw_counts(bootstrap, &state, counts);
		fill_means(bootstrap, counts, means);
		statistics(means, counts, argument, drawn);
		for (int i = 0; i < nstatistics; i++)
			bootstrap->draws[(size_t) i * resamples + k] = drawn[i];
	}
	pfree(drawn);
	pfree(means);
	pfree(counts);
}

static void
draw_counts(const MrBootstrap *bootstrap, uint64 *state, int *counts)
{
	memset(counts, 0, sizeof(int) * bootstrap->ngroups);
	for (int i = 0; i < bootstrap->ngroups; i++)
		counts[(next_random(state) >> 32) * bootstrap->ngroups >> 32]++;
}

/*
 * SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine.
 */
static uint64
next_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static void
fill_means(const MrBootstrap *bootstrap, const int *counts, double *means)
{
	int			ncolumns = bootstrap->ncolumns;
	int64		prompts = 0;

	memset(means, 0, sizeof(double) * ncolumns);
	for (int g = 0; g < bootstrap->ngroups; g++)
	{
		const double *sums = bootstrap->sums + (size_t) g * ncolumns;
		double		count = counts[g];

		if (counts[g] == 0)
			continue;
		prompts += (int64) counts[g] * bootstrap->group_prompts[g];
		for (int c = 0; c < ncolumns; c++)
			means[c] += count * sums[c];
	}
	for (int c = 0; c < ncolumns; c++)
		means[c] /= prompts;
}

/* NaN comes last. */
static inline int
compare_numbers(const double *a, const double *b)
{
	if (isnan(*a) || isnan(*b))
		return isnan(*a) - isnan(*b);
	return *a < *b ? -1 : *a > *b;
}

/*
 * A statistic with its percentiles.  A draw where it is not defined counts as
 * the worst: the highest, or the lowest; where that reaches the percentile,
 * the end of the interval is NaN.
 */
MrInterval
mr_bootstrap_interval(const MrBootstrap *bootstrap, int statistic,
					  bool nan_is_high)
{
	int			resamples = bootstrap->options.resamples;
	double		tail = (1 - bootstrap->options.level) / 2;
	double		sign = nan_is_high ? 1 : -1;
	MrInterval	interval = {bootstrap->values[statistic], NAN, NAN};
	double	   *sorted;

	if (resamples == 0 || isnan(interval.value))
		return interval;
	sorted = palloc(sizeof(double) * resamples);
	for (int k = 0; k < resamples; k++)
		sorted[k] = sign *
			bootstrap->draws[(size_t) statistic * resamples + k];
	sort_numbers(sorted, resamples);
	interval.low = mr_metrics_quantile(sorted, resamples, tail);
	interval.high = mr_metrics_quantile(sorted, resamples, 1 - tail);
	if (!nan_is_high)
	{
		double		low = interval.low;

		interval.low = 0 - interval.high;
		interval.high = 0 - low;
	}
	pfree(sorted);
	return interval;
}

/*
 * The share of resamplings where a statistic is not above a limit.
 */
double
mr_bootstrap_share_not_above(const MrBootstrap *bootstrap, int statistic,
							 double limit)
{
	int			resamples = bootstrap->options.resamples;
	int			found = 0;

	for (int k = 0; k < resamples; k++)
		if (!(bootstrap->draws[(size_t) statistic * resamples + k] > limit))
			found++;
	return resamples == 0 ? NAN : (double) found / resamples;
}

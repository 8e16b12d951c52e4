/*
 * bootstrap.h
 *	  Intervals by resampling: statistics of means over prompts, computed again
 *	  for prompts drawn with replacement.
 *
 * Columns hold a number per prompt.  A statistic is any function of the
 * columns' means, or of how often each prompt was drawn.  So that a million
 * prompts cost no more than ten thousand, prompts are drawn in groups of
 * prompts that lie far apart; the variance of a mean stays what it is.
 * The draws depend on the seed alone.
 */
#ifndef MR_BOOTSTRAP_H
#define MR_BOOTSTRAP_H

#include "postgres.h"

#include "router/evaluate.h"

#define MR_BOOTSTRAP_MAX_GROUPS		10000
#define MR_BOOTSTRAP_MAX_CELLS		4000000 /* groups x columns */

/*
 * Fills the statistics from the means of the columns; a prompt was drawn
 * counts[prompt % ngroups] times.
 */
typedef void (*MrBootstrapStatistics) (const double *means, const int *counts,
									   void *argument, double *statistics);

typedef struct MrBootstrap
{
	int			nprompts;
	int			ngroups;
	int			ncolumns;
	double	   *sums;			/* [group * ncolumns + column] */
	int		   *group_prompts;
	int			nstatistics;
	double	   *values;			/* statistics of the prompts as they are */
	double	   *draws;			/* [statistic * resamples + resample] */
	MrEvaluateOptions options;
} MrBootstrap;

extern MrBootstrap *mr_bootstrap_create(int nprompts, int ncolumns,
										const MrEvaluateOptions *options);
extern void mr_bootstrap_run(MrBootstrap *bootstrap, int nstatistics,
							 MrBootstrapStatistics statistics,
							 void *argument);
extern MrInterval mr_bootstrap_interval(const MrBootstrap *bootstrap,
										int statistic, bool nan_is_high);
extern double mr_bootstrap_share_not_above(const MrBootstrap *bootstrap,
										   int statistic, double limit);

/* Adds to a column's number of a prompt, which starts at 0. */
static inline void
mr_bootstrap_add(MrBootstrap *bootstrap, int prompt, int column, double value)
{
	int			group = prompt % bootstrap->ngroups;

	bootstrap->sums[(size_t) group * bootstrap->ncolumns + column] += value;
}

#endif							/* MR_BOOTSTRAP_H */

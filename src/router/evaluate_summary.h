/*
 * evaluate_summary.h
 *	  What the files of an evaluation share: where each column and each
 *	  statistic stands.
 */
#ifndef MR_EVALUATE_SUMMARY_H
#define MR_EVALUATE_SUMMARY_H

#include "postgres.h"

#include "miscadmin.h"

#include "router/bootstrap.h"
#include "router/metrics.h"
#include "router/policy.h"

/* Four moments, then count and sum of scores for each bin. */
#define MR_CALIBRATION_COLUMNS	(4 + 2 * MR_EVALUATION_BINS)

typedef struct MrSummary
{
	MrEvaluation *evaluation;
	MrPolicyBasis *basis;

	/* columns */
	int			oracle_column;
	int			calibration_column;
	int			category_column;
	int			ncolumns;

	/* statistics; those of the rows come first, quality and cost by turns */
	int			bin_statistic;
	int			category_statistic;
	int			metric_statistic;
	int			nstatistics;

	/* working memory */
	MrPairOrder *pair;			/* NULL unless there are two models */
	MrPairOrder *pair_oracle;
	int		   *counts;			/* by prompt */
	int			ngroups;
	MrPoint    *router;
	MrPoint    *single;
	MrPoint		oracle[MR_METRICS_ORACLE_POINTS];
} MrSummary;

extern void mr_calibration_fill(MrSummary *summary, MrBootstrap *bootstrap);

extern void mr_summary_prepare(MrSummary *summary,
							   const MrBootstrap *bootstrap);
extern void mr_summary_statistics(const double *means, const int *counts,
								  void *argument, double *statistics);
extern void mr_summary_fill_metrics(MrSummary *summary,
									const MrBootstrap *bootstrap);

#endif							/* MR_EVALUATE_SUMMARY_H */

/*
 * metrics.h
 *	  How good a router is, in the numbers that the field compares: APGR and
 *	  CPT for a pair of models, AIQ and cost saved for any number.
 *
 * Sources: RouteLLM (Ong et al. 2024, arXiv:2406.18665) for APGR and CPT, as
 * its evaluate.py computes them; RouterBench (Hu et al. 2024,
 * arXiv:2403.12031) for AIQ, the non-decreasing convex hull and the zero
 * router.  Shares, CPT and what is saved are percentages; a number that is not
 * defined is NaN.  Nothing here raises.
 */
#ifndef MR_METRICS_H
#define MR_METRICS_H

#include "postgres.h"

#include "router/outcomes.h"

/* Bins of RouteLLM's curve. */
#define MR_METRICS_BINS		10

/* Operating points of the oracle's curve. */
#define MR_METRICS_ORACLE_POINTS	62

/* A point of a curve: cost or share of strong calls, and quality. */
typedef struct MrPoint
{
	double		x;
	double		y;
} MrPoint;

/* Prompts of a pair of models in the order of the router's score. */
typedef struct MrPairOrder
{
	int			n;
	int		   *prompt;			/* which prompt stands here */
	double	   *router;			/* ascending; higher = to the strong model */
	double	   *weak;			/* scores of the two models */
	double	   *strong;
} MrPairOrder;

typedef struct MrPairMetrics
{
	double		weak;			/* mean scores */
	double		strong;
	double		apgr;			/* as RouteLLM: on bins by quantile */
	double		cpt20;
	double		cpt50;
	double		cpt80;
	double		apgr_exact;		/* every cut-off, ties averaged */
	double		cpt20_exact;
	double		cpt50_exact;
	double		cpt80_exact;
	double		share_at_parity;	/* least strong share as good as all
									 * strong */
	double		share_at_95;	/* the same for 95 % of that quality */
	double		peak_quality;
	double		peak_share;		/* strong share at the peak */
} MrPairMetrics;

/* Mean cost and quality of policies over the same prompts. */
typedef struct MrManyPoints
{
	const MrPoint *router;		/* its operating points */
	int			nrouter;
	const MrPoint *single;		/* each model alone */
	int			nsingle;
	const MrPoint *oracle;		/* see mr_metrics_oracle_pick */
	int			noracle;
	int			best;			/* the best of single */
} MrManyPoints;

typedef struct MrManyMetrics
{
	double		aiq;
	double		aiq_single;		/* the zero router: single models, mixed */
	double		aiq_with_single;	/* router and single models together */
	double		aiq_random;		/* a model drawn at random */
	double		aiq_oracle;
	double		aiq_gap_closed; /* 0 = as single models, 1 = as the oracle */
	double		saved_at_95;	/* at this % of the best single's quality, */
	double		saved_at_99;	/* of the best single's cost */
	double		saved_at_100;
	double		single_saved_at_95; /* the same with single models, mixed */
	double		single_saved_at_99;
	double		single_saved_at_100;
} MrManyMetrics;

extern MrPairOrder *mr_metrics_order_pair(const double *router,
										  const double *weak,
										  const double *strong, int n);
extern void mr_metrics_pair(const MrPairOrder *order, const int *counts,
							int bins, MrPairMetrics *metrics);
extern void mr_metrics_many(const MrManyPoints *points,
							MrManyMetrics *metrics);

extern int	mr_metrics_hull(const MrPoint *points, int n, MrPoint *hull);
extern double mr_metrics_aiq(const MrPoint *points, int n, double least_cost,
							 double most_cost);
extern double mr_metrics_cost_at(const MrPoint *points, int n,
								 double quality);
extern double mr_metrics_quantile(const double *sorted, int n,
								  double quantile);
extern double mr_metrics_gap_closed(double quality, double best,
									double oracle);
extern double mr_metrics_oracle_weight(int point);
extern int	mr_metrics_oracle_pick(const double *score, const double *cost,
								   int nmodels, double weight,
								   double most_cost);

#endif							/* MR_METRICS_H */

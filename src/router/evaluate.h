/*
 * evaluate.h
 *	  What a router is worth on prompts whose outcome is known: the operating
 *	  points of its policies beside those it must beat, and a summary.
 *
 * Every policy names one model for each prompt; its quality and cost are means
 * over the prompts.  Intervals come from resampling the prompts, with every
 * policy left as it is.  A number that is not defined, or not known, is NaN.
 */
#ifndef MR_EVALUATE_H
#define MR_EVALUATE_H

#include "postgres.h"

#include "router/outcomes.h"

/* Steps of a sweep over thresholds or over prices of quality. */
#define MR_EVALUATION_STEPS		20

/* The router's, then random, best single, cheapest, oracle, each model. */
#define MR_EVALUATION_OTHER_ROWS (MR_EVALUATION_STEPS + 6)
#define MR_EVALUATION_MAX_ROWS	\
	(MR_EVALUATION_OTHER_ROWS + MR_OUTCOMES_MAX_MODELS)

#define MR_EVALUATION_MAX_RESAMPLES 10000

/* Bins of the calibration. */
#define MR_EVALUATION_BINS		10

typedef enum MrPolicy
{
	MR_POLICY_ROUTER = 0,
	MR_POLICY_RANDOM,			/* each model with equal probability */
	MR_POLICY_SINGLE,			/* always the same model */
	MR_POLICY_BEST_SINGLE,		/* the one with the highest mean score */
	MR_POLICY_CHEAPEST,			/* the one with the lowest mean cost */
	MR_POLICY_ORACLE			/* the best score; of equal ones the cheaper */
} MrPolicy;

/* Where the cost of a policy comes from. */
typedef enum MrCostSource
{
	MR_COST_SOURCE_NONE = 0,
	MR_COST_SOURCE_EVALS,		/* what the calls cost */
	MR_COST_SOURCE_EXPECTED		/* what the router expects them to cost */
} MrCostSource;

typedef struct MrEvaluateOptions
{
	uint64		seed;			/* of the resampling */
	int			resamples;		/* 0 = no intervals */
	double		level;			/* of the intervals, as 0.95 */
} MrEvaluateOptions;

#define MR_EVALUATE_DEFAULTS {.seed = 0, .resamples = 200, .level = 0.95}

typedef struct MrInterval
{
	double		value;
	double		low;
	double		high;
} MrInterval;

/* An operating point. */
typedef struct MrEvaluationRow
{
	MrPolicy	policy;
	const char *point;			/* as "lambda=12", or a model's name */
	double		setting;		/* threshold or lambda; NaN = neither */
	int			model;			/* the one it always names; -1 = none */
	MrInterval	quality;
	MrInterval	cost_usd;		/* per prompt */
	double		expected_quality;	/* what the router expected */
	double	   *share;			/* of prompts, by model; sums to 1 */
} MrEvaluationRow;

/* A line of the summary. */
typedef struct MrEvaluationMetric
{
	const char *name;
	const char *meaning;		/* in a few words, with the unit */
	MrInterval	interval;		/* low and high may be NaN */
} MrEvaluationMetric;

/* Cells (prompt x model) of about the same expected quality. */
typedef struct MrCalibrationBin
{
	int64		count;
	double		expected;
	MrInterval	quality;
} MrCalibrationBin;

typedef struct MrCategoryRow
{
	MrCategory	category;
	int			nprompts;
	double		router;			/* mean scores, the router at its first row */
	double		best_single;
	double		oracle;
	MrInterval	gain;			/* router less best_single */
} MrCategoryRow;

typedef struct MrEvaluation
{
	MrEvaluateOptions options;
	MrCostSource cost_source;
	int			best_single;	/* models */
	int			cheapest;		/* -1 = costs are not known */
	int			strong;			/* of a pair, else -1 */
	int			weak;
	int			nsweep;			/* the router's rows come first; the very */
	MrEvaluationRow *rows;		/* first is for quality, whatever it costs */
	int			nrows;
	MrEvaluationMetric *metrics;
	int			nmetrics;
	MrCalibrationBin bins[MR_EVALUATION_BINS];
	int			nbins;
	MrCategoryRow categories[MR_CATEGORIES];
	int			ncategories;
} MrEvaluation;

extern MrEvaluation *mr_evaluate(const MrOutcomes *outcomes,
								 const MrEvaluateOptions *options);
extern const MrEvaluationRow *mr_evaluation_row(const MrEvaluation *evaluation,
												MrPolicy policy);
extern const MrInterval *mr_evaluation_metric(const MrEvaluation *evaluation,
											  const char *name);
extern const char *mr_policy_name(MrPolicy policy);

#endif							/* MR_EVALUATE_H */

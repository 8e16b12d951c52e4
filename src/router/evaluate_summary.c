/*
 * evaluate_summary.c
 *	  The statistics of an evaluation as functions of its columns' means, and
 *	  the table of the summary.
 */
#include "postgres.h"

#include <math.h>

#include "router/evaluate_summary.h"

/* The lines of the summary, in their order. */
typedef enum Metric
{
	QUALITY_GAIN = 0,
	QUALITY_GAP_CLOSED,
	APGR,
	CPT50,
	CPT80,
	APGR_EXACT,
	CPT50_EXACT,
	CPT80_EXACT,
	APGR_ORACLE,
	AIQ,
	AIQ_GAIN,
	AIQ_SINGLE,
	AIQ_RANDOM,
	AIQ_ORACLE,
	AIQ_GAP_CLOSED,
	COST_SAVED_95,
	COST_SAVED_99,
	COST_SAVED_100,
	SINGLE_SAVED_95,
	SINGLE_SAVED_99,
	SINGLE_SAVED_100,
	CALIBRATION_SLOPE,
	CALIBRATION_ERROR
} Metric;

#define METRICS (CALIBRATION_ERROR + 1)

typedef struct MetricRow
{
	const char *name;
	const char *meaning;
	bool		of_pair;		/* needs two models */
	bool		of_cost;		/* needs costs, and a choice */
	bool		nan_is_high;	/* not reached is worst, and that is high */
	bool		no_interval;	/* resampling would shift it */
} MetricRow;

static const MetricRow metric_table[METRICS] = {
	[QUALITY_GAIN] = {"quality_gain",
	"mean score of the router at objective quality, less that of the best single model"},
	[QUALITY_GAP_CLOSED] = {"quality_gap_closed",
	"that gain as a share of what the oracle gains"},
	[APGR] = {"apgr",
		"gap between weak and strong model recovered, averaged over all strong shares; 0.5 = random. As RouteLLM: 10 thresholds by quantile",
	.of_pair = true},
	[CPT50] = {"cpt50",
		"% of strong calls that recover 50 % of the gap; as RouteLLM",
	.of_pair = true, .nan_is_high = true},
	[CPT80] = {"cpt80",
		"% of strong calls that recover 80 % of the gap; as RouteLLM",
	.of_pair = true, .nan_is_high = true},
	[APGR_EXACT] = {"apgr_exact",
	"apgr with every threshold", .of_pair = true},
	[CPT50_EXACT] = {"cpt50_exact",
		"cpt50 with every threshold",
	.of_pair = true, .nan_is_high = true},
	[CPT80_EXACT] = {"cpt80_exact",
		"cpt80 with every threshold",
	.of_pair = true, .nan_is_high = true},
	[APGR_ORACLE] = {"apgr_oracle",
	"apgr_exact of an oracle that knows the scores", .of_pair = true},
	[AIQ] = {"aiq",
		"mean quality over the range of costs, on the router's hull (RouterBench)",
	.of_cost = true},
	[AIQ_GAIN] = {"aiq_gain", "aiq less aiq_single", .of_cost = true},
	[AIQ_SINGLE] = {"aiq_single",
		"aiq of the single models, mixed at random where that is better",
	.of_cost = true},
	[AIQ_RANDOM] = {"aiq_random",
	"aiq of a model drawn at random for each prompt", .of_cost = true},
	[AIQ_ORACLE] = {"aiq_oracle",
	"aiq of an oracle that knows scores and costs", .of_cost = true},
	[AIQ_GAP_CLOSED] = {"aiq_gap_closed",
		"aiq_gain as a share of what the oracle gains",
	.of_cost = true},
	[COST_SAVED_95] = {"cost_saved_at_95",
		"% of the best single model's cost saved at 95 % of its quality",
	.of_cost = true},
	[COST_SAVED_99] = {"cost_saved_at_99",
		"% of that cost saved at 99 % of its quality",
	.of_cost = true},
	[COST_SAVED_100] = {"cost_saved_at_100",
	"% of that cost saved at its full quality", .of_cost = true},
	[SINGLE_SAVED_95] = {"single_saved_at_95",
		"cost_saved_at_95 of single models, mixed at random",
	.of_cost = true},
	[SINGLE_SAVED_99] = {"single_saved_at_99",
		"cost_saved_at_99 of single models, mixed at random",
	.of_cost = true},
	[SINGLE_SAVED_100] = {"single_saved_at_100",
		"cost_saved_at_100 of single models, mixed at random",
	.of_cost = true},
	[CALIBRATION_SLOPE] = {"calibration_slope",
	"rise of the mean score for each unit of expected quality; 1 = as expected"},
	[CALIBRATION_ERROR] = {"calibration_error",
		"mean distance between expected quality and mean score over bins",
	.no_interval = true}
};

static void prepare_pair(MrSummary *summary);
static void fill_bins(const MrSummary *summary, const double *means,
					  double *statistics);
static void fill_category_gains(const MrSummary *summary,
								const double *means, double *statistics);
static void fill_gains(const MrSummary *summary, const double *means,
					   double *metrics);
static void fill_pair(MrSummary *summary, const int *counts, double *metrics);
static void fill_many(MrSummary *summary, const double *means,
					  double *metrics);
static void fill_calibration(const MrSummary *summary, const double *means,
							 double *metrics);
static int	row_of(const MrSummary *summary, MrPolicy policy);
static int	add_gain_p(MrEvaluationMetric *metric,
					   const MrBootstrap *bootstrap, int statistic);
static bool applies(const MrSummary *summary, const MetricRow *row);

/*
 * Lays out the statistics; the columns must be filled.
 */
void
mr_summary_prepare(MrSummary *summary, const MrBootstrap *bootstrap)
{
	const MrEvaluation *evaluation = summary->evaluation;

	summary->bin_statistic = 2 * evaluation->nrows;
	summary->category_statistic = summary->bin_statistic + MR_EVALUATION_BINS;
	summary->metric_statistic = summary->category_statistic + MR_CATEGORIES;
	summary->nstatistics = summary->metric_statistic + METRICS;
	summary->ngroups = bootstrap->ngroups;
	summary->router = palloc(sizeof(MrPoint) * evaluation->nsweep);
	summary->single = palloc(sizeof(MrPoint) *
							 summary->basis->outcomes->nmodels);
	if (summary->basis->strong >= 0)
		prepare_pair(summary);
}

static void
prepare_pair(MrSummary *summary)
{
	const MrPolicyBasis *basis = summary->basis;
	int			n = basis->outcomes->nprompts;
	double	   *weak = palloc(sizeof(double) * n);
	double	   *strong = palloc(sizeof(double) * n);
	double	   *gain = palloc(sizeof(double) * n);

	for (int i = 0; i < n; i++)
	{
		const double *score = basis->outcomes->score +
			mr_outcomes_cell(basis->outcomes, i, 0);

		weak[i] = score[basis->weak];
		strong[i] = score[basis->strong];
		gain[i] = strong[i] - weak[i];
	}
	summary->pair = mr_metrics_order_pair(basis->strong_score, weak, strong,
										  n);
	summary->pair_oracle = mr_metrics_order_pair(gain, weak, strong, n);
	summary->counts = palloc(sizeof(int) * n);
	pfree(gain);
	pfree(strong);
	pfree(weak);
}

/*
 * Everything that has an interval, from the means of the columns: the rows'
 * quality and cost, the bins, the categories, the metrics.
 */
void
mr_summary_statistics(const double *means, const int *counts, void *argument,
					  double *statistics)
{
	MrSummary  *summary = argument;
	int			nrows = summary->evaluation->nrows;
	double	   *metrics = statistics + summary->metric_statistic;

	for (int i = 0; i < summary->nstatistics; i++)
		statistics[i] = NAN;
	for (int k = 0; k < nrows; k++)
	{
		statistics[2 * k] = means[2 * k];
		if (summary->basis->cost_usd != NULL)
			statistics[2 * k + 1] = means[2 * k + 1];
	}
	fill_bins(summary, means, statistics + summary->bin_statistic);
	fill_category_gains(summary, means,
						statistics + summary->category_statistic);
	fill_gains(summary, means, metrics);
	if (summary->pair != NULL)
		fill_pair(summary, counts, metrics);
	if (summary->basis->cost_usd != NULL)
		fill_many(summary, means, metrics);
	fill_calibration(summary, means, metrics);
}

static void
fill_bins(const MrSummary *summary, const double *means, double *statistics)
{
	const double *bins = means + summary->calibration_column + 4;

	for (int k = 0; k < summary->evaluation->nbins; k++)
		if (bins[2 * k] > 0)
			statistics[k] = bins[2 * k + 1] / bins[2 * k];
}

static void
fill_category_gains(const MrSummary *summary, const double *means,
					double *statistics)
{
	const double *categories = means + summary->category_column;

	for (int k = 0; k < MR_CATEGORIES; k++)
		if (categories[2 * k] > 0)
			statistics[k] = categories[2 * k + 1] / categories[2 * k];
}

static void
fill_gains(const MrSummary *summary, const double *means, double *metrics)
{
	double		router = means[0];
	double		best = means[2 * row_of(summary, MR_POLICY_BEST_SINGLE)];
	double		oracle = means[2 * row_of(summary, MR_POLICY_ORACLE)];

	metrics[QUALITY_GAIN] = router - best;
	metrics[QUALITY_GAP_CLOSED] = mr_metrics_gap_closed(router, best, oracle);
}

static void
fill_pair(MrSummary *summary, const int *counts, double *metrics)
{
	MrPairMetrics pair;
	MrPairMetrics oracle;

	for (int i = 0; i < summary->pair->n; i++)
		summary->counts[i] = counts[i % summary->ngroups];
	mr_metrics_pair(summary->pair, summary->counts, MR_METRICS_BINS, &pair);
	mr_metrics_pair(summary->pair_oracle, summary->counts, MR_METRICS_BINS,
					&oracle);
	metrics[APGR] = pair.apgr;
	metrics[CPT50] = pair.cpt50;
	metrics[CPT80] = pair.cpt80;
	metrics[APGR_EXACT] = pair.apgr_exact;
	metrics[CPT50_EXACT] = pair.cpt50_exact;
	metrics[CPT80_EXACT] = pair.cpt80_exact;
	metrics[APGR_ORACLE] = oracle.apgr_exact;
}

static void
fill_many(MrSummary *summary, const double *means, double *metrics)
{
	const MrEvaluation *evaluation = summary->evaluation;
	int			first = row_of(summary, MR_POLICY_SINGLE);
	int			nmodels = summary->basis->outcomes->nmodels;
	const double *oracle = means + summary->oracle_column;
	MrManyPoints points = {summary->router, evaluation->nsweep,
		summary->single, nmodels, summary->oracle, MR_METRICS_ORACLE_POINTS,
	evaluation->best_single};
	MrManyMetrics many;

	for (int k = 0; k < evaluation->nsweep; k++)
		summary->router[k] = (MrPoint)
	{
		means[2 * k + 1], means[2 * k]
	};
	for (int m = 0; m < nmodels; m++)
		summary->single[m] = (MrPoint)
	{
		means[2 * (first + m) + 1],
			means[2 * (first + m)]
	};
	for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
		summary->oracle[k] = (MrPoint)
	{
		oracle[2 * k + 1], oracle[2 * k]
	};
	mr_metrics_many(&points, &many);
	metrics[AIQ] = many.aiq;
	metrics[AIQ_GAIN] = many.aiq - many.aiq_single;
	metrics[AIQ_SINGLE] = many.aiq_single;
	metrics[AIQ_RANDOM] = many.aiq_random;
	metrics[AIQ_ORACLE] = many.aiq_oracle;
	metrics[AIQ_GAP_CLOSED] = many.aiq_gap_closed;
	metrics[COST_SAVED_95] = many.saved_at_95;
	metrics[COST_SAVED_99] = many.saved_at_99;
	metrics[COST_SAVED_100] = many.saved_at_100;
	metrics[SINGLE_SAVED_95] = many.single_saved_at_95;
	metrics[SINGLE_SAVED_99] = many.single_saved_at_99;
	metrics[SINGLE_SAVED_100] = many.single_saved_at_100;
}

/*
 * The slope is that of scores over expected qualities by least squares, over
 * all cells.
 */
static void
fill_calibration(const MrSummary *summary, const double *means,
				 double *metrics)
{
	const MrEvaluation *evaluation = summary->evaluation;
	const double *moments = means + summary->calibration_column;
	const double *bins = moments + 4;
	double		cells = 0;
	double		error = 0;
	double		variance;

	for (int k = 0; k < evaluation->nbins; k++)
	{
		cells += bins[2 * k];
		error += fabs(bins[2 * k + 1] -
					  bins[2 * k] * evaluation->bins[k].expected);
	}
	if (cells == 0)
		return;
	variance = moments[2] - moments[0] * moments[0] / cells;
	if (variance > 1e-9 * cells)
		metrics[CALIBRATION_SLOPE] =
			(moments[3] - moments[0] * moments[1] / cells) / variance;
	metrics[CALIBRATION_ERROR] = error / cells;
}

static int
row_of(const MrSummary *summary, MrPolicy policy)
{
	return mr_evaluation_row(summary->evaluation, policy) -
		summary->evaluation->rows;
}

/* ----------
 * The table
 * ----------
 */

/*
 * The summary of an evaluation whose statistics are computed.
 */
void
mr_summary_fill_metrics(MrSummary *summary, const MrBootstrap *bootstrap)
{
	MrEvaluation *evaluation = summary->evaluation;
	int			n = 0;

	evaluation->metrics = palloc(sizeof(MrEvaluationMetric) * (METRICS + 1));
	for (int k = 0; k < METRICS; k++)
	{
		const MetricRow *row = &metric_table[k];
		int			statistic = summary->metric_statistic + k;
		MrEvaluationMetric *metric = &evaluation->metrics[n];

		if (!applies(summary, row))
			continue;
		metric->name = row->name;
		metric->meaning = row->meaning;
		metric->interval = mr_bootstrap_interval(bootstrap, statistic,
												 row->nan_is_high);
		if (row->no_interval)
			metric->interval.low = metric->interval.high = NAN;
		n++;
		if (k == QUALITY_GAIN)
			n += add_gain_p(&evaluation->metrics[n], bootstrap, statistic);
	}
	evaluation->nmetrics = n;
}

static int
add_gain_p(MrEvaluationMetric *metric, const MrBootstrap *bootstrap,
		   int statistic)
{
	metric->name = "quality_gain_p";
	metric->meaning = "share of resamplings in which the router gains nothing";
	metric->interval.value = mr_bootstrap_share_not_above(bootstrap, statistic,
														  0);
	metric->interval.low = metric->interval.high = NAN;
	return 1;
}

static bool
applies(const MrSummary *summary, const MetricRow *row)
{
	return (!row->of_pair || summary->pair != NULL) &&
		(!row->of_cost || (summary->basis->cost_usd != NULL &&
						   summary->basis->outcomes->nmodels > 1));
}

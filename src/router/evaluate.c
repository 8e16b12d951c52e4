/*
 * evaluate.c
 *	  From outcomes to the rows and the summary of an evaluation.
 *
 * Everything is a mean of a column over prompts or a function of such means:
 * each policy's quality and cost, the oracle's curve, the moments and bins of
 * the calibration, the categories.  evaluate_summary.c has the functions; the
 * resampling computes them all again.
 */
#include "postgres.h"

#include <math.h>

#include "router/evaluate_summary.h"

static void layout_columns(MrSummary *summary);
static void fill_row_columns(MrSummary *summary, MrBootstrap *bootstrap);
static void add_picks(MrSummary *summary, MrBootstrap *bootstrap, int row,
					  const int *picks);
static void add_random(MrSummary *summary, MrBootstrap *bootstrap, int row);
static void fill_oracle_columns(MrSummary *summary, MrBootstrap *bootstrap);
static void fill_categories(MrSummary *summary, MrBootstrap *bootstrap,
							const int *router_picks);
static void finish_categories(MrEvaluation *evaluation);
static void fill_intervals(MrSummary *summary, const MrBootstrap *bootstrap);

/*
 * In the current memory context; it points into the outcomes.  Needs at least
 * one model.  Without prompts there are no rows.
 */
MrEvaluation *
mr_evaluate(const MrOutcomes *outcomes, const MrEvaluateOptions *options)
{
	MrEvaluation *evaluation = palloc0(sizeof(MrEvaluation));
	MrSummary	summary = {.evaluation = evaluation};
	MrBootstrap *bootstrap;

	evaluation->options = *options;
	evaluation->cheapest = evaluation->strong = evaluation->weak = -1;
	if (outcomes->nprompts == 0)
		return evaluation;
	summary.basis = mr_policy_basis(outcomes);
	evaluation->cost_source = summary.basis->cost_source;
	evaluation->best_single = summary.basis->best_single;
	evaluation->cheapest = summary.basis->cheapest;
	evaluation->strong = summary.basis->strong;
	evaluation->weak = summary.basis->weak;
	evaluation->rows = palloc(sizeof(MrEvaluationRow) *
							  (MR_EVALUATION_OTHER_ROWS + outcomes->nmodels));
	evaluation->nrows = mr_policy_fill_rows(summary.basis, evaluation->rows,
											&evaluation->nsweep);

	layout_columns(&summary);
	bootstrap = mr_bootstrap_create(outcomes->nprompts, summary.ncolumns,
									options);
	fill_row_columns(&summary, bootstrap);
	fill_oracle_columns(&summary, bootstrap);
	mr_calibration_fill(&summary, bootstrap);
	mr_summary_prepare(&summary, bootstrap);
	mr_bootstrap_run(bootstrap, summary.nstatistics, mr_summary_statistics,
					 &summary);
	fill_intervals(&summary, bootstrap);
	mr_summary_fill_metrics(&summary, bootstrap);
	return evaluation;
}

const char *
mr_policy_name(MrPolicy policy)
{
	static const char *const names[] = {
		[MR_POLICY_ROUTER] = "router",
		[MR_POLICY_RANDOM] = "random",
		[MR_POLICY_SINGLE] = "single",
		[MR_POLICY_BEST_SINGLE] = "best_single",
		[MR_POLICY_CHEAPEST] = "cheapest",
		[MR_POLICY_ORACLE] = "oracle"
	};

	return names[policy];
}

/*
 * The first row of a policy, or NULL.
 */
const MrEvaluationRow *
mr_evaluation_row(const MrEvaluation *evaluation, MrPolicy policy)
{
	for (int i = 0; i < evaluation->nrows; i++)
		if (evaluation->rows[i].policy == policy)
			return &evaluation->rows[i];
	return NULL;
}

/*
 * A line of the summary, or NULL when it does not apply.
 */
const MrInterval *
mr_evaluation_metric(const MrEvaluation *evaluation, const char *name)
{
	for (int i = 0; i < evaluation->nmetrics; i++)
		if (strcmp(evaluation->metrics[i].name, name) == 0)
			return &evaluation->metrics[i].interval;
	return NULL;
}

/* ----------
 * The columns
 * ----------
 */

/*
 * Quality and cost of each row, then of the oracle's points, then the
 * calibration's, then two for each category.
 */
static void
layout_columns(MrSummary *summary)
{
	int			n = 2 * summary->evaluation->nrows;

	summary->oracle_column = n;
	if (summary->basis->cost_usd != NULL)
		n += 2 * MR_METRICS_ORACLE_POINTS;
	summary->calibration_column = n;
	n += MR_CALIBRATION_COLUMNS;
	summary->category_column = n;
	n += 2 * MR_CATEGORIES;
	summary->ncolumns = n;
}

static void
fill_row_columns(MrSummary *summary, MrBootstrap *bootstrap)
{
	MrEvaluation *evaluation = summary->evaluation;
	const MrOutcomes *outcomes = summary->basis->outcomes;
	int		   *picks = palloc_extended(sizeof(int) * outcomes->nprompts,
										MCXT_ALLOC_HUGE);

	for (int k = 0; k < evaluation->nrows; k++)
	{
		MrEvaluationRow *row = &evaluation->rows[k];

		row->share = palloc0(sizeof(double) * outcomes->nmodels);
		row->expected_quality = 0;
		if (row->policy == MR_POLICY_RANDOM)
			add_random(summary, bootstrap, k);
		else
		{
			mr_policy_pick(summary->basis, row, picks);
			add_picks(summary, bootstrap, k, picks);
		}
		if (k == 0)
			fill_categories(summary, bootstrap, picks);
	}
	pfree(picks);
}

static void
add_picks(MrSummary *summary, MrBootstrap *bootstrap, int row,
		  const int *picks)
{
	const MrPolicyBasis *basis = summary->basis;
	const MrOutcomes *outcomes = basis->outcomes;
	MrEvaluationRow *at = &summary->evaluation->rows[row];

	for (int i = 0; i < outcomes->nprompts; i++)
	{
		size_t		cell = mr_outcomes_cell(outcomes, i, picks[i]);

		mr_bootstrap_add(bootstrap, i, 2 * row, outcomes->score[cell]);
		if (basis->cost_usd != NULL)
			mr_bootstrap_add(bootstrap, i, 2 * row + 1, basis->cost_usd[cell]);
		at->expected_quality += mr_policy_expected_quality(basis, i, picks[i]);
		at->share[picks[i]]++;
	}
	at->expected_quality /= outcomes->nprompts;
	for (int m = 0; m < outcomes->nmodels; m++)
		at->share[m] /= outcomes->nprompts;
}

static void
add_random(MrSummary *summary, MrBootstrap *bootstrap, int row)
{
	const MrPolicyBasis *basis = summary->basis;
	const MrOutcomes *outcomes = basis->outcomes;
	MrEvaluationRow *at = &summary->evaluation->rows[row];
	double		each = 1.0 / outcomes->nmodels;

	for (int i = 0; i < outcomes->nprompts; i++)
	{
		for (int m = 0; m < outcomes->nmodels; m++)
		{
			size_t		cell = mr_outcomes_cell(outcomes, i, m);

			mr_bootstrap_add(bootstrap, i, 2 * row,
							 outcomes->score[cell] * each);
			if (basis->cost_usd != NULL)
				mr_bootstrap_add(bootstrap, i, 2 * row + 1,
								 basis->cost_usd[cell] * each);
			at->expected_quality +=
				mr_policy_expected_quality(basis, i, m) * each;
		}
	}
	at->expected_quality /= outcomes->nprompts;
	for (int m = 0; m < outcomes->nmodels; m++)
		at->share[m] = each;
}

/*
 * The curve of an oracle that weighs cost, by mr_metrics_oracle_pick.
 */
static void
fill_oracle_columns(MrSummary *summary, MrBootstrap *bootstrap)
{
	const MrPolicyBasis *basis = summary->basis;
	const MrOutcomes *outcomes = basis->outcomes;
	double		most = 0;

	if (basis->cost_usd == NULL)
		return;
	for (int m = 0; m < outcomes->nmodels; m++)
		most = Max(most, basis->model_usd[m]);
	for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
	{
		double		weight = most > 0 ? mr_metrics_oracle_weight(k) : 0;
		int			column = summary->oracle_column + 2 * k;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < outcomes->nprompts; i++)
		{
			size_t		cell = mr_outcomes_cell(outcomes, i, 0);

			cell += mr_metrics_oracle_pick(outcomes->score + cell,
										   basis->cost_usd + cell,
										   outcomes->nmodels, weight, most);
			mr_bootstrap_add(bootstrap, i, column, outcomes->score[cell]);
			mr_bootstrap_add(bootstrap, i, column + 1, basis->cost_usd[cell]);
		}
	}
}

/* ----------
 * Categories
 * ----------
 */

static void
fill_categories(MrSummary *summary, MrBootstrap *bootstrap,
				const int *router_picks)
{
	const MrPolicyBasis *basis = summary->basis;
	const MrOutcomes *outcomes = basis->outcomes;
	MrCategoryRow *rows = summary->evaluation->categories;

	for (int i = 0; i < outcomes->nprompts; i++)
	{
		const double *score = outcomes->score +
			mr_outcomes_cell(outcomes, i, 0);
		int			category = outcomes->category[i];
		int			column = summary->category_column + 2 * category;
		double		router = score[router_picks[i]];
		double		best = score[basis->best_single];

		rows[category].nprompts++;
		rows[category].router += router;
		rows[category].best_single += best;
		rows[category].oracle += score[mr_metrics_oracle_pick(score, NULL,
															  outcomes->nmodels,
															  0, 0)];
		mr_bootstrap_add(bootstrap, i, column, 1);
		mr_bootstrap_add(bootstrap, i, column + 1, router - best);
	}
	summary->evaluation->ncategories = MR_CATEGORIES;
}

/*
 * From sums to means, and those without prompts out.  One of so few that
 * resamplings missed them has no interval.
 */
static void
finish_categories(MrEvaluation *evaluation)
{
	MrCategoryRow *rows = evaluation->categories;
	int			n = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (rows[i].nprompts == 0)
			continue;
		rows[i].category = i;
		if (isnan(rows[i].gain.low) || isnan(rows[i].gain.high))
			rows[i].gain.low = rows[i].gain.high = NAN;
		rows[i].router /= rows[i].nprompts;
		rows[i].best_single /= rows[i].nprompts;
		rows[i].oracle /= rows[i].nprompts;
		rows[n++] = rows[i];
	}
	evaluation->ncategories = n;
}

/* ----------
 * The intervals
 * ----------
 */

static void
fill_intervals(MrSummary *summary, const MrBootstrap *bootstrap)
{
	MrEvaluation *evaluation = summary->evaluation;

	for (int k = 0; k < evaluation->nrows; k++)
	{
		MrEvaluationRow *row = &evaluation->rows[k];

		row->quality = mr_bootstrap_interval(bootstrap, 2 * k, true);
		row->cost_usd = mr_bootstrap_interval(bootstrap, 2 * k + 1, true);
	}
	for (int k = 0; k < evaluation->nbins; k++)
		evaluation->bins[k].quality =
			mr_bootstrap_interval(bootstrap, summary->bin_statistic + k, true);
	for (int k = 0; k < MR_CATEGORIES; k++)
		evaluation->categories[k].gain =
			mr_bootstrap_interval(bootstrap, summary->category_statistic + k,
								  true);
	finish_categories(evaluation);
}

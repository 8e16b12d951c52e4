/*
 * evaluate_test.c
 *	  Tests of router/evaluate: the rows stand where they should, the summary
 *	  agrees with the metrics, intervals are as wide as theory has them.
 *
 * Sources: router/evaluate.c router/evaluate_summary.c router/calibration.c
 * Sources: router/policy.c router/bootstrap.c
 * Sources: router/metrics.c router/metrics_pair.c
 */
#include "postgres.h"

#include <math.h>

#include "check.h"
#include "router/evaluate.h"
#include "router/metrics.h"
#include "shim.h"

#define TOLERANCE 1e-9

static const MrEvaluateOptions options = MR_EVALUATE_DEFAULTS;
static const char *const names[] = {"small", "middle", "large", "huge"};

static void test_many(void);
static void test_lambda(void);
static void test_pair(void);
static void test_pair_metrics(void);
static void test_expected_costs(void);
static void test_unknown_quality(void);
static void test_guard(void);
static void test_edges(void);
static void test_intervals(void);
static void test_seed(void);
static void test_calibration(void);
static void test_categories(void);
static MrOutcomes make_outcomes(int nprompts, int nmodels);
static double random_number(uint64 *state);
static void check_rows(const MrOutcomes *outcomes,
					   const MrEvaluation *evaluation, const char *name);
static double metric(const MrEvaluation *evaluation, const char *name);

int
main(void)
{
	test_many();
	test_lambda();
	test_pair();
	test_pair_metrics();
	test_expected_costs();
	test_unknown_quality();
	test_guard();
	test_edges();
	test_intervals();
	test_seed();
	test_calibration();
	test_categories();
	shim_reset();
	return check_done();
}

static void
test_many(void)
{
	MrOutcomes	outcomes = make_outcomes(300, 4);
	MrEvaluation *evaluation = mr_evaluate(&outcomes, &options);
	const MrEvaluationRow *best;
	const MrEvaluationRow *oracle;

	check_rows(&outcomes, evaluation, "four models");
	check_int(evaluation->nsweep, 1 + MR_EVALUATION_STEPS,
			  "the router has its operating points");
	check_int(evaluation->nrows, evaluation->nsweep + 4 + 4,
			  "beside random, best, cheapest, oracle and each model");
	best = mr_evaluation_row(evaluation, MR_POLICY_BEST_SINGLE);
	oracle = mr_evaluation_row(evaluation, MR_POLICY_ORACLE);
	check_text(best->point, "huge", "the best model");
	check_text(mr_evaluation_row(evaluation, MR_POLICY_CHEAPEST)->point,
			   "small", "the cheapest model");
	check(oracle->quality.value > best->quality.value, "the oracle is better");
	check_double(metric(evaluation, "quality_gain"),
				 evaluation->rows[0].quality.value - best->quality.value,
				 TOLERANCE, "gain in quality");
	check_double(metric(evaluation, "aiq_gain"),
				 metric(evaluation, "aiq") - metric(evaluation, "aiq_single"),
				 TOLERANCE, "gain in AIQ");
	check(mr_evaluation_metric(evaluation, "apgr") == NULL,
		  "APGR is for two models");

	/* a router that knows the scores is the oracle */
	outcomes.quality = outcomes.score;
	evaluation = mr_evaluate(&outcomes, &options);
	oracle = mr_evaluation_row(evaluation, MR_POLICY_ORACLE);
	check_double(evaluation->rows[0].quality.value, oracle->quality.value,
				 TOLERANCE, "a router that knows the scores is the oracle");
	check_double(evaluation->rows[0].expected_quality, oracle->quality.value,
				 TOLERANCE, "and expects what comes");
	check_double(metric(evaluation, "quality_gap_closed"), 1, TOLERANCE,
				 "it closes the gap");
	check_double(metric(evaluation, "quality_gain_p"), 0, TOLERANCE,
				 "and gains in every resampling");
	check_double(metric(evaluation, "calibration_slope"), 1, TOLERANCE,
				 "its slope is 1");
	check_double(metric(evaluation, "calibration_error"), 0, TOLERANCE,
				 "and its error 0");
}

/*
 * Cost falls along the sweep, from the best model of each prompt to the
 * cheapest.
 */
static void
test_lambda(void)
{
	MrOutcomes	outcomes = make_outcomes(300, 4);
	MrEvaluation *evaluation = mr_evaluate(&outcomes, &options);
	const MrEvaluationRow *rows = evaluation->rows;
	bool		falls = true;
	bool		rises = true;

	for (int k = 1; k < evaluation->nsweep; k++)
	{
		falls = falls && rows[k].cost_usd.value <=
			rows[k - 1].cost_usd.value + TOLERANCE;
		rises = rises && rows[k].setting > rows[k - 1].setting;
	}
	check(falls, "cost falls along the sweep");
	check(rises, "lambda rises along the sweep");
	check_double(rows[0].setting, 0, 0, "the sweep starts at lambda 0");
	check(rows[evaluation->nsweep - 1].share[0] > .95,
		  "and ends near the cheapest model");
}

static void
test_pair(void)
{
	MrOutcomes	outcomes = make_outcomes(400, 2);
	MrEvaluation *evaluation = mr_evaluate(&outcomes, &options);
	const MrEvaluationRow *rows = evaluation->rows;
	bool		near = true;

	check_rows(&outcomes, evaluation, "a pair");
	check_int(evaluation->strong, 1, "the strong model");
	check_int(evaluation->weak, 0, "the weak model");
	check_int(evaluation->nsweep, 2 + MR_EVALUATION_STEPS,
			  "quality, then strong shares from 100 to 0 %");
	check_text(rows[1].point, "strong_share=1.00", "the first share");
	check_text(rows[11].point, "strong_share=0.50", "the middle share");
	for (int k = 1; k < evaluation->nsweep; k++)
		near = near && fabs(rows[k].share[1] -
							(1 - (k - 1) / 20.0)) < .01;
	check(near, "the shares are what they are called");
	check_double(rows[1].quality.value,
				 mr_evaluation_row(evaluation,
								   MR_POLICY_BEST_SINGLE)->quality.value,
				 TOLERANCE, "all strong is the strong model");
	check_double(rows[0].share[1], .8, .2, "objective quality uses both");
	check(metric(evaluation, "aiq") > 0, "AIQ where costs are known");
}

static void
test_pair_metrics(void)
{
	MrOutcomes	outcomes = make_outcomes(400, 2);
	MrEvaluation *evaluation;
	double		router[400];
	double		weak[400];
	double		strong[400];
	MrPairMetrics expected;

	outcomes.cost_usd = NULL;
	evaluation = mr_evaluate(&outcomes, &options);
	check_rows(&outcomes, evaluation, "a pair without costs");
	check(mr_evaluation_metric(evaluation, "aiq") == NULL, "no AIQ then");
	check(mr_evaluation_row(evaluation, MR_POLICY_CHEAPEST) == NULL,
		  "and no cheapest");
	check_double(evaluation->rows[0].cost_usd.value, NAN, 0, "and no cost");

	for (int i = 0; i < 400; i++)
	{
		router[i] = (1 + outcomes.quality[2 * i + 1] -
					 outcomes.quality[2 * i]) / 2;
		weak[i] = outcomes.score[2 * i];
		strong[i] = outcomes.score[2 * i + 1];
	}
	mr_metrics_pair(mr_metrics_order_pair(router, weak, strong, 400), NULL,
					MR_METRICS_BINS, &expected);
	check_double(metric(evaluation, "apgr"), expected.apgr, TOLERANCE, "APGR");
	check_double(metric(evaluation, "cpt50"), expected.cpt50, TOLERANCE,
				 "CPT50");
	check_double(metric(evaluation, "cpt80"), expected.cpt80, TOLERANCE,
				 "CPT80");
	check_double(metric(evaluation, "apgr_exact"), expected.apgr_exact,
				 TOLERANCE, "exact APGR");
	check(mr_evaluation_metric(evaluation, "apgr")->low < expected.apgr &&
		  mr_evaluation_metric(evaluation, "apgr")->high > expected.apgr,
		  "its interval is around it");
}

static void
test_expected_costs(void)
{
	MrOutcomes	outcomes = make_outcomes(100, 3);
	MrEvaluation *evaluation;
	double	   *cost_usd = outcomes.cost_usd;

	/* the evals' costs stand in where the router knows none */
	outcomes.expected_cost_usd = palloc(sizeof(double) * 300);
	for (int i = 0; i < 300; i++)
		outcomes.expected_cost_usd[i] = i % 3 == 1 ? NAN : cost_usd[i];
	evaluation = mr_evaluate(&outcomes, &options);
	check_rows(&outcomes, evaluation, "some expected costs");
	check_int(evaluation->cost_source, MR_COST_SOURCE_EVALS,
			  "costs are those of the evals");
	check_int(evaluation->nsweep, 1 + MR_EVALUATION_STEPS,
			  "a model's mean cost is expected where nothing else is known");

	/* without costs in the evals the expected ones count */
	for (int i = 0; i < 300; i++)
		outcomes.expected_cost_usd[i] = cost_usd[i];
	outcomes.cost_usd = NULL;
	evaluation = mr_evaluate(&outcomes, &options);
	check_rows(&outcomes, evaluation, "expected costs only");
	check_int(evaluation->cost_source, MR_COST_SOURCE_EXPECTED,
			  "costs are the expected ones");
	check(metric(evaluation, "aiq") > 0, "there is an AIQ");

	/* a model of unknown cost, and there is none */
	for (int i = 0; i < 100; i++)
		outcomes.expected_cost_usd[3 * i + 2] = NAN;
	evaluation = mr_evaluate(&outcomes, &options);
	check_rows(&outcomes, evaluation, "a model of unknown cost");
	check_int(evaluation->cost_source, MR_COST_SOURCE_NONE,
			  "costs are not known");
	check_int(evaluation->nsweep, 1, "nothing to sweep over");
}

static void
test_unknown_quality(void)
{
	MrOutcomes	outcomes = make_outcomes(50, 3);
	MrEvaluation *evaluation;

	for (int i = 0; i < 150; i++)
		outcomes.quality[i] = i % 3 == 2 ? NAN : .36 + i % 3 * .01;
	evaluation = mr_evaluate(&outcomes, &options);
	check_double(evaluation->rows[0].share[1], 1, TOLERANCE,
				 "an unknown quality is below average");
	check_int(evaluation->bins[0].count + evaluation->bins[1].count, 100,
			  "and not in the calibration");
}

/*
 * Of 0.5, 0.6 and 0.8 the third is the best; by means the first is.
 */
static void
test_guard(void)
{
	static const double typical[] = {0.7, 0.6, 0.5};
	static const struct
	{
		double		margin;
		double		stderrs;
		int			pick;
	}			cases[] = {
		{0.2, 0, 2}, {0.35, 0, 0}, {HUGE_VAL, 0, 0}, {NAN, 0.1, 2},
		{NAN, 0.3, 0}
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		MrOutcomes	outcomes = make_outcomes(1, 3);
		MrGuard		guards[] = {
			{0, true, typical}, {cases[i].margin, true, typical}
		};
		uint8		guard = 1;
		MrEvaluation *evaluation;

		for (int m = 0; m < 3; m++)
		{
			outcomes.quality[m] = m == 0 ? 0.5 : 0.4 + 0.2 * m;
			outcomes.quality_stderr[m] = cases[i].stderrs;
		}
		outcomes.guards = guards;
		outcomes.guard = &guard;
		evaluation = mr_evaluate(&outcomes, &options);
		check(evaluation->rows[0].share[cases[i].pick] == 1,
			  "the best single model stays unless the gain exceeds the margin");
	}
}

static void
test_edges(void)
{
	MrOutcomes	one = make_outcomes(40, 1);
	MrOutcomes	prompt = make_outcomes(1, 3);
	MrOutcomes	same = make_outcomes(40, 3);
	MrOutcomes	none = make_outcomes(1, 3);
	MrEvaluateOptions plain = {.resamples = 0, .level = .95};
	MrEvaluation *evaluation = mr_evaluate(&one, &options);

	check_rows(&one, evaluation, "one model");
	check_double(metric(evaluation, "quality_gain"), 0, TOLERANCE,
				 "one model gains nothing");
	check_double(metric(evaluation, "quality_gain_p"), 1, TOLERANCE,
				 "and surely so");
	check(mr_evaluation_metric(evaluation, "aiq") == NULL,
		  "and has no AIQ");

	check_rows(&prompt, mr_evaluate(&prompt, &options), "one prompt");

	for (int i = 0; i < 120; i++)
		same.score[i] = same.quality[i] = same.cost_usd[i] = .5;
	evaluation = mr_evaluate(&same, &options);
	check_rows(&same, evaluation, "all alike");
	check_double(metric(evaluation, "calibration_slope"), NAN, 0,
				 "no slope through one point");
	check_int(evaluation->nsweep, 1, "no lambda changes anything");
	check_double(evaluation->rows[0].share[1], 0, 0, "ties go by name");
	check_double(evaluation->rows[0].share[0], 0, 0, "not by order");

	evaluation = mr_evaluate(&same, &plain);
	check_double(evaluation->rows[0].quality.value, .5, TOLERANCE,
				 "without resampling there is a value");
	check_double(evaluation->rows[0].quality.low, NAN, 0, "and no interval");

	none.nprompts = 0;
	evaluation = mr_evaluate(&none, &options);
	check_int(evaluation->nrows, 0, "no prompts, no rows");
	check_int(evaluation->nmetrics, 0, "and no summary");
}

/*
 * The mean of n numbers varies with their deviation / sqrt(n), whether or not
 * they are drawn in groups.
 */
static void
test_intervals(void)
{
	static const int sizes[] = {400, 25001};

	for (int k = 0; k < (int) lengthof(sizes); k++)
	{
		MrOutcomes	outcomes = make_outcomes(sizes[k], 2);
		MrEvaluateOptions many = {.seed = 7, .resamples = 1000, .level = .9};
		const MrInterval *quality;
		double		mean;
		double		width;

		for (int i = 0; i < 2 * sizes[k]; i++)
			outcomes.score[i] = outcomes.score[i] > .5;
		quality = &mr_evaluation_row(mr_evaluate(&outcomes, &many),
									 MR_POLICY_SINGLE)->quality;
		mean = quality->value;
		width = 2 * 1.645 * sqrt(mean * (1 - mean) / sizes[k]);
		check_double((quality->high - quality->low) / width, 1, .1,
					 psprintf("the interval of %d prompts", sizes[k]));
	}
}

static void
test_seed(void)
{
	MrOutcomes	outcomes = make_outcomes(200, 3);
	MrEvaluateOptions other = options;
	MrEvaluation *first = mr_evaluate(&outcomes, &options);
	MrEvaluation *again = mr_evaluate(&outcomes, &options);
	MrEvaluation *different;
	bool		same = true;

	other.seed = 1;
	different = mr_evaluate(&outcomes, &other);
	for (int k = 0; k < first->nrows; k++)
		same = same && memcmp(&first->rows[k].quality,
							  &again->rows[k].quality,
							  sizeof(MrInterval)) == 0;
	check(same, "the same seed gives the same intervals");
	check(first->rows[0].quality.low != different->rows[0].quality.low,
		  "another seed gives others");
	check_double(different->rows[0].quality.value,
				 first->rows[0].quality.value, 0, "of the same values");
}

static void
test_calibration(void)
{
	MrOutcomes	outcomes = make_outcomes(1000, 2);
	MrEvaluation *evaluation;
	int64		cells = 0;
	bool		even = true;

	/* expected 0, .001, ..., .999; half of that and .1 comes */
	for (int i = 0; i < 2000; i++)
	{
		outcomes.quality[i] = i / 2 / 1000.0;
		outcomes.score[i] = .1 + outcomes.quality[i] / 2;
	}
	evaluation = mr_evaluate(&outcomes, &options);
	check_double(metric(evaluation, "calibration_slope"), .5, 1e-6,
				 "half of what is expected");
	check_int(evaluation->nbins, MR_EVALUATION_BINS, "ten bins");
	for (int k = 0; k < evaluation->nbins; k++)
	{
		const MrCalibrationBin *bin = &evaluation->bins[k];

		cells += bin->count;
		even = even && llabs(bin->count - 200) <= 4 &&
			fabs(bin->quality.value - .1 - bin->expected / 2) < 1e-9;
	}
	check(even, "bins are of one size and mean what they hold");
	check_int(cells, 2000, "each cell is in a bin");

	/* one value: one bin */
	for (int i = 0; i < 2000; i++)
		outcomes.quality[i] = .25;
	evaluation = mr_evaluate(&outcomes, &options);
	check_int(evaluation->nbins, 1, "equal expectations are one bin");
	check_double(metric(evaluation, "calibration_error"), .1 + .4995 / 2 - .25,
				 1e-6, "the error is the distance of the means");
}

static void
test_categories(void)
{
	MrOutcomes	outcomes = make_outcomes(90, 3);
	MrEvaluation *evaluation;
	const MrCategoryRow *row;
	double		gain = 0;

	for (int i = 0; i < 90; i++)
		outcomes.category[i] = i < 30 ? MR_CATEGORY_MATH : MR_CATEGORY_CODE;
	evaluation = mr_evaluate(&outcomes, &options);
	row = evaluation->categories;
	check_int(evaluation->ncategories, 2, "only categories with prompts");
	check_int(row[0].category, MR_CATEGORY_CODE, "in their order");
	check_int(row[1].nprompts, 30, "with their prompts");
	check_double(row[0].gain.value, row[0].router - row[0].best_single,
				 TOLERANCE, "and their gain");
	for (int k = 0; k < 2; k++)
		gain += row[k].gain.value * row[k].nprompts / 90;
	check_double(gain, metric(evaluation, "quality_gain"), TOLERANCE,
				 "the gains make up the whole");
}

/* ----------
 * Data and common checks
 * ----------
 */

/*
 * Larger models are better and dearer; the router knows something.
 */
static MrOutcomes
make_outcomes(int nprompts, int nmodels)
{
	MrOutcomes	made = {.nprompts = nprompts, .nmodels = nmodels,
	.models = names};
	size_t		cells = (size_t) nprompts * nmodels;
	uint64		state = 12345;

	made.score = palloc(sizeof(double) * cells);
	made.cost_usd = palloc(sizeof(double) * cells);
	made.quality = palloc(sizeof(double) * cells);
	made.quality_stderr = palloc0(sizeof(double) * cells);
	made.category = palloc0(sizeof(int) * nprompts);
	for (int i = 0; i < nprompts; i++)
	{
		double		difficulty = random_number(&state);

		for (int m = 0; m < nmodels; m++)
		{
			int			cell = i * nmodels + m;
			double		able = Min(.25 + .15 * m + .5 * (1 - difficulty), 1);

			made.score[cell] = random_number(&state) < able;
			made.quality[cell] = able * .8 + .2 * random_number(&state);
			made.cost_usd[cell] = .001 * (1 + m * m) *
				(1 + random_number(&state));
		}
	}
	return made;
}

static double
random_number(uint64 *state)
{
	*state = *state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (*state >> 33) / 2147483648.0;
}

/*
 * What holds for every evaluation.
 */
static void
check_rows(const MrOutcomes *outcomes, const MrEvaluation *evaluation,
		   const char *name)
{
	bool		whole = true;
	bool		ordered = true;
	bool		bounded = true;
	int			singles = 0;

	for (int k = 0; k < evaluation->nrows; k++)
	{
		const MrEvaluationRow *row = &evaluation->rows[k];
		double		sum = 0;

		for (int m = 0; m < outcomes->nmodels; m++)
			sum += row->share[m];
		whole = whole && fabs(sum - 1) < TOLERANCE;
		ordered = ordered && row->quality.low <= row->quality.high &&
			row->quality.low <= row->quality.value + TOLERANCE &&
			row->quality.high >= row->quality.value - TOLERANCE;
		bounded = bounded && row->quality.value >= 0 &&
			row->quality.value <= 1 &&
			isnan(row->cost_usd.value) == (evaluation->cheapest < 0);
		singles += row->policy == MR_POLICY_SINGLE;
	}
	check(whole, psprintf("%s: shares sum to 1", name));
	check(ordered, psprintf("%s: values lie in their intervals", name));
	check(bounded, psprintf("%s: values are possible", name));
	check_int(singles, outcomes->nmodels, psprintf("%s: each model", name));
	check(evaluation->nrows <= MR_EVALUATION_MAX_ROWS,
		  psprintf("%s: the rows have a bound", name));
}

static double
metric(const MrEvaluation *evaluation, const char *name)
{
	const MrInterval *interval = mr_evaluation_metric(evaluation, name);

	return interval == NULL ? -INFINITY : interval->value;
}

/*
 * metrics_test.c
 *	  Tests of router/metrics: small tables whose numbers were computed with an
 *	  independent program that follows RouteLLM and RouterBench.
 *
 * Sources: router/metrics.c router/metrics_pair.c
 */
#include "postgres.h"

#include <math.h>

#include "check.h"
#include "router/metrics.h"
#include "shim.h"

#define TOLERANCE 1e-6

#define MAX_PROMPTS 16
#define MAX_MODELS	8
#define MAX_POINTS	8

typedef struct PairCase
{
	const char *name;
	int			n;
	double		router[MAX_PROMPTS];
	double		weak[MAX_PROMPTS];
	double		strong[MAX_PROMPTS];
	double		oracle_apgr;
	MrPairMetrics expected;
} PairCase;

typedef struct ManyCase
{
	int			nprompts;
	int			nmodels;
	int			npoints;
	int			best;
	double		score[MAX_PROMPTS][MAX_MODELS];
	double		cost[MAX_PROMPTS][MAX_MODELS];
	int			picks[MAX_POINTS][MAX_PROMPTS];
} ManyCase;

static const PairCase pair_cases[] = {
	{"no ties", 12,
		{.91, .13, .55, .72, .08, .64, .33, .47, .86, .29, .19, .77},
		{0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1},
		{1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0},
		1.79166667,
		{0.583333333, 0.75, 0.979166667, 3.33333333, 25, 30, 1, 3.33333333,
		8.33333333, 13.3333333, 16.6666667, 12.9166667, 0.833333333, 41.6666667}
	},
	{"ties and fractional scores", 11,
		{.5, .5, .2, .2, .2, .9, .9, .5, .7, .1, .5},
		{.1, .4, .8, .55, .9, .2, 0, .35, .5, 1, .25},
		{.6, .3, .9, .5, 1, .9, .7, .65, .5, .75, .8},
		0.890374332,
		{0.459090909, 0.690909091, 0.77540107, 6.62337662, 16.5584416,
			45.8909091, 0.77540107, 6.62337662, 16.5584416, 45.8909091,
		60.7272727, 49.6727273, 0.713636364, 90.9090909}
	},
	{"a router that is wrong", 11,
		{-.5, -.5, -.2, -.2, -.2, -.9, -.9, -.5, -.7, -.1, -.5},
		{.1, .4, .8, .55, .9, .2, 0, .35, .5, 1, .25},
		{.6, .3, .9, .5, 1, .9, .7, .65, .5, .75, .8},
		0.890374332,
		{0.459090909, 0.690909091, 0.240641711, 54.1090909, 83.4415584,
			93.3766234, 0.22459893, 54.1090909, 83.4415584, 93.3766234, 100,
		95.0649351, 0.690909091, 100}
	},
	{"a router without opinion", 6,
		{.5, .5, .5, .5, .5, .5},
		{0, 1, 0, 0, 1, 0},
		{1, 1, 0, 1, 1, 0},
		0.833333333,
		{0.333333333, 0.666666667, 0.5, 20, 50, 80, 0.5, 20, 50, 80, 100, 90,
		0.666666667, 100}
	},
	{"a curve over both models", 5,
		{.9, .8, .7, .6, .5},
		{0, 0, 1, 1, 1},
		{1, 1, .5, .5, .4},
		2.85,
		{0.6, 0.68, 2.85, 1.6, 4, 6.4, 2.85, 1.6, 4, 6.4, 8, 4.6, 1, 40}
	},
	{"one prompt", 1, {.3}, {.2}, {.7},
	0.5,
	{0.2, 0.7, 0.5, 20, 50, 80, 0.5, 20, 50, 80, 100, 93, 0.7, 100}
	}
};

static const ManyCase three = {
	8, 3, 4, 2,
	{{1, 0, 1}, {0, 1, 1}, {0, 0, 1}, {.5, 1, 1},
	{0, 0, 0}, {1, 1, 0}, {0, .25, 1}, {1, .5, 1}},
	{{.001, .004, .02}, {.002, .003, .03}, {.001, .005, .01},
	{.003, .002, .025}, {.001, .004, .02}, {.002, .006, .015},
	{.001, .003, .02}, {.002, .004, .04}},
	{{0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 1, 0, 0, 2, 0},
	{0, 1, 2, 1, 0, 0, 2, 0}, {2, 2, 2, 2, 2, 2, 2, 2}}
};

static const ManyCase constant_costs = {
	4, 2, 2, 1,
	{{1, 0}, {0, 1}, {1, 1}, {0, 1}},
	{{1, 3}, {1, 3}, {1, 3}, {1, 3}},
	{{0, 1, 0, 1}, {0, 0, 0, 0}}
};

static const ManyCase equal_costs = {
	3, 2, 1, 0,
	{{1, 0}, {0, 1}, {1, 1}},
	{{2, 3}, {3, 2}, {2.5, 2.5}},
	{{0, 1, 0}}
};

static const ManyCase two_cheapest = {
	3, 3, 3, 1,
	{{.2, .9, .5}, {.4, .7, .9}, {.3, .8, 1}},
	{{1, 1, 4}, {1, 1, 4}, {1, 1, 4}},
	{{0, 0, 0}, {1, 0, 2}, {2, 0, 1}}
};

static const MrManyMetrics expected_three = {
	0.839633234, 0.59375, 0.839633234, 0.552083333, 0.859000749, 0.926984127,
	83.4888889, 82.4755556, 82.2222222, 11.1333333, 2.22666667, 0
};

static const MrManyMetrics expected_constant_costs = {
	0.875, 0.625, 0.875, 0.625, 0.875, 1,
	52.5, 50.5, 50, 10, 2, 0
};

static const MrManyMetrics expected_equal_costs = {
	NAN, NAN, NAN, NAN, NAN, NAN,
	13.3333333, 13.3333333, 13.3333333, 0, 0, 0
};

static const MrManyMetrics expected_two_cheapest = {
	0.688888889, 0.8, 0.8, 0.633333333, 0.888888889, -1.25,
	-98.5714286, NAN, NAN, 0, 0, 0
};

static const MrManyMetrics expected_eight = {
	0.692885547, 0.786857143, 0.7986533, 0.44775, 0.826969925, -2.34268458,
	-10.9759498, -13.0589055, -13.5796445, 7.27272727, 1.45454545, 0
};

static void test_pairs(void);
static void check_pair(const MrPairMetrics *got, const MrPairMetrics *expected,
					   const char *name);
static void test_pair_limits(void);
static void test_counts(void);
static void test_many(void);
static void check_many(const ManyCase *given, const MrManyMetrics *expected,
					   const char *name);
static void fill_points(const ManyCase *given, MrPoint *router,
						MrPoint *single, MrPoint *oracle);
static MrPoint mean_point(const ManyCase *given, const int *picks);
static ManyCase eight_models(void);
static void test_hull(void);
static void test_oracle(void);

int
main(void)
{
	test_pairs();
	test_pair_limits();
	test_counts();
	test_many();
	test_hull();
	test_oracle();
	shim_reset();
	return check_done();
}

/* ----------
 * Pairs
 * ----------
 */

static void
test_pairs(void)
{
	for (int i = 0; i < (int) lengthof(pair_cases); i++)
	{
		const PairCase *given = &pair_cases[i];
		double		gain[MAX_PROMPTS];
		MrPairMetrics got;

		mr_metrics_pair(mr_metrics_order_pair(given->router, given->weak,
											  given->strong, given->n),
						NULL, MR_METRICS_BINS, &got);
		check_pair(&got, &given->expected, given->name);

		for (int k = 0; k < given->n; k++)
			gain[k] = given->strong[k] - given->weak[k];
		mr_metrics_pair(mr_metrics_order_pair(gain, given->weak,
											  given->strong, given->n),
						NULL, MR_METRICS_BINS, &got);
		check_double(got.apgr_exact, given->oracle_apgr, TOLERANCE,
					 psprintf("%s: the oracle's APGR", given->name));
	}
}

static void
check_pair(const MrPairMetrics *got, const MrPairMetrics *expected,
		   const char *name)
{
	static const char *const names[] = {
		"weak", "strong", "APGR", "CPT20", "CPT50", "CPT80", "exact APGR",
		"exact CPT20", "exact CPT50", "exact CPT80", "share at parity",
		"share at 95 %", "peak quality", "peak share"
	};
	const double *numbers = (const double *) got;
	const double *wanted = (const double *) expected;

	StaticAssertStmt(sizeof(MrPairMetrics) ==
					 sizeof(double) * lengthof(names), "a name for each");
	for (int i = 0; i < (int) lengthof(names); i++)
		check_double(numbers[i], wanted[i], TOLERANCE,
					 psprintf("%s: %s", name, names[i]));
}

static void
test_pair_limits(void)
{
	double		router[] = {.9, .8, .7};
	double		same[] = {.5, .5, .5};
	double		weak[] = {.2, .4, .9};
	double		strong[] = {.1, .3, 1};
	MrPairMetrics got;

	mr_metrics_pair(mr_metrics_order_pair(router, same, same, 3), NULL,
					MR_METRICS_BINS, &got);
	check_double(got.weak, .5, TOLERANCE, "equal models: quality");
	check_double(got.apgr, NAN, 0, "equal models have no gap to recover");
	check_double(got.apgr_exact, NAN, 0, "nor exactly");

	mr_metrics_pair(mr_metrics_order_pair(router, weak, strong, 3), NULL,
					MR_METRICS_BINS, &got);
	check_double(got.share_at_parity, 0, TOLERANCE,
				 "the weak model may be the better one");

	mr_metrics_pair(mr_metrics_order_pair(router, weak, strong, 0), NULL,
					MR_METRICS_BINS, &got);
	check_double(got.weak, NAN, 0, "no prompts, no quality");
	check_double(got.cpt50_exact, NAN, 0, "no prompts, no CPT");
}

/*
 * Counting a prompt c times is the same as giving it c times.
 */
static void
test_counts(void)
{
	const PairCase *given = &pair_cases[0];
	const int	counts[] = {2, 0, 1, 3, 1, 0, 1, 0, 2, 2, 0, 1};
	const int	nothing[MAX_PROMPTS] = {0};
	double		repeated[3][MAX_PROMPTS];
	int			n = 0;
	MrPairOrder *order;
	MrPairMetrics got;
	MrPairMetrics expected;

	for (int i = 0; i < given->n; i++)
	{
		for (int k = 0; k < counts[i]; k++)
		{
			repeated[0][n] = given->router[i];
			repeated[1][n] = given->weak[i];
			repeated[2][n++] = given->strong[i];
		}
	}
	order = mr_metrics_order_pair(repeated[0], repeated[1], repeated[2], n);
	mr_metrics_pair(order, NULL, MR_METRICS_BINS, &expected);
	order = mr_metrics_order_pair(given->router, given->weak, given->strong,
								  given->n);
	mr_metrics_pair(order, counts, MR_METRICS_BINS, &got);
	check_pair(&got, &expected, "counted");

	mr_metrics_pair(order, nothing, MR_METRICS_BINS, &got);
	check_double(got.apgr, NAN, 0, "all prompts count zero times");
}

/* ----------
 * Many models
 * ----------
 */

static void
test_many(void)
{
	ManyCase	eight = eight_models();

	check_many(&three, &expected_three, "three models");
	check_many(&constant_costs, &expected_constant_costs, "constant costs");
	check_many(&equal_costs, &expected_equal_costs, "equal mean costs");
	check_many(&two_cheapest, &expected_two_cheapest, "two cheapest");
	check_many(&eight, &expected_eight, "eight models");
}

static void
check_many(const ManyCase *given, const MrManyMetrics *expected,
		   const char *name)
{
	static const char *const names[] = {
		"AIQ", "AIQ of single models", "AIQ with single models",
		"AIQ of random", "AIQ of the oracle", "gap closed", "saved at 95 %",
		"saved at 99 %", "saved at 100 %", "single saved at 95 %",
		"single saved at 99 %", "single saved at 100 %"
	};
	MrPoint		router[MAX_POINTS];
	MrPoint		single[MAX_MODELS];
	MrPoint		oracle[MR_METRICS_ORACLE_POINTS];
	MrManyPoints points = {router, given->npoints, single, given->nmodels,
	oracle, MR_METRICS_ORACLE_POINTS, given->best};
	MrManyMetrics got;

	fill_points(given, router, single, oracle);
	mr_metrics_many(&points, &got);
	StaticAssertStmt(sizeof(MrManyMetrics) ==
					 sizeof(double) * lengthof(names), "a name for each");
	for (int i = 0; i < (int) lengthof(names); i++)
		check_double(((double *) &got)[i], ((const double *) expected)[i],
					 TOLERANCE, psprintf("%s: %s", name, names[i]));
}

static void
fill_points(const ManyCase *given, MrPoint *router, MrPoint *single,
			MrPoint *oracle)
{
	int			picks[MAX_PROMPTS];
	double		most = 0;

	for (int i = 0; i < given->npoints; i++)
		router[i] = mean_point(given, given->picks[i]);
	for (int m = 0; m < given->nmodels; m++)
	{
		for (int i = 0; i < given->nprompts; i++)
			picks[i] = m;
		single[m] = mean_point(given, picks);
		most = Max(most, single[m].x);
	}
	for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
	{
		for (int i = 0; i < given->nprompts; i++)
			picks[i] = mr_metrics_oracle_pick(given->score[i], given->cost[i],
											  given->nmodels,
											  mr_metrics_oracle_weight(k),
											  most);
		oracle[k] = mean_point(given, picks);
	}
}

static MrPoint
mean_point(const ManyCase *given, const int *picks)
{
	MrPoint		point = {0, 0};

	for (int i = 0; i < given->nprompts; i++)
	{
		point.x += given->cost[i][picks[i]];
		point.y += given->score[i][picks[i]];
	}
	point.x /= given->nprompts;
	point.y /= given->nprompts;
	return point;
}

/* Scores and costs by a formula; the last point picks the best score. */
static ManyCase
eight_models(void)
{
	ManyCase	made = {.nprompts = 10, .nmodels = 8, .npoints = 6, .best = 4};

	for (int i = 0; i < made.nprompts; i++)
	{
		int			best = 0;

		for (int m = 0; m < made.nmodels; m++)
		{
			made.score[i][m] = (i * 7 + m * 5 + i * m) % 11 / 10.0 *
				(m > 3 ? 1 : .6);
			made.cost[i][m] = (1 + m) * (1 + m) * (1 + i % 3) / 100.0;
			if (made.score[i][m] > made.score[i][best])
				best = m;
		}
		for (int k = 0; k < 5; k++)
			made.picks[k][i] = (i * 3 + k) % made.nmodels;
		made.picks[5][i] = best;
	}
	return made;
}

/* ----------
 * Parts
 * ----------
 */

static void
test_hull(void)
{
	const MrPoint points[] = {{1, 1}, {0, .5}, {.5, .6}, {.2, .9}, {.2, .1},
	{2, .7}, {0, .5}};
	const MrPoint line[] = {{0, .5}, {.5, .6}, {1, 1}};
	const MrPoint apart[] = {{.2, .8}, {.6, .7}};
	MrPoint		hull[lengthof(points)];

	check_int(mr_metrics_hull(points, lengthof(points), hull), 3,
			  "dominated and double points are not on the hull");
	check(hull[0].x == 0 && hull[1].x == .2 && hull[2].x == 1,
		  "the hull rises from the cheapest point");
	check_int(mr_metrics_hull(points, 0, hull), 0, "the hull of nothing");
	check_double(mr_metrics_aiq(line, 3, 0, 1), .75, TOLERANCE,
				 "a point under the hull does not count");
	check_double(mr_metrics_aiq(apart, 2, 0, 1), .8, TOLERANCE,
				 "the hull is level beyond its ends and never falls");
	check_double(mr_metrics_aiq(line, 3, 1, 1), NAN, 0, "AIQ of no range");
	check_double(mr_metrics_aiq(line, 0, 0, 1), NAN, 0, "AIQ of no points");
	check_double(mr_metrics_cost_at(line, 3, .75), .5, TOLERANCE,
				 "cost between two points");
	check_double(mr_metrics_cost_at(line, 3, .1), 0, TOLERANCE,
				 "less than the cheapest gives costs as much");
	check_double(mr_metrics_cost_at(line, 3, 1), 1, TOLERANCE,
				 "cost of the best point");
	check_double(mr_metrics_cost_at(line, 3, 1.1), NAN, 0,
				 "a quality that is never reached");
	check_double(mr_metrics_cost_at(line, 0, 1), NAN, 0, "cost of nothing");
}

static void
test_oracle(void)
{
	const double score[] = {.5, 1, 1, .9};
	const double cost[] = {1, 5, 4, 4};

	check_int(mr_metrics_oracle_pick(score, cost, 4, 0, 5), 2,
			  "of equal scores the cheaper");
	check_int(mr_metrics_oracle_pick(score, NULL, 4, 0, 5), 1,
			  "without costs the first");
	check_int(mr_metrics_oracle_pick(score, cost, 4, 100, 5), 0,
			  "the cheapest where cost counts most");
	check_double(mr_metrics_oracle_weight(0), 0, 0, "cost may not count");
	check_double(mr_metrics_oracle_weight(MR_METRICS_ORACLE_POINTS - 1), 1e4,
				 TOLERANCE, "or be all that counts");
	check_double(mr_metrics_gap_closed(.7, .6, .8), .5, TOLERANCE,
				 "half of the gap");
	check_double(mr_metrics_gap_closed(.7, .8, .8), NAN, 0, "no gap");
}

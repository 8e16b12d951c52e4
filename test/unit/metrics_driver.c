/*
 * metrics_driver.c
 *	  Prints the metrics of what it reads, for the test that compares them
 *	  with those of another program.
 *
 * Standard input is "pair PROMPTS" and a line "router weak strong" per prompt,
 * or "many PROMPTS MODELS POINTS" and, per prompt, its scores, its costs and
 * the model picked at each operating point.  Output is a line "name value" per
 * metric, by the names of that other program.
 */
#include "postgres.h"

#include <math.h>

#include "router/metrics.h"

typedef struct Many
{
	int			nprompts;
	int			nmodels;
	int			npoints;
	double	   *score;			/* [prompt * nmodels + model] */
	double	   *cost;
	int		   *pick;			/* [prompt * npoints + point] */
	double		most_cost;
} Many;

static void print_pair(void);
static void print_many(void);
static void read_many(Many *many);
static void fill_points(Many *many, MrPoint *router, MrPoint *single,
						MrPoint *oracle);
static double oracle_quality(const Many *many);
static void print_points(const MrManyPoints *points, double oracle);
static double read_number(void);
static void print_number(const char *name, double value);

int
main(void)
{
	char		mode[8];

	if (scanf("%7s", mode) != 1)
		return 1;
	if (strcmp(mode, "pair") == 0)
		print_pair();
	else
		print_many();
	return 0;
}

static void
print_pair(void)
{
	int			n = (int) read_number();
	double	   *router = palloc(sizeof(double) * n);
	double	   *weak = palloc(sizeof(double) * n);
	double	   *strong = palloc(sizeof(double) * n);
	double	   *gain = palloc(sizeof(double) * n);
	MrPairMetrics got;
	MrPairMetrics oracle;

	for (int i = 0; i < n; i++)
	{
		router[i] = read_number();
		weak[i] = read_number();
		strong[i] = read_number();
		gain[i] = strong[i] - weak[i];
	}
	mr_metrics_pair(mr_metrics_order_pair(router, weak, strong, n), NULL,
					MR_METRICS_BINS, &got);
	mr_metrics_pair(mr_metrics_order_pair(gain, weak, strong, n), NULL,
					MR_METRICS_BINS, &oracle);
	print_number("weak", got.weak);
	print_number("strong", got.strong);
	print_number("APGR", got.apgr);
	print_number("CPT20", got.cpt20);
	print_number("CPT50", got.cpt50);
	print_number("CPT80", got.cpt80);
	print_number("APGR_exact", got.apgr_exact);
	print_number("CPT20_exact", got.cpt20_exact);
	print_number("CPT50_exact", got.cpt50_exact);
	print_number("CPT80_exact", got.cpt80_exact);
	print_number("APGR_oracle", oracle.apgr_exact);
	print_number("strong_share_at_parity", got.share_at_parity);
	print_number("strong_share_at_95pct_strong", got.share_at_95);
	print_number("peak_quality", got.peak_quality);
}

static void
print_many(void)
{
	Many		many;
	MrPoint    *router;
	MrPoint    *single;
	MrPoint		oracle[MR_METRICS_ORACLE_POINTS];
	MrManyPoints points;

	read_many(&many);
	router = palloc(sizeof(MrPoint) * many.npoints);
	single = palloc(sizeof(MrPoint) * many.nmodels);
	fill_points(&many, router, single, oracle);
	points = (MrManyPoints)
	{
		router, many.npoints, single, many.nmodels,
			oracle, MR_METRICS_ORACLE_POINTS, 0
	};
	for (int m = 1; m < many.nmodels; m++)
		if (single[m].y > single[points.best].y)
			points.best = m;
	print_points(&points, oracle_quality(&many));
}

static void
read_many(Many *many)
{
	many->nprompts = (int) read_number();
	many->nmodels = (int) read_number();
	many->npoints = (int) read_number();
	many->most_cost = 0;
	many->score = palloc(sizeof(double) * many->nprompts * many->nmodels);
	many->cost = palloc(sizeof(double) * many->nprompts * many->nmodels);
	many->pick = palloc(sizeof(int) * many->nprompts * many->npoints);
	for (int i = 0; i < many->nprompts; i++)
	{
		for (int m = 0; m < many->nmodels; m++)
			many->score[i * many->nmodels + m] = read_number();
		for (int m = 0; m < many->nmodels; m++)
			many->cost[i * many->nmodels + m] = read_number();
		for (int k = 0; k < many->npoints; k++)
			many->pick[i * many->npoints + k] = (int) read_number();
	}
}

static void
add_point(const Many *many, int prompt, int model, MrPoint *point)
{
	point->x += many->cost[prompt * many->nmodels + model] / many->nprompts;
	point->y += many->score[prompt * many->nmodels + model] / many->nprompts;
}

static void
fill_points(Many *many, MrPoint *router, MrPoint *single, MrPoint *oracle)
{
	memset(router, 0, sizeof(MrPoint) * many->npoints);
	memset(single, 0, sizeof(MrPoint) * many->nmodels);
	memset(oracle, 0, sizeof(MrPoint) * MR_METRICS_ORACLE_POINTS);
	for (int i = 0; i < many->nprompts; i++)
	{
		for (int k = 0; k < many->npoints; k++)
			add_point(many, i, many->pick[i * many->npoints + k], &router[k]);
		for (int m = 0; m < many->nmodels; m++)
			add_point(many, i, m, &single[m]);
	}
	for (int m = 0; m < many->nmodels; m++)
		many->most_cost = Max(many->most_cost, single[m].x);
	for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
	{
		double		weight = mr_metrics_oracle_weight(k);

		for (int i = 0; i < many->nprompts; i++)
			add_point(many, i,
					  mr_metrics_oracle_pick(many->score + i * many->nmodels,
											 many->cost + i * many->nmodels,
											 many->nmodels, weight,
											 many->most_cost),
					  &oracle[k]);
	}
}

static double
oracle_quality(const Many *many)
{
	double		sum = 0;

	for (int i = 0; i < many->nprompts; i++)
		sum += many->score[i * many->nmodels +
						   mr_metrics_oracle_pick(many->score +
												  i * many->nmodels, NULL,
												  many->nmodels, 0, 0)];
	return sum / many->nprompts;
}

static void
print_points(const MrManyPoints *points, double oracle)
{
	MrManyMetrics got;

	mr_metrics_many(points, &got);
	print_number("AIQ", got.aiq);
	print_number("AIQ_zero_router", got.aiq_single);
	print_number("AIQ_with_singles", got.aiq_with_single);
	print_number("random_quality", got.aiq_random);
	print_number("AIQ_oracle", got.aiq_oracle);
	print_number("AIQ_gap_closed", got.aiq_gap_closed);
	print_number("cost_saved_at_95", got.saved_at_95);
	print_number("cost_saved_at_100", got.saved_at_100);
	print_number("cost_saved_at_95_zero", got.single_saved_at_95);
	print_number("cost_saved_at_100_zero", got.single_saved_at_100);
	print_number("best_single_quality", points->single[points->best].y);
	print_number("oracle_quality", oracle);
	for (int k = 0; k < points->nrouter; k++)
	{
		print_number(psprintf("quality_%d", k), points->router[k].y);
		print_number(psprintf("cost_%d", k), points->router[k].x);
		print_number(psprintf("gap_closed_%d", k),
					 mr_metrics_gap_closed(points->router[k].y,
										   points->single[points->best].y,
										   oracle));
	}
}

static double
read_number(void)
{
	double		number;

	if (scanf("%lf", &number) != 1)
	{
		fprintf(stderr, "metrics_driver: a number is missing\n");
		exit(1);
	}
	return number;
}

static void
print_number(const char *name, double value)
{
	printf("%s %.17g\n", name, value);
}

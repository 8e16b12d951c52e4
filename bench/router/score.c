/*
 * score.c
 *	  Scores what a router expected of models on prompts whose outcomes are
 *	  known, with the project's own metrics.
 *
 * Standard input is blocks of "pair LABEL PROMPTS" and a line "router weak
 * strong" per prompt, or "many LABEL PROMPTS MODELS" and, per prompt and model,
 * "score cost expected_quality expected_cost".  Output is a line "LABEL metric
 * value", parted by tabs, per metric.
 */
#include "postgres.h"

#include <math.h>

#include "router/metrics.h"

/* What a model did on a prompt, and what was expected. */
typedef struct Cell
{
	double		score;
	double		cost;
	double		quality;
	double		expected_cost;
} Cell;

typedef struct Many
{
	int			nprompts;
	int			nmodels;
	Cell	   *cells;			/* [prompt * nmodels + model] */
} Many;

static void score_pair(const char *label);
static void score_many(const char *label);
static void fill_single(const Many *many, MrPoint *single);
static void fill_router(const Many *many, MrPoint *router);
static void fill_oracle(const Many *many, const MrPoint *single,
						MrPoint *oracle);
static double read_number(void);
static void print_metric(const char *label, const char *name, double value);

int
main(void)
{
	char		mode[8];
	char		label[64];

	while (scanf("%7s %63s", mode, label) == 2)
	{
		if (strcmp(mode, "pair") == 0)
			score_pair(label);
		else
			score_many(label);
	}
	return 0;
}

static void
score_pair(const char *label)
{
	int			n = (int) read_number();
	double	   *router = palloc(sizeof(double) * n);
	double	   *weak = palloc(sizeof(double) * n);
	double	   *strong = palloc(sizeof(double) * n);
	MrPairMetrics got;

	for (int i = 0; i < n; i++)
	{
		router[i] = read_number();
		weak[i] = read_number();
		strong[i] = read_number();
	}
	mr_metrics_pair(mr_metrics_order_pair(router, weak, strong, n), NULL,
					MR_METRICS_BINS, &got);
	print_metric(label, "APGR", got.apgr);
	print_metric(label, "CPT50", got.cpt50);
	print_metric(label, "CPT80", got.cpt80);
}

static void
score_many(const char *label)
{
	Many		many;
	MrPoint    *single;
	MrPoint		router[MR_METRICS_ORACLE_POINTS];
	MrPoint		oracle[MR_METRICS_ORACLE_POINTS];
	MrManyPoints points;
	MrManyMetrics got;

	many.nprompts = (int) read_number();
	many.nmodels = (int) read_number();
	many.cells = palloc(sizeof(Cell) * many.nprompts * many.nmodels);
	for (int i = 0; i < many.nprompts * many.nmodels; i++)
	{
		many.cells[i].score = read_number();
		many.cells[i].cost = read_number();
		many.cells[i].quality = read_number();
		many.cells[i].expected_cost = read_number();
	}
	single = palloc0(sizeof(MrPoint) * many.nmodels);
	fill_single(&many, single);
	fill_router(&many, router);
	fill_oracle(&many, single, oracle);
	points = (MrManyPoints)
	{
		router, MR_METRICS_ORACLE_POINTS, single, many.nmodels,
			oracle, MR_METRICS_ORACLE_POINTS, 0
	};
	for (int m = 1; m < many.nmodels; m++)
		if (single[m].y > single[points.best].y)
			points.best = m;
	mr_metrics_many(&points, &got);
	print_metric(label, "quality", router[0].y);
	print_metric(label, "best single", single[points.best].y);
	print_metric(label, "AIQ", got.aiq);
	print_metric(label, "AIQ singles", got.aiq_single);
	print_metric(label, "AIQ oracle", got.aiq_oracle);
	print_metric(label, "saved 95", got.saved_at_95);
	print_metric(label, "saved 99", got.saved_at_99);
	print_metric(label, "singles saved 95", got.single_saved_at_95);
	print_metric(label, "singles saved 99", got.single_saved_at_99);
}

static void
add_cell(const Many *many, int prompt, int model, MrPoint *point)
{
	const Cell *cell = &many->cells[prompt * many->nmodels + model];

	point->x += cell->cost / many->nprompts;
	point->y += cell->score / many->nprompts;
}

static void
fill_single(const Many *many, MrPoint *single)
{
	for (int i = 0; i < many->nprompts; i++)
		for (int m = 0; m < many->nmodels; m++)
			add_cell(many, i, m, &single[m]);
}

/* The dearest model's mean cost, as the router expects it. */
static double
most_expected_cost(const Many *many)
{
	double		most = 0;

	for (int m = 0; m < many->nmodels; m++)
	{
		double		sum = 0;

		for (int i = 0; i < many->nprompts; i++)
			sum += many->cells[i * many->nmodels + m].expected_cost;
		most = Max(most, sum / many->nprompts);
	}
	return most;
}

/*
 * At each operating point the model with the most expected quality less weight
 * x expected cost; the first point is for quality alone.  Points are the
 * oracle's.
 */
static void
fill_router(const Many *many, MrPoint *router)
{
	double		most = most_expected_cost(many);

	memset(router, 0, sizeof(MrPoint) * MR_METRICS_ORACLE_POINTS);
	for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
	{
		double		weight = mr_metrics_oracle_weight(k) / most;

		for (int i = 0; i < many->nprompts; i++)
		{
			const Cell *cells = &many->cells[i * many->nmodels];
			int			pick = 0;

			for (int m = 1; m < many->nmodels; m++)
				if (cells[m].quality - weight * cells[m].expected_cost >
					cells[pick].quality - weight * cells[pick].expected_cost)
					pick = m;
			add_cell(many, i, pick, &router[k]);
		}
	}
}

static void
fill_oracle(const Many *many, const MrPoint *single, MrPoint *oracle)
{
	double	   *score = palloc(sizeof(double) * many->nmodels);
	double	   *cost = palloc(sizeof(double) * many->nmodels);
	double		most = 0;

	memset(oracle, 0, sizeof(MrPoint) * MR_METRICS_ORACLE_POINTS);
	for (int m = 0; m < many->nmodels; m++)
		most = Max(most, single[m].x);
	for (int i = 0; i < many->nprompts; i++)
	{
		for (int m = 0; m < many->nmodels; m++)
		{
			score[m] = many->cells[i * many->nmodels + m].score;
			cost[m] = many->cells[i * many->nmodels + m].cost;
		}
		for (int k = 0; k < MR_METRICS_ORACLE_POINTS; k++)
			add_cell(many, i,
					 mr_metrics_oracle_pick(score, cost, many->nmodels,
											mr_metrics_oracle_weight(k),
											most),
					 &oracle[k]);
	}
}

static double
read_number(void)
{
	double		number;

	if (scanf("%lf", &number) != 1)
	{
		fprintf(stderr, "score: a number is missing\n");
		exit(1);
	}
	return number;
}

static void
print_metric(const char *label, const char *name, double value)
{
	printf("%s\t%s\t%.17g\n", label, name, value);
}

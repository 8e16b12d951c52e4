/*
 * report_curve.c
 *	  The report's first picture: quality by cost, or for a pair of models by
 *	  the share of strong calls.
 */
#include "postgres.h"

#include "router/metrics.h"
#include "router/report_internal.h"

/* The axis of costs is logarithmic from this ratio on. */
#define LOG_RATIO		5

/* Straight pieces of a line that is bent by a logarithmic axis. */
#define LINE_PIECES		24

static const MrBox frame = {0, 0, 760, 480};
static const MrBox plot = {56, 36, 742, 424};

typedef struct Curve
{
	MrReport   *report;
	MrAxis		x;
	MrAxis		y;
	MrLabels	labels;
	double		(*x_of) (const MrReport *report, const MrEvaluationRow *row);
} Curve;

static void start_curve(Curve *curve);
static void draw_band(Curve *curve, const MrEvaluationRow *const *sweep,
					  int n);
static void draw_router(Curve *curve, const MrEvaluationRow *const *sweep,
						int n);
static const MrEvaluationRow **sorted_sweep(const Curve *curve, int *n);
static void draw_mixed(Curve *curve, const MrPoint *points, int n);
static void draw_marks(Curve *curve);
static void draw_singles(Curve *curve);
static void draw_labels(Curve *curve);
static void draw_guide(Curve *curve, const char *name, double share,
					   const char *text);
static void write_legend(MrReport *report, bool pair);

/* ----------
 * Many models
 * ----------
 */

static double
cost_of(const MrReport *report, const MrEvaluationRow *row)
{
	return row->cost_usd.value;
}

static MrAxis
cost_axis(const MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		least = INFINITY;
	double		most = 0;

	for (int i = 0; i < evaluation->nrows; i++)
	{
		least = Min(least, evaluation->rows[i].cost_usd.value);
		most = Max(most, evaluation->rows[i].cost_usd.value);
	}
	if (least > 0 && most > LOG_RATIO * least)
		return mr_axis_log(least, most, plot.left, plot.right);
	return mr_axis_linear(least, most, plot.left, plot.right);
}

static MrAxis
quality_axis(const MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		least = 1;
	double		most = 0;
	MrAxis		axis;

	for (int i = 0; i < evaluation->nrows; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];
		bool		band = row->policy == MR_POLICY_ROUTER &&
			mr_report_has_interval(&row->quality);

		least = Min(least, band ? row->quality.low : row->quality.value);
		most = Max(most, band ? row->quality.high : row->quality.value);
	}
	axis = mr_axis_linear(least, most, plot.bottom, plot.top);
	axis.low = Max(axis.low, Min(least, 0) - .005);
	axis.high = Min(axis.high, Max(most, 1) + .005);
	return axis;
}

void
mr_report_curve(MrReport *report)
{
	Curve		curve = {.report = report, .x = cost_axis(report),
	.y = quality_axis(report), .x_of = cost_of};
	const MrEvaluationRow *rows = mr_report_singles(report);
	int			nmodels = report->outcomes->nmodels;
	MrPoint    *single = palloc(sizeof(MrPoint) * nmodels);
	MrPoint    *hull = palloc(sizeof(MrPoint) * nmodels);

	appendStringInfoString(report->out, "<h2>Quality by cost</h2>\n"
						   "<p class=\"soft\">Up and to the left is better. The router's line shows what it reaches from its best quality (right) to its lowest cost (left).</p>\n");
	mr_figure_start(report, &frame, "Quality by cost",
					"Mean score of the router at its operating points, of each model alone, of a random choice and of perfect choices, by mean cost of 1,000 prompts. The table below has the numbers.");
	mr_axis_draw_x(report, &curve.x, &plot, mr_report_usd_tick,
				   "cost of 1,000 prompts");
	mr_axis_draw_y(report, &curve.y, &plot, mr_report_quality_tick, "mean score");
	start_curve(&curve);
	for (int i = 0; i < nmodels; i++)
		single[i] = (MrPoint)
	{
		rows[i].cost_usd.value, rows[i].quality.value
	};
	draw_mixed(&curve, hull, mr_metrics_hull(single, nmodels, hull));
	draw_marks(&curve);
	draw_singles(&curve);
	draw_labels(&curve);
	mr_figure_end(report);
	write_legend(report, false);
	mr_report_points_table(report, "Numbers of this picture");
	appendStringInfoString(report->out, "<figcaption>lambda: the quality that one dollar more for a prompt must bring.</figcaption>\n</figure>\n");
}

/* ----------
 * A pair
 * ----------
 */

static double
strong_share(const MrReport *report, const MrEvaluationRow *row)
{
	return 100 * row->share[report->evaluation->strong];
}

void
mr_report_pair_curve(MrReport *report)
{
	Curve		curve = {.report = report,
		.x = mr_axis_linear(0, 100, plot.left, plot.right),
	.y = quality_axis(report), .x_of = strong_share};
	const MrEvaluation *evaluation = report->evaluation;
	const MrEvaluationRow *single = mr_report_singles(report);
	MrPoint		line[] = {{0, single[evaluation->weak].quality.value},
	{100, single[evaluation->strong].quality.value}};

	appendStringInfo(report->out,
					 "<h2>Quality by share of strong calls</h2>\n<p class=\"soft\">The higher the line bends over the dashed one, the better the router knows which prompts need %s.</p>\n",
					 mr_report_model(report, evaluation->strong));
	mr_figure_start(report, &frame, "Quality by share of strong calls",
					"Mean score of the router by the share of prompts that it sends to the strong model, with a straight line for a random choice. The table below has the numbers.");
	mr_axis_draw_x(report, &curve.x, &plot, mr_report_percent_tick,
				   "share of prompts that go to the strong model");
	mr_axis_draw_y(report, &curve.y, &plot, mr_report_quality_tick, "mean score");
	draw_guide(&curve, "cpt50", .5, "half of the gap");
	draw_guide(&curve, "cpt80", .8, "80 % of the gap");
	start_curve(&curve);
	draw_mixed(&curve, line, 2);
	draw_marks(&curve);
	draw_singles(&curve);
	draw_labels(&curve);
	mr_figure_end(report);
	write_legend(report, true);
	mr_report_points_table(report, "Numbers of this picture");
	appendStringInfoString(report->out, "</figure>\n");
}

/*
 * From the share of the gap on the left to the curve, and down to the calls.
 */
static void
draw_guide(Curve *curve, const char *name, double share, const char *text)
{
	const MrEvaluation *evaluation = curve->report->evaluation;
	const MrInterval *calls = mr_evaluation_metric(evaluation, name);
	const MrEvaluationRow *single = mr_report_singles(curve->report);
	double		weak = single[evaluation->weak].quality.value;
	double		strong = single[evaluation->strong].quality.value;
	double		x;
	double		y;

	if (calls == NULL || isnan(calls->value) || strong <= weak)
		return;
	x = mr_axis_place(&curve->x, calls->value);
	y = mr_axis_place(&curve->y, weak + share * (strong - weak));
	appendStringInfo(curve->report->out,
					 "<path class=\"guide\" fill=\"none\" d=\"M%.1f %.1fH%.1fV%.1f\"/>"
					 "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>"
					 "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
					 plot.left, y, x, plot.bottom, plot.left + 6, y - 5, text,
					 x + 5, plot.bottom - 7, mr_report_percent(calls->value));
}

/* ----------
 * What both draw
 * ----------
 */

static void
start_curve(Curve *curve)
{
	const MrEvaluationRow **sweep;
	int			n;

	mr_labels_init(&curve->labels, &plot,
				   2 * curve->report->evaluation->nrows, 1000);
	sweep = sorted_sweep(curve, &n);
	draw_band(curve, sweep, n);
	draw_router(curve, sweep, n);
}

/*
 * The router's rows from left to right.
 */
static const MrEvaluationRow **
sorted_sweep(const Curve *curve, int *n)
{
	const MrEvaluation *evaluation = curve->report->evaluation;
	const MrEvaluationRow **sweep = palloc(sizeof(MrEvaluationRow *) *
										   evaluation->nsweep);

	*n = 0;
	for (int i = 0; i < evaluation->nsweep; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];
		double		x = curve->x_of(curve->report, row);
		int			place = (*n)++;

		while (place > 0 &&
			   curve->x_of(curve->report, sweep[place - 1]) > x)
		{
			sweep[place] = sweep[place - 1];
			place--;
		}
		sweep[place] = row;
	}
	return sweep;
}

static double
x_at(const Curve *curve, const MrEvaluationRow *row)
{
	return mr_axis_place(&curve->x, curve->x_of(curve->report, row));
}

static double
y_at(const Curve *curve, double quality)
{
	return mr_axis_place(&curve->y, quality);
}

static void
draw_band(Curve *curve, const MrEvaluationRow *const *sweep, int n)
{
	StringInfo	out = curve->report->out;

	if (!mr_report_has_interval(&sweep[0]->quality))
		return;
	appendStringInfoString(out, "<polygon class=\"band\" points=\"");
	for (int i = 0; i < n; i++)
		appendStringInfo(out, "%.1f,%.1f ", x_at(curve, sweep[i]),
						 y_at(curve, sweep[i]->quality.high));
	for (int i = n - 1; i >= 0; i--)
		appendStringInfo(out, "%.1f,%.1f ", x_at(curve, sweep[i]),
						 y_at(curve, sweep[i]->quality.low));
	appendStringInfoString(out, "\"/>\n");
}

static void
draw_router(Curve *curve, const MrEvaluationRow *const *sweep, int n)
{
	StringInfo	out = curve->report->out;

	appendStringInfoString(out, "<polyline class=\"router\" points=\"");
	for (int i = 0; i < n; i++)
	{
		double		x = x_at(curve, sweep[i]);
		double		y = y_at(curve, sweep[i]->quality.value);

		appendStringInfo(out, "%.1f,%.1f ", x, y);
		if (i > 0)
			mr_labels_avoid_line(&curve->labels, x_at(curve, sweep[i - 1]),
								 y_at(curve, sweep[i - 1]->quality.value),
								 x, y);
	}
	appendStringInfoString(out, "\"/>\n");
	for (int i = 0; i < n; i++)
		appendStringInfo(out,
						 "<circle class=\"step\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s: %s</title></circle>\n",
						 x_at(curve, sweep[i]),
						 y_at(curve, sweep[i]->quality.value),
						 mr_report_escape(sweep[i]->point),
						 mr_report_quality(sweep[i]->quality.value));
}

/*
 * Mixing models at random leads along straight lines, which a logarithmic
 * axis bends.
 */
static void
draw_mixed(Curve *curve, const MrPoint *points, int n)
{
	StringInfo	out = curve->report->out;
	double		last_x = 0;
	double		last_y = 0;

	if (n < 2)
		return;
	appendStringInfoString(out, "<polyline class=\"mixed\" points=\"");
	for (int i = 0; i <= (n - 1) * LINE_PIECES; i++)
	{
		const MrPoint *from = &points[i / LINE_PIECES];
		const MrPoint *to = i / LINE_PIECES + 1 < n ? from + 1 : from;
		double		at = (double) (i % LINE_PIECES) / LINE_PIECES;
		double		x = mr_axis_place(&curve->x,
									  from->x + at * (to->x - from->x));
		double		y = mr_axis_place(&curve->y,
									  from->y + at * (to->y - from->y));

		appendStringInfo(out, "%.1f,%.1f ", x, y);
		if (i > 0)
			mr_labels_avoid_line(&curve->labels, last_x, last_y, x, y);
		last_x = x;
		last_y = y;
	}
	appendStringInfoString(out, "\"/>\n");
}

/*
 * Random, oracle, and the router at objective quality; the models come on top
 * of them.
 */
static void
draw_marks(Curve *curve)
{
	const MrEvaluation *evaluation = curve->report->evaluation;
	StringInfo	out = curve->report->out;
	const MrEvaluationRow *row = mr_evaluation_row(evaluation,
												   MR_POLICY_RANDOM);
	double		x = x_at(curve, row);
	double		y = y_at(curve, row->quality.value);

	mr_labels_take(&curve->labels, x, y, 6);
	appendStringInfo(out,
					 "<path class=\"randomdot\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\"/>\n",
					 x - 5, y - 5);
	row = mr_evaluation_row(evaluation, MR_POLICY_ORACLE);
	x = x_at(curve, row);
	y = y_at(curve, row->quality.value);
	mr_labels_take(&curve->labels, x, y, 7);
	appendStringInfo(out,
					 "<path class=\"oracledot\" d=\"M%.1f %.1fl7 7l-7 7l-7 -7z\"/>\n",
					 x, y - 7);
	row = &evaluation->rows[0];
	x = x_at(curve, row);
	y = y_at(curve, row->quality.value);
	mr_labels_take(&curve->labels, x, y, 7);
	appendStringInfo(out,
					 "<circle class=\"first\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\"/>\n",
					 x, y);
}

static void
draw_singles(Curve *curve)
{
	const MrEvaluation *evaluation = curve->report->evaluation;

	for (int i = 0; i < evaluation->nrows; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];
		double		x = x_at(curve, row);
		double		y = y_at(curve, row->quality.value);
		bool		best = row->model == evaluation->best_single;

		if (row->policy != MR_POLICY_SINGLE)
			continue;
		mr_labels_take(&curve->labels, x, y, best ? 7 : 6);
		appendStringInfo(curve->report->out,
						 "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%s: %s</title></circle>\n",
						 best ? "bestdot" : "dot", x, y, best ? "5.5" : "4.5",
						 mr_report_escape(row->point),
						 mr_report_quality(row->quality.value));
	}
}

/*
 * The more important a label, the sooner it takes its place; models by
 * quality.
 */
static void
draw_labels(Curve *curve)
{
	static const struct
	{
		MrPolicy	policy;
		const char *label;
	}			marks[] =
	{
		{MR_POLICY_ROUTER, "router, for quality"},
		{MR_POLICY_ORACLE, "perfect choices"},
		{MR_POLICY_RANDOM, "random"}
	};
	MrReport   *report = curve->report;
	const MrEvaluationRow *single = mr_report_singles(report);
	int		   *order = mr_report_by_quality(report);

	for (int i = 0; i < (int) lengthof(marks); i++)
	{
		const MrEvaluationRow *row = mr_evaluation_row(report->evaluation,
													   marks[i].policy);

		mr_labels_draw(report, &curve->labels, x_at(curve, row),
					   y_at(curve, row->quality.value), marks[i].label);
	}
	for (int k = 0; k < report->outcomes->nmodels; k++)
	{
		const MrEvaluationRow *row = &single[order[k]];

		mr_labels_draw(report, &curve->labels, x_at(curve, row),
					   y_at(curve, row->quality.value), row->point);
	}
	pfree(order);
}

static void
write_legend(MrReport *report, bool pair)
{
	bool		band =
		mr_report_has_interval(&report->evaluation->rows[0].quality);

	appendStringInfo(report->out, "<ul class=\"legend\">\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><rect class=\"band\" width=\"32\" height=\"16\"/><path class=\"router\" d=\"M0 8H32\"/></svg>router%s</li>\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><path class=\"mixed\" d=\"M0 8H32\"/></svg>%s</li>\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><circle class=\"bestdot\" cx=\"16\" cy=\"8\" r=\"6.5\"/></svg>best single model</li>\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><circle class=\"dot\" cx=\"16\" cy=\"8\" r=\"5\"/></svg>%s</li>\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><path class=\"randomdot\" d=\"M11 3l10 10m0 -10l-10 10\"/></svg>a model at random</li>\n"
					 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><path class=\"oracledot\" d=\"M16 1l7 7l-7 7l-7 -7z\"/></svg>perfect choices (oracle)</li>\n</ul>\n",
					 band ? psprintf(", with its %s interval",
									 mr_report_level(report)) : "",
					 pair ? "prompts sent at random" :
					 "single models, mixed at random",
					 pair ? "the other model" : "other single models");
}

/*
 * report_ranking.c
 *	  The report's first picture where costs are not known: policies and models
 *	  by quality.
 */
#include "postgres.h"

#include "router/report_internal.h"

/* Lines of the picture; the table has them all. */
#define MAX_LINES		40
#define LINE_HEIGHT		24

static const MrBox plot_top = {230, 8, 742, 8};

static int	rank_rows(const MrReport *report, const MrEvaluationRow **rows);
static bool is_shown(const MrReport *report, const MrEvaluationRow *row);
static void draw_line(MrReport *report, const MrAxis *axis, double y,
					  const MrEvaluationRow *row);

void
mr_report_ranking(MrReport *report)
{
	const MrEvaluationRow **rows = palloc(sizeof(MrEvaluationRow *) *
										  report->evaluation->nrows);
	int			n = rank_rows(report, rows);
	MrBox		plot = plot_top;
	MrBox		frame = {0, 0, 760, plot_top.top + n * LINE_HEIGHT + 52};
	double		least = 1;
	double		most = 0;
	MrAxis		axis;

	plot.bottom = plot.top + n * LINE_HEIGHT;
	for (int i = 0; i < n; i++)
	{
		bool		known = mr_report_has_interval(&rows[i]->quality);

		least = Min(least, known ? rows[i]->quality.low :
					rows[i]->quality.value);
		most = Max(most, known ? rows[i]->quality.high :
				   rows[i]->quality.value);
	}
	axis = mr_axis_linear(least, most, plot.left, plot.right);
	appendStringInfoString(report->out, "<h2>Quality</h2>\n");
	mr_figure_start(report, &frame, "Quality",
					"Mean score of the router, of each model alone, of a random choice and of perfect choices. The table below has the numbers.");
	mr_axis_draw_x(report, &axis, &plot, mr_report_quality_tick, "mean score");
	for (int i = 0; i < n; i++)
		draw_line(report, &axis, plot.top + (i + .5) * LINE_HEIGHT, rows[i]);
	mr_figure_end(report);
	mr_report_points_table(report, "Numbers of this picture");
	appendStringInfoString(report->out, "</figure>\n");
	pfree(rows);
}

/*
 * The best first.  Of too many models the worst are left out.
 */
static int
rank_rows(const MrReport *report, const MrEvaluationRow **rows)
{
	int			n = 0;

	for (int i = 0; i < report->evaluation->nrows; i++)
	{
		const MrEvaluationRow *row = &report->evaluation->rows[i];
		int			place = n;

		if (!is_shown(report, row))
			continue;
		n++;
		while (place > 0 &&
			   rows[place - 1]->quality.value < row->quality.value)
		{
			rows[place] = rows[place - 1];
			place--;
		}
		rows[place] = row;
	}
	return Min(n, MAX_LINES);
}

static bool
is_shown(const MrReport *report, const MrEvaluationRow *row)
{
	if (report->outcomes->nmodels == 1)
		return row->policy == MR_POLICY_SINGLE;
	return row->policy == MR_POLICY_SINGLE ||
		row->policy == MR_POLICY_RANDOM || row->policy == MR_POLICY_ORACLE ||
		row == &report->evaluation->rows[0];
}

static void
draw_line(MrReport *report, const MrAxis *axis, double y,
		  const MrEvaluationRow *row)
{
	double		x = mr_axis_place(axis, row->quality.value);
	bool		best = row->policy == MR_POLICY_SINGLE &&
		row->model == report->evaluation->best_single;
	const char *class = row->policy == MR_POLICY_ROUTER ? "first" :
		row->policy == MR_POLICY_ORACLE ? "oracledot" :
		best ? "bestdot" : "dot";
	const char *name = row->policy == MR_POLICY_ROUTER ? "router" :
		row->policy == MR_POLICY_ORACLE ? "perfect choices" :
		row->policy == MR_POLICY_RANDOM ? "random" : row->point;
	int			columns;

	appendStringInfo(report->out,
					 "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
					 row->policy == MR_POLICY_ROUTER ? "strong" : "text",
					 plot_top.left - 12, y + 4,
					 mr_report_short_name(name, &columns));
	if (mr_report_has_interval(&row->quality))
		appendStringInfo(report->out,
						 "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
						 mr_axis_place(axis, row->quality.low), y,
						 mr_axis_place(axis, row->quality.high), y);
	appendStringInfo(report->out,
					 "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5.5\"><title>%s: %s</title></circle>\n",
					 class, x, y, mr_report_escape(name),
					 mr_report_quality(row->quality.value));
}

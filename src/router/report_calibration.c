/*
 * report_calibration.c
 *	  Whether expected quality comes true: a dot per bin beside the diagonal.
 */
#include "postgres.h"

#include "router/report_internal.h"

static const MrBox frame = {0, 0, 760, 430};
static const MrBox plot = {56, 36, 742, 374};

static void fit_axes(const MrReport *report, MrAxis *x, MrAxis *y);
static void draw_ideal(MrReport *report, const MrAxis *x, const MrAxis *y);
static void draw_bin(MrReport *report, const MrAxis *x, const MrAxis *y,
					 const MrCalibrationBin *bin);
static void write_table(MrReport *report);

void
mr_report_calibration(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	MrAxis		x;
	MrAxis		y;
	int64		cells = 0;

	if (evaluation->nbins == 0)
		return;
	fit_axes(report, &x, &y);
	for (int i = 0; i < evaluation->nbins; i++)
		cells += evaluation->bins[i].count;
	appendStringInfo(report->out, "<h2>Does expected quality come true?</h2>\n"
					 "<p class=\"soft\">All %s pairs of a prompt and a model, in groups of about %s by what the router expected. On the dashed line, what comes is what was expected; above it the router was too cautious, below it too sure.</p>\n",
					 mr_report_count(cells),
					 mr_report_count(cells / evaluation->nbins));
	mr_figure_start(report, &frame, "Expected quality and mean score",
					"Mean score by expected quality. The table below has the numbers.");
	mr_axis_draw_x(report, &x, &plot, mr_report_quality_tick, "expected quality");
	mr_axis_draw_y(report, &y, &plot, mr_report_quality_tick, "mean score");
	draw_ideal(report, &x, &y);
	for (int i = 0; i < evaluation->nbins; i++)
		draw_bin(report, &x, &y, &evaluation->bins[i]);
	mr_figure_end(report);
	write_table(report);
	appendStringInfoString(report->out, "</figure>\n");
}

/*
 * One range for both, so that the diagonal is one.
 */
static void
fit_axes(const MrReport *report, MrAxis *x, MrAxis *y)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		least = 1;
	double		most = 0;

	for (int i = 0; i < evaluation->nbins; i++)
	{
		const MrCalibrationBin *bin = &evaluation->bins[i];
		bool		known = mr_report_has_interval(&bin->quality);

		least = Min(least, Min(bin->expected, known ? bin->quality.low :
							   bin->quality.value));
		most = Max(most, Max(bin->expected, known ? bin->quality.high :
							 bin->quality.value));
	}
	*x = mr_axis_linear(least, most, plot.left, plot.right);
	x->low = Max(x->low, -.02);
	x->high = Min(x->high, 1.02);
	*y = *x;
	y->from = plot.bottom;
	y->to = plot.top;
}

static void
draw_ideal(MrReport *report, const MrAxis *x, const MrAxis *y)
{
	appendStringInfo(report->out,
					 "<line class=\"ideal\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
					 x->from, y->from, x->to, y->to);
}

static void
draw_bin(MrReport *report, const MrAxis *x, const MrAxis *y,
		 const MrCalibrationBin *bin)
{
	double		at = mr_axis_place(x, bin->expected);

	if (mr_report_has_interval(&bin->quality))
		appendStringInfo(report->out,
						 "<line class=\"whisker\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
						 at, mr_axis_place(y, bin->quality.low), at,
						 mr_axis_place(y, bin->quality.high));
	appendStringInfo(report->out,
					 "<circle class=\"first\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"><title>expected %s, came %s, in %s cases</title></circle>\n",
					 at, mr_axis_place(y, bin->quality.value),
					 mr_report_quality(bin->expected),
					 mr_report_quality(bin->quality.value),
					 mr_report_count(bin->count));
}

static void
write_table(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;

	appendStringInfoString(report->out, "<details><summary>Numbers of this picture</summary>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">expected quality</th><th scope=\"col\">mean score</th><th scope=\"col\">interval</th><th scope=\"col\">cases</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < evaluation->nbins; i++)
	{
		const MrCalibrationBin *bin = &evaluation->bins[i];

		appendStringInfo(report->out,
						 "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
						 mr_report_quality(bin->expected),
						 mr_report_quality(bin->quality.value),
						 mr_report_range(&bin->quality, mr_report_quality),
						 mr_report_count(bin->count));
	}
	appendStringInfoString(report->out, "</tbody></table></div></details>\n");
}

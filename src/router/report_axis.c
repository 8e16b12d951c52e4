/*
 * report_axis.c
 *	  Figures and their axes: from values to pixels, ticks at round numbers,
 *	  grid lines.
 */
#include "postgres.h"

#include "router/report_internal.h"

/* Ticks that a linear axis aims at. */
#define TICKS	6

/* Decades from which on a logarithmic axis shows 1 and 3, and 1 only. */
#define FEW_DECADES		2.2
#define SOME_DECADES	4.2

static double round_step(double step);
static int	linear_ticks(const MrAxis *axis, double *ticks);
static int	log_ticks(const MrAxis *axis, double *ticks);

/* ----------
 * Figures
 * ----------
 */

/*
 * Opens a figure and its SVG, frame in size, with a title and a description
 * for those who cannot see it.
 */
void
mr_figure_start(MrReport *report, const MrBox *frame, const char *title,
				const char *description)
{
	int			number = ++report->nfigures;

	appendStringInfo(report->out,
					 "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"%s\">\n"
					 "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"t%d d%d\">\n"
					 "<title id=\"t%d\">%s</title>\n<desc id=\"d%d\">%s</desc>\n",
					 title, frame->right, frame->bottom, number, number,
					 number, title, number, description);
}

/*
 * Closes the SVG; the caller adds legend and table, and closes the figure.
 */
void
mr_figure_end(MrReport *report)
{
	appendStringInfoString(report->out, "</svg>\n</div>\n");
}

/* ----------
 * Axes
 * ----------
 */

/*
 * An axis that holds low and high with some room on both sides.
 */
MrAxis
mr_axis_linear(double low, double high, double from, double to)
{
	double		room = .05 * (high - low);

	if (room <= 0)
		room = Max(.1 * fabs(high), .01);
	return (MrAxis)
	{
		low - room, high + room, from, to, false
	};
}

/* The same for positive values, by their logarithm. */
MrAxis
mr_axis_log(double low, double high, double from, double to)
{
	double		room = pow(high / low, .05);

	return (MrAxis)
	{
		low / room, high * room, from, to, true
	};
}

double
mr_axis_place(const MrAxis *axis, double value)
{
	double		share = axis->log ?
		log(value / axis->low) / log(axis->high / axis->low) :
		(value - axis->low) / (axis->high - axis->low);

	return axis->from + share * (axis->to - axis->from);
}

/*
 * Round values on the axis, at most MR_AXIS_MAX_TICKS.
 */
int
mr_axis_ticks(const MrAxis *axis, double *ticks)
{
	int			n = axis->log ? log_ticks(axis, ticks) : 0;

	return n >= 2 ? n : linear_ticks(axis, ticks);
}

static int
linear_ticks(const MrAxis *axis, double *ticks)
{
	double		step = round_step((axis->high - axis->low) / TICKS);
	double		first = ceil(axis->low / step - 1e-9);
	int			n = 0;

	while (n < MR_AXIS_MAX_TICKS && (first + n) * step <=
		   axis->high + 1e-9 * step)
	{
		ticks[n] = (first + n) * step;
		n++;
	}
	return n;
}

/*
 * 1, 2 or 5 times a power of ten.
 */
static double
round_step(double step)
{
	double		power = pow(10, floor(log10(step)));

	if (step <= 1.001 * power)
		return power;
	if (step <= 2.001 * power)
		return 2 * power;
	return step <= 5.001 * power ? 5 * power : 10 * power;
}

static int
log_ticks(const MrAxis *axis, double *ticks)
{
	static const double one[] = {1, 0};
	static const double two[] = {1, 3, 0};
	static const double three[] = {1, 2, 5, 0};
	double		decades = log10(axis->high / axis->low);
	const double *digits = decades < FEW_DECADES ? three :
		decades < SOME_DECADES ? two : one;
	int			n = 0;

	for (int power = (int) floor(log10(axis->low));
		 power <= (int) ceil(log10(axis->high)); power++)
	{
		for (const double *digit = digits; *digit > 0; digit++)
		{
			double		tick = *digit * pow(10, power);

			if (tick >= axis->low && tick <= axis->high &&
				n < MR_AXIS_MAX_TICKS)
				ticks[n++] = tick;
		}
	}
	return n;
}

void
mr_axis_draw_x(MrReport *report, const MrAxis *axis, const MrBox *plot,
			   char *(*format) (double), const char *label)
{
	double		ticks[MR_AXIS_MAX_TICKS];
	int			n = mr_axis_ticks(axis, ticks);

	for (int i = 0; i < n; i++)
	{
		double		x = mr_axis_place(axis, ticks[i]);

		appendStringInfo(report->out,
						 "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
						 "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
						 x, plot->top, x, plot->bottom, x, plot->bottom + 18,
						 format(ticks[i]));
	}
	appendStringInfo(report->out,
					 "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n"
					 "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
					 plot->left, plot->bottom, plot->right, plot->bottom,
					 (plot->left + plot->right) / 2, plot->bottom + 40, label);
}

/*
 * The label stands above the axis, where it reads without turning the head.
 */
void
mr_axis_draw_y(MrReport *report, const MrAxis *axis, const MrBox *plot,
			   char *(*format) (double), const char *label)
{
	double		ticks[MR_AXIS_MAX_TICKS];
	int			n = mr_axis_ticks(axis, ticks);

	for (int i = 0; i < n; i++)
	{
		double		y = mr_axis_place(axis, ticks[i]);

		appendStringInfo(report->out,
						 "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
						 "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
						 plot->left, y, plot->right, y, plot->left - 8, y + 4,
						 format(ticks[i]));
	}
	appendStringInfo(report->out,
					 "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
					 plot->left - 44, plot->top - 12, label);
}

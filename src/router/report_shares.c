/*
 * report_shares.c
 *	  Which model answers, at each of the router's operating points: stacked
 *	  bars from best quality to lowest cost.
 *
 * The models that answer most have colours of their own; the others share
 * one.  Within a bar the cheap stand below the dear.
 */
#include "postgres.h"

#include "router/report_internal.h"

/* Of a label's character, and between labels. */
#define CHARACTER_WIDTH	7
#define LABEL_GAP		9

static const MrBox frame = {0, 0, 760, 340};
static const MrBox plot = {56, 36, 742, 284};

/* The models in stacking order; ncolours of them have a colour. */
typedef struct Stack
{
	int			order[MR_REPORT_COLOURS];
	int			n;
	bool		others;			/* is there anything beside them */
} Stack;

static void choose_models(const MrReport *report, Stack *stack);
static double mean_share(const MrReport *report, int model);
static void sort_by_cost(const MrReport *report, Stack *stack);
static void draw_bars(MrReport *report, const Stack *stack);
static double label_width(const MrReport *report);
static void draw_bar(MrReport *report, const Stack *stack, double x,
					 double width, const MrEvaluationRow *row);
static double other_share(const Stack *stack, const MrEvaluationRow *row);
static void write_legend(MrReport *report, const Stack *stack);
static void write_table(MrReport *report, const Stack *stack);

void
mr_report_shares(MrReport *report)
{
	MrAxis		axis = {0, 100, plot.bottom, plot.top, false};
	Stack		stack;

	choose_models(report, &stack);
	appendStringInfoString(report->out, "<h2>Which model answers</h2>\n"
						   "<p class=\"soft\">Each bar is an operating point of the router: best quality on the left, lowest cost on the right. Within a bar, the dearest model is on top.</p>\n");
	mr_figure_start(report, &frame, "Which model answers",
					"Share of prompts that each model answers, at each operating point of the router. The table below has the numbers.");
	mr_axis_draw_y(report, &axis, &plot, mr_report_percent_tick, "share of prompts");
	draw_bars(report, &stack);
	mr_figure_end(report);
	write_legend(report, &stack);
	write_table(report, &stack);
	appendStringInfoString(report->out, "</figure>\n");
}

/*
 * Those with the largest share over the sweep.
 */
static void
choose_models(const MrReport *report, Stack *stack)
{
	int			nmodels = report->outcomes->nmodels;
	double	   *share = palloc(sizeof(double) * nmodels);

	*stack = (Stack)
	{
		.n = 0
	};
	for (int m = 0; m < nmodels; m++)
		share[m] = mean_share(report, m);
	while (stack->n < MR_REPORT_COLOURS)
	{
		int			most = 0;

		for (int m = 1; m < nmodels; m++)
			if (share[m] > share[most])
				most = m;
		if (share[most] <= 0)
			break;
		stack->order[stack->n++] = most;
		share[most] = 0;
	}
	for (int m = 0; m < nmodels; m++)
		stack->others = stack->others || share[m] > 0;
	sort_by_cost(report, stack);
	pfree(share);
}

static double
mean_share(const MrReport *report, int model)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		sum = 0;

	for (int i = 0; i < evaluation->nsweep; i++)
		sum += evaluation->rows[i].share[model];
	return sum / evaluation->nsweep;
}

static void
sort_by_cost(const MrReport *report, Stack *stack)
{
	const MrEvaluationRow *single = mr_report_singles(report);

	for (int i = 1; i < stack->n; i++)
	{
		int			model = stack->order[i];
		int			place = i;

		while (place > 0 && single[stack->order[place - 1]].cost_usd.value >
			   single[model].cost_usd.value)
		{
			stack->order[place] = stack->order[place - 1];
			place--;
		}
		stack->order[place] = model;
	}
}

static void
draw_bars(MrReport *report, const Stack *stack)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		width = (plot.right - plot.left) / evaluation->nsweep;
	int			every = (int) ceil(label_width(report) / width);

	for (int i = 0; i < evaluation->nsweep; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];
		double		x = plot.left + i * width;

		draw_bar(report, stack, x + width * .06, width * .88, row);
		if (i % every == 0)
			appendStringInfo(report->out,
							 "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
							 x + width / 2, plot.bottom + 18,
							 mr_report_usd_per_1000(row->cost_usd.value));
	}
	appendStringInfo(report->out,
					 "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">cost of 1,000 prompts</text>\n",
					 (plot.left + plot.right) / 2, plot.bottom + 40);
}

/*
 * What the widest label takes.
 */
static double
label_width(const MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	int			most = 0;

	for (int i = 0; i < evaluation->nsweep; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];
		int			length =
			strlen(mr_report_usd_per_1000(row->cost_usd.value));

		most = Max(most, length);
	}
	return most * CHARACTER_WIDTH + LABEL_GAP;
}

static void
draw_bar(MrReport *report, const Stack *stack, double x, double width,
		 const MrEvaluationRow *row)
{
	double		bottom = plot.bottom;

	for (int k = -1; k < stack->n; k++)
	{
		double		share = k < 0 ? other_share(stack, row) :
			row->share[stack->order[k]];
		double		height = share * (plot.bottom - plot.top);

		if (share <= 0)
			continue;
		bottom -= height;
		appendStringInfo(report->out,
						 "<rect class=\"seg c%d\" x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"><title>%s: %s at %s</title></rect>\n",
						 k + 1, x, bottom, width, height,
						 k < 0 ? "other models" :
						 mr_report_model(report, stack->order[k]),
						 mr_report_percent(100 * share),
						 mr_report_escape(row->point));
	}
}

static double
other_share(const Stack *stack, const MrEvaluationRow *row)
{
	double		share = 1;

	for (int k = 0; k < stack->n; k++)
		share -= row->share[stack->order[k]];
	return stack->others && share > 1e-9 ? share : 0;
}

/*
 * From the top of the bars down.
 */
static void
write_legend(MrReport *report, const Stack *stack)
{
	appendStringInfoString(report->out, "<ul class=\"legend\">\n");
	for (int k = stack->n - 1; k >= (stack->others ? -1 : 0); k--)
		appendStringInfo(report->out,
						 "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\"><rect class=\"c%d\" width=\"32\" height=\"16\" rx=\"3\"/></svg>%s</li>\n",
						 k + 1, k < 0 ? "other models" :
						 mr_report_model(report, stack->order[k]));
	appendStringInfoString(report->out, "</ul>\n");
}

static void
write_table(MrReport *report, const Stack *stack)
{
	const MrEvaluation *evaluation = report->evaluation;
	StringInfo	out = report->out;

	appendStringInfoString(out, "<details><summary>Numbers of this picture</summary>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">operating point</th>");
	for (int k = stack->n - 1; k >= 0; k--)
		appendStringInfo(out, "<th scope=\"col\">%s</th>",
						 mr_report_model(report, stack->order[k]));
	if (stack->others)
		appendStringInfoString(out, "<th scope=\"col\">other models</th>");
	appendStringInfoString(out, "</tr></thead>\n<tbody>\n");
	for (int i = 0; i < evaluation->nsweep; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];

		appendStringInfo(out, "<tr><th scope=\"row\">%s</th>",
						 mr_report_escape(row->point));
		for (int k = stack->n - 1; k >= 0; k--)
			appendStringInfo(out, "<td>%s</td>",
							 mr_report_percent(100 *
											   row->share[stack->order[k]]));
		if (stack->others)
			appendStringInfo(out, "<td>%s</td>",
							 mr_report_percent(100 * other_share(stack, row)));
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table></div></details>\n");
}

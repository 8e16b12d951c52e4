/*
 * report_tables.c
 *	  The report's tables: models, kinds of prompt, operating points, and every
 *	  number of the summary.
 */
#include "postgres.h"

#include "router/report_internal.h"

static char *(*metric_format(const char *name)) (double);
static void write_gain_bar(MrReport *report, double gain, double most);
static void write_share_bar(MrReport *report, double share);
static void write_interval_cell(MrReport *report, const MrInterval *interval,
								char *(*format) (double));
static char *category_words(MrCategory category);

/*
 * Each model alone, best first, and how often the router picks it.
 */
void
mr_report_models(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	const MrEvaluationRow *single = mr_report_singles(report);
	bool		costs = evaluation->cost_source != MR_COST_SOURCE_NONE;
	int		   *order = mr_report_by_quality(report);

	appendStringInfo(report->out, "<h2>The models</h2>\n"
					 "<p class=\"soft\">Each alone on all prompts, and how often the router picks it when it goes for quality.</p>\n"
					 "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"The models\"><table>\n<thead><tr><th scope=\"col\">model</th><th scope=\"col\">mean score</th>%s<th scope=\"col\">picked</th></tr></thead>\n<tbody>\n",
					 costs ? "<th scope=\"col\">cost of 1,000</th>" : "");
	for (int k = 0; k < report->outcomes->nmodels; k++)
	{
		const MrEvaluationRow *row = &single[order[k]];

		appendStringInfo(report->out, "<tr><th scope=\"row\">%s</th>",
						 mr_report_escape(row->point));
		write_interval_cell(report, &row->quality, mr_report_quality);
		if (costs)
			appendStringInfo(report->out, "<td>%s</td>",
							 mr_report_usd_per_1000(row->cost_usd.value));
		write_share_bar(report, evaluation->rows[0].share[order[k]]);
		appendStringInfoString(report->out, "</tr>\n");
	}
	appendStringInfoString(report->out, "</tbody></table></div>\n");
	pfree(order);
}

void
mr_report_categories(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	double		most = 0;

	if (report->outcomes->nmodels == 1)
		return;
	for (int i = 0; i < evaluation->ncategories; i++)
		most = Max(most, fabs(evaluation->categories[i].gain.value));
	appendStringInfo(report->out, "<h2>By kind of prompt</h2>\n"
					 "<p class=\"soft\">The router when it goes for quality, against %s for every prompt.</p>\n"
					 "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"By kind of prompt\"><table>\n<thead><tr><th scope=\"col\">kind</th><th scope=\"col\">prompts</th><th scope=\"col\">router</th><th scope=\"col\">best single</th><th scope=\"col\">perfect</th><th scope=\"col\">router gains</th><th scope=\"col\"></th></tr></thead>\n<tbody>\n",
					 mr_report_model(report, evaluation->best_single));
	for (int i = 0; i < evaluation->ncategories; i++)
	{
		const MrCategoryRow *row = &evaluation->categories[i];

		appendStringInfo(report->out,
						 "<tr><th scope=\"row\">%s</th><td>%s <span class=\"soft\">%s</span></td><td>%s</td><td>%s</td><td>%s</td>",
						 category_words(row->category),
						 mr_report_count(row->nprompts),
						 mr_report_percent(100.0 * row->nprompts /
										   report->outcomes->nprompts),
						 mr_report_quality(row->router),
						 mr_report_quality(row->best_single),
						 mr_report_quality(row->oracle));
		write_interval_cell(report, &row->gain, mr_report_signed);
		write_gain_bar(report, row->gain.value, most);
		appendStringInfoString(report->out, "</tr>\n");
	}
	appendStringInfoString(report->out, "</tbody></table></div>\n");
}

/*
 * Every operating point, folded away below the first picture.
 */
void
mr_report_points_table(MrReport *report, const char *summary)
{
	const MrEvaluation *evaluation = report->evaluation;
	bool		costs = evaluation->cost_source != MR_COST_SOURCE_NONE;
	bool		pair = evaluation->strong >= 0;

	appendStringInfo(report->out,
					 "<details><summary>%s</summary>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">policy</th><th scope=\"col\" class=\"text\">point</th>%s<th scope=\"col\">mean score</th><th scope=\"col\">expected</th>%s</tr></thead>\n<tbody>\n",
					 summary,
					 pair ? "<th scope=\"col\">strong calls</th>" : "",
					 costs ? "<th scope=\"col\">cost of 1,000</th>" : "");
	for (int i = 0; i < evaluation->nrows; i++)
	{
		const MrEvaluationRow *row = &evaluation->rows[i];

		appendStringInfo(report->out,
						 "<tr><th scope=\"row\">%s</th><td class=\"text\">%s</td>",
						 mr_policy_name(row->policy),
						 mr_report_escape(row->point));
		if (pair)
			appendStringInfo(report->out, "<td>%s</td>",
							 mr_report_percent(100 *
											   row->share[evaluation->strong]));
		write_interval_cell(report, &row->quality, mr_report_quality);
		appendStringInfo(report->out, "<td>%s</td>",
						 mr_report_quality(row->expected_quality));
		if (costs)
			appendStringInfo(report->out, "<td>%s</td>",
							 mr_report_usd_per_1000(row->cost_usd.value));
		appendStringInfoString(report->out, "</tr>\n");
	}
	appendStringInfoString(report->out, "</tbody></table></div></details>\n");
}

/*
 * The summary with what each number means.
 */
void
mr_report_metrics(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;

	appendStringInfoString(report->out, "<h2>All numbers</h2>\n"
						   "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"All numbers\"><table>\n<thead><tr><th scope=\"col\">name</th><th scope=\"col\">value</th><th scope=\"col\">interval</th><th scope=\"col\" class=\"text\">meaning</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < evaluation->nmetrics; i++)
	{
		const MrEvaluationMetric *metric = &evaluation->metrics[i];
		char	   *(*format) (double) = metric_format(metric->name);

		appendStringInfo(report->out,
						 "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td class=\"text\">%s</td></tr>\n",
						 metric->name, format(metric->interval.value),
						 mr_report_range(&metric->interval, format),
						 mr_report_escape(metric->meaning));
	}
	appendStringInfoString(report->out, "</tbody></table></div>\n");
}

/*
 * Percentages, differences and the rest.
 */
static char *(*metric_format(const char *name)) (double)
{
	if (strncmp(name, "cpt", 3) == 0 || strstr(name, "_saved_") != NULL)
		return mr_report_percent;
	if (strstr(name, "_gain") != NULL && strstr(name, "_p") == NULL)
		return mr_report_signed;
	return mr_report_quality;
}

/* ----------
 * Cells
 * ----------
 */

static void
write_interval_cell(MrReport *report, const MrInterval *interval,
					char *(*format) (double))
{
	char	   *range = mr_report_range(interval, format);

	appendStringInfo(report->out, "<td>%s", format(interval->value));
	if (*range != '\0')
		appendStringInfo(report->out, " <span class=\"soft\">(%s)</span>",
						 range);
	appendStringInfoString(report->out, "</td>");
}

static void
write_share_bar(MrReport *report, double share)
{
	appendStringInfo(report->out,
					 "<td><svg class=\"bar\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" width=\"100\" height=\"12\"/><rect class=\"step\" width=\"%.1f\" height=\"12\"/></svg><span class=\"after\">%s</span></td>",
					 100 * share, mr_report_percent(100 * share));
}

/*
 * To the right what is gained, to the left what is lost.
 */
static void
write_gain_bar(MrReport *report, double gain, double most)
{
	double		width = most > 0 ? 50 * fabs(gain) / most : 0;

	appendStringInfo(report->out,
					 "<td><svg class=\"bar\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" x=\"49.5\" width=\"1\" height=\"12\"/><rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" height=\"12\"/></svg></td>",
					 gain < 0 ? "c2" : "step", gain < 0 ? 50 - width : 50,
					 width);
}

/*
 * The name of a category as people write it.
 */
static char *
category_words(MrCategory category)
{
	char	   *words;

	if (category == MR_CATEGORY_DEFAULT)
		return pstrdup("not known");
	words = pstrdup(mr_category_name(category));
	for (char *c = words; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	return words;
}

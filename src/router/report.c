/*
 * report.c
 *	  The report's page: what stands where, its head and its foot.
 *
 * Plain HTML5 with an inline style sheet and inline SVG; the names that it
 * shows are escaped, and it asks for nothing from elsewhere.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "router/report_internal.h"

/* Bytes of the query that are shown. */
#define MAX_QUERY_BYTES	4000

static void write_head(MrReport *report);
static void write_header(MrReport *report);
static void write_body(MrReport *report);
static void write_footer(MrReport *report);
static void write_query(MrReport *report);

/*
 * The page in UTF-8, in the current memory context.
 */
char *
mr_report_html(const MrOutcomes *outcomes, const MrEvaluation *evaluation,
			   const MrReportTitle *title)
{
	MrReport	report = {makeStringInfo(), outcomes, evaluation, title, 0};

	write_head(&report);
	write_header(&report);
	appendStringInfoString(report.out, "<main>\n");
	if (evaluation->nrows == 0)
		appendStringInfoString(report.out,
							   "<p class=\"verdict\">There are no prompts to judge by.</p>\n");
	else
		write_body(&report);
	appendStringInfoString(report.out, "</main>\n");
	write_footer(&report);
	appendStringInfoString(report.out, "</body>\n</html>\n");
	return report.out->data;
}

/* The rows of the models, in the order of the outcomes. */
const MrEvaluationRow *
mr_report_singles(const MrReport *report)
{
	return report->evaluation->rows + report->evaluation->nrows -
		report->outcomes->nmodels;
}

/* The models, the best first. */
int *
mr_report_by_quality(const MrReport *report)
{
	const MrEvaluationRow *single = mr_report_singles(report);
	int			nmodels = report->outcomes->nmodels;
	int		   *order = palloc(sizeof(int) * nmodels);

	for (int m = 0; m < nmodels; m++)
	{
		int			place = m;

		while (place > 0 && single[order[place - 1]].quality.value <
			   single[m].quality.value)
		{
			order[place] = order[place - 1];
			place--;
		}
		order[place] = m;
	}
	return order;
}

static char *
title_text(const MrReport *report)
{
	if (report->title->router == NULL)
		return pstrdup("Router report");
	return psprintf("Router %s", mr_report_escape(report->title->router));
}

static void
write_head(MrReport *report)
{
	appendStringInfo(report->out,
					 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
					 "<meta charset=\"utf-8\">\n"
					 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
					 "<title>%s</title>\n<style>\n%s</style>\n</head>\n<body>\n",
					 title_text(report), mr_report_style);
}

static void
write_header(MrReport *report)
{
	const MrOutcomes *outcomes = report->outcomes;
	const MrReportTitle *title = report->title;

	appendStringInfo(report->out, "<header>\n<h1>%s</h1>\n",
					 title_text(report));
	if (title->about != NULL)
		appendStringInfo(report->out, "<p>%s</p>\n",
						 mr_report_escape(title->about));
	appendStringInfo(report->out,
					 "<p class=\"soft\">Judged on %s prompt%s and %d model%s.",
					 mr_report_count(outcomes->nprompts),
					 outcomes->nprompts == 1 ? "" : "s", outcomes->nmodels,
					 outcomes->nmodels == 1 ? "" : "s");
	if (outcomes->left_out > 0)
		appendStringInfo(report->out,
						 " %s prompt%s left out, because a model had no score for %s.",
						 mr_report_count(outcomes->left_out),
						 outcomes->left_out == 1 ? " was" : "s were",
						 outcomes->left_out == 1 ? "it" : "them");
	if (title->made != NULL)
		appendStringInfo(report->out, " Made %s.",
						 mr_report_escape(title->made));
	appendStringInfoString(report->out, "</p>\n</header>\n");
}

/*
 * One picture of what routing gains, by what there is to choose from.
 */
static void
write_body(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;

	mr_report_headline(report);
	if (evaluation->strong >= 0)
		mr_report_pair_curve(report);
	else if (evaluation->nsweep > 1)
		mr_report_curve(report);
	else
		mr_report_ranking(report);
	if (evaluation->strong < 0 && evaluation->nsweep > 1)
		mr_report_shares(report);
	mr_report_models(report);
	mr_report_categories(report);
	mr_report_calibration(report);
	mr_report_metrics(report);
}

static void
write_footer(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;

	appendStringInfoString(report->out, "<footer>\n<h2>How it was done</h2>\n");
	if (evaluation->options.resamples > 0)
		appendStringInfo(report->out,
						 "<p>Intervals are the middle %s of %d resamplings of the prompts; every policy keeps its choices. They tell how far the numbers would move with other prompts of the same kind, not with other kinds.</p>\n",
						 mr_report_level(report),
						 evaluation->options.resamples);
	if (evaluation->cost_source == MR_COST_SOURCE_EVALS)
		appendStringInfoString(report->out,
							   "<p>Costs are those that the evals give for each call.</p>\n");
	else if (evaluation->cost_source == MR_COST_SOURCE_EXPECTED)
		appendStringInfoString(report->out,
							   "<p>The evals have no costs: those shown are what the router expects from prices and lengths.</p>\n");
	else
		appendStringInfoString(report->out,
							   "<p>Costs are not known: neither do the evals have them nor does every model have a price.</p>\n");
	if (report->title->evals != NULL)
		write_query(report);
	appendStringInfoString(report->out, "</footer>\n");
}

static void
write_query(MrReport *report)
{
	const char *query = report->title->evals;
	int			bytes = strlen(query);
	int			shown = 0;

	while (shown < bytes && shown < MAX_QUERY_BYTES)
		shown += pg_utf_mblen((const unsigned char *) query + shown);
	shown = Min(shown, bytes);
	appendStringInfo(report->out,
					 "<p>The outcomes come from:</p>\n<pre>%s%s</pre>\n",
					 mr_report_escape(pnstrdup(query, shown)),
					 shown < bytes ? " ..." : "");
}

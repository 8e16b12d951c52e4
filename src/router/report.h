/*
 * report.h
 *	  An evaluation as one HTML page: no script, nothing from elsewhere.
 */
#ifndef MR_REPORT_H
#define MR_REPORT_H

#include "postgres.h"

#include "router/evaluate.h"
#include "router/outcomes.h"

/* What the page says of itself: UTF-8, each may be NULL. */
typedef struct MrReportTitle
{
	const char *router;			/* its name */
	const char *about;			/* a sentence on what it is */
	const char *evals;			/* the query that gave the outcomes */
	const char *made;			/* when */
} MrReportTitle;

extern char *mr_report_html(const MrOutcomes *outcomes,
							const MrEvaluation *evaluation,
							const MrReportTitle *title);

#endif							/* MR_REPORT_H */

/*
 * report_internal.h
 *	  What the files of the report share: the page that grows, text and
 *	  numbers, axes, and labels that keep out of each other's way.
 */
#ifndef MR_REPORT_INTERNAL_H
#define MR_REPORT_INTERNAL_H

#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"

#include "router/report.h"

typedef struct MrReport
{
	StringInfo	out;
	const MrOutcomes *outcomes;
	const MrEvaluation *evaluation;
	const MrReportTitle *title;
	int			nfigures;		/* so far */
} MrReport;

/* Models that have a colour of their own; the others share one. */
#define MR_REPORT_COLOURS		8

/* Characters of a name that a picture shows. */
#define MR_REPORT_NAME_CHARS	28

/* ----------
 * Text and numbers; what is returned is palloc'd
 * ----------
 */
extern const char mr_report_style[];

extern char *mr_report_escape(const char *text);
extern char *mr_report_model(const MrReport *report, int model);
extern char *mr_report_short_name(const char *name, int *columns);
extern char *mr_report_quality(double quality);
extern char *mr_report_signed(double difference);
extern char *mr_report_percent(double percent);
extern char *mr_report_quality_tick(double quality);
extern char *mr_report_percent_tick(double percent);
extern char *mr_report_usd(double usd);
extern char *mr_report_usd_tick(double usd);
extern char *mr_report_usd_per_1000(double usd);
extern char *mr_report_count(int64 count);
extern char *mr_report_range(const MrInterval *interval,
							 char *(*format) (double));
extern char *mr_report_level(const MrReport *report);
extern bool mr_report_has_interval(const MrInterval *interval);

/* ----------
 * Parts of the page
 * ----------
 */
extern const MrEvaluationRow *mr_report_singles(const MrReport *report);
extern int *mr_report_by_quality(const MrReport *report);
extern void mr_report_headline(MrReport *report);
extern void mr_report_curve(MrReport *report);
extern void mr_report_pair_curve(MrReport *report);
extern void mr_report_ranking(MrReport *report);
extern void mr_report_shares(MrReport *report);
extern void mr_report_calibration(MrReport *report);
extern void mr_report_models(MrReport *report);
extern void mr_report_categories(MrReport *report);
extern void mr_report_metrics(MrReport *report);
extern void mr_report_points_table(MrReport *report, const char *summary);

/* ----------
 * Pictures
 * ----------
 */
#define MR_AXIS_MAX_TICKS	24

typedef struct MrAxis
{
	double		low;			/* values at the ends */
	double		high;
	double		from;			/* pixels at the ends */
	double		to;
	bool		log;
} MrAxis;

typedef struct MrBox
{
	double		left;
	double		top;
	double		right;
	double		bottom;
} MrBox;

typedef struct MrLabels
{
	MrBox		frame;			/* labels stay inside */
	MrBox	   *taken;			/* by dots and labels */
	int			ntaken;
	int			max_taken;
	MrBox	   *avoided;		/* covered only where nothing else is free */
	int			navoided;
	int			max_avoided;
} MrLabels;

extern void mr_figure_start(MrReport *report, const MrBox *frame,
							const char *title, const char *description);
extern void mr_figure_end(MrReport *report);
extern MrAxis mr_axis_linear(double low, double high, double from, double to);
extern MrAxis mr_axis_log(double low, double high, double from, double to);
extern double mr_axis_place(const MrAxis *axis, double value);
extern int	mr_axis_ticks(const MrAxis *axis, double *ticks);
extern void mr_axis_draw_x(MrReport *report, const MrAxis *axis,
						   const MrBox *plot, char *(*format) (double),
						   const char *label);
extern void mr_axis_draw_y(MrReport *report, const MrAxis *axis,
						   const MrBox *plot, char *(*format) (double),
						   const char *label);

extern void mr_labels_init(MrLabels *labels, const MrBox *frame,
						   int max_taken, int max_avoided);
extern void mr_labels_take(MrLabels *labels, double x, double y,
						   double radius);
extern void mr_labels_avoid_line(MrLabels *labels, double x1, double y1,
								 double x2, double y2);
extern void mr_labels_draw(MrReport *report, MrLabels *labels, double x,
						   double y, const char *name);

#endif							/* MR_REPORT_INTERNAL_H */

/*
 * report_test.c
 *	  Tests of router/report: the page is whole, holds what it should, asks for
 *	  nothing from elsewhere and escapes names, whatever there is to show.
 *
 * Sources: router/report.c router/report_text.c router/report_style.c
 * Sources: router/report_headline.c router/report_curve.c
 * Sources: router/report_ranking.c router/report_shares.c
 * Sources: router/report_calibration.c router/report_tables.c
 * Sources: router/report_axis.c router/report_label.c
 * Sources: router/evaluate.c router/evaluate_summary.c router/calibration.c
 * Sources: router/policy.c router/bootstrap.c
 * Sources: router/metrics.c router/metrics_pair.c base/endpoint.c
 */
#include "postgres.h"

#include <math.h>

#include "check.h"
#include "router/report.h"
#include "router/report_internal.h"
#include "shim.h"

#define MAX_DEPTH	32
#define MAX_MODELS	60

static const MrEvaluateOptions options = MR_EVALUATE_DEFAULTS;
static const char *names[MAX_MODELS];

static void test_numbers(void);
static void test_text(void);
static void test_axes(void);
static void test_labels(void);
static void test_pages(void);
static void test_sparse_pages(void);
static void test_names(void);
static void test_titles(void);
static char *page_of(const MrOutcomes *outcomes, int resamples);
static MrOutcomes make_outcomes(int nprompts, int nmodels);
static double random_number(uint64 *state);
static void check_page(const char *page, const char *name);
static bool is_balanced(const char *page);
static const char *read_tag(const char *at, char *tag, bool *closes,
							bool *empty);
static bool is_void(const char *tag);
static void check_holds(const char *page, const char *text,
						const char *name);

int
main(void)
{
	for (int m = 0; m < MAX_MODELS; m++)
		names[m] = psprintf("model-%02d", m);
	test_numbers();
	test_text();
	test_axes();
	test_labels();
	test_pages();
	test_sparse_pages();
	test_names();
	test_titles();
	shim_reset();
	return check_done();
}

/* ----------
 * Parts
 * ----------
 */

static void
test_numbers(void)
{
	MrInterval	interval = {.5, .25, .75};

	check_text(mr_report_quality(.6254), "0.625", "a quality");
	check_text(mr_report_quality(-.5), "\xE2\x88\x92" "0.500", "below zero");
	check_text(mr_report_quality(-.0001), "0.000", "zero has no sign");
	check_text(mr_report_quality(NAN), "\xE2\x80\x93", "not defined");
	check_text(mr_report_signed(.0361), "+0.036", "a gain");
	check_text(mr_report_signed(1.5), "+1.500", "a large gain");
	check_text(mr_report_signed(0), "0.000", "no gain");
	check_text(mr_report_percent(7.04), "7.0\xC2\xA0%", "a small percentage");
	check_text(mr_report_percent(83.7), "84\xC2\xA0%", "a percentage");
	check_text(mr_report_percent(0), "0\xC2\xA0%", "nothing");
	check_text(mr_report_usd_per_1000(.0000123), "$0.0123", "cents");
	check_text(mr_report_usd_per_1000(.00249), "$2.49", "dollars");
	check_text(mr_report_usd_per_1000(1234.5), "$1,234,500", "a fortune");
	check_text(mr_report_usd_per_1000(0), "$0", "free");
	check_text(mr_report_usd_tick(.00005), "$0.05", "a round cost");
	check_text(mr_report_usd_tick(.1), "$100", "of hundreds");
	check_text(mr_report_quality_tick(.80), "0.8", "a round quality");
	check_text(mr_report_count(1234567), "1,234,567", "a count");
	check_text(mr_report_count(12), "12", "a small count");
	check_text(mr_report_range(&interval, mr_report_quality),
			   "0.250 to 0.750", "an interval");
	interval.low = NAN;
	check_text(mr_report_range(&interval, mr_report_quality),
			   "not reached to 0.750", "an interval with one end");
	interval.high = NAN;
	check_text(mr_report_range(&interval, mr_report_quality), "",
			   "no interval");
}

static void
test_text(void)
{
	int			columns;

	check_text(mr_report_escape("<a href=\"x\">'&'</a>"),
			   "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;",
			   "what HTML reads is escaped");
	check_text(mr_report_escape("a\x01" "b\x7F" "c\xC2\x85" "d\tE\xC3\xA9"),
			   "a\xEF\xBF\xBD" "b\xEF\xBF\xBD" "c\xEF\xBF\xBD" "d\tE\xC3\xA9",
			   "what HTML does not allow is replaced");
	check_text(mr_report_short_name("gpt-4o", &columns), "gpt-4o",
			   "a short name stays");
	check_int(columns, 6, "and its width is known");
	check_text(mr_report_short_name("1234567890123456789012345678", &columns),
			   "1234567890123456789012345678", "so does one that just fits");
	check_text(mr_report_short_name("12345678901234567890123456789",
									&columns),
			   "123456789012345678901234567\xE2\x80\xA6",
			   "a longer one is cut");
	check_int(columns, MR_REPORT_NAME_CHARS, "to what fits");
	check_text(mr_report_short_name("\xE6\xA8\xA1\xE5\x9E\x8B", &columns),
			   "\xE6\xA8\xA1\xE5\x9E\x8B", "two characters");
	check_int(columns, 4, "that are wide");
	check_text(mr_report_short_name("<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
									&columns),
			   "&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;\xE2\x80\xA6",
			   "cut before it is escaped");
}

static void
test_axes(void)
{
	MrAxis		axis = mr_axis_linear(.2, .8, 100, 700);
	double		ticks[MR_AXIS_MAX_TICKS];
	int			n = mr_axis_ticks(&axis, ticks);

	check_int(n, 4, "ticks of a linear axis");
	check_double(ticks[0], .2, 1e-9, "at round numbers");
	check_double(mr_axis_place(&axis, .5), 400, 1e-9, "the middle");

	axis = mr_axis_log(.00003, .02, 0, 100);
	n = mr_axis_ticks(&axis, ticks);
	check(n >= 4 && n <= 10, "ticks of a logarithmic axis");
	check_double(ticks[0], .00003, 1e-12, "at round numbers, too");
	check_double(mr_axis_place(&axis, sqrt(.00003 * .02)), 50, 1e-9,
				 "its middle is the geometric mean");

	axis = mr_axis_linear(.5, .5, 0, 100);
	check(mr_axis_ticks(&axis, ticks) >= 2, "one value has an axis");
	axis = mr_axis_linear(0, 0, 0, 100);
	check(mr_axis_ticks(&axis, ticks) >= 2, "and so has zero");
	axis = mr_axis_log(1e-12, 1e12, 0, 100);
	check_int(mr_axis_ticks(&axis, ticks), MR_AXIS_MAX_TICKS,
			  "ticks have a bound");
}

/*
 * Labels of a crowd: no two overlap, and each stays in the frame.
 */
static void
test_labels(void)
{
	MrOutcomes	outcomes = make_outcomes(1, 1);
	MrReport	report = {makeStringInfo(), &outcomes, NULL, NULL, 0};
	MrBox		frame = {0, 0, 700, 400};
	MrLabels	labels;
	uint64		state = 5;
	double		place[30][2];
	int			overlaps = 0;
	int			outside = 0;

	mr_labels_init(&labels, &frame, 60, 100);
	for (int i = 0; i < 30; i++)
	{
		place[i][0] = 200 + 300 * random_number(&state);
		place[i][1] = 100 + 200 * random_number(&state);
		mr_labels_take(&labels, place[i][0], place[i][1], 5);
	}
	for (int i = 0; i < 30; i++)
		mr_labels_draw(&report, &labels, place[i][0], place[i][1],
					   "a-model-of-some-length");
	check(labels.ntaken > 45, "most labels find a place");
	for (int i = 30; i < labels.ntaken; i++)
	{
		const MrBox *a = &labels.taken[i];

		outside += a->left < 0 || a->right > 700 || a->top < 0 ||
			a->bottom > 400;
		for (int k = 0; k < i; k++)
		{
			const MrBox *b = &labels.taken[k];

			overlaps += a->left < b->right && b->left < a->right &&
				a->top < b->bottom && b->top < a->bottom;
		}
	}
	check_int(overlaps, 0, "no label covers a dot or another label");
	check_int(outside, 0, "no label leaves the frame");
	check(labels.navoided <= 100, "lines to avoid have a bound");
}

/* ----------
 * Pages
 * ----------
 */

static void
test_pages(void)
{
	MrOutcomes	many = make_outcomes(120, 16);
	MrOutcomes	pair = make_outcomes(120, 2);
	MrOutcomes	crowd = make_outcomes(30, MAX_MODELS);
	char	   *page = page_of(&many, 50);

	check_page(page, "many models");
	check_holds(page, "Quality by cost", "the curve");
	check_holds(page, "Which model answers", "the shares");
	check_holds(page, "class=\"c0\"", "with a colour for the rest");
	check_holds(page, "Does expected quality come true?", "the calibration");
	check_holds(page, "By kind of prompt", "the kinds of prompt");
	check_holds(page, "Judged on 120 prompts and 16 models.", "the size");
	check_holds(page, "7 prompts were left out", "what is left out");
	check_holds(page, "prefers-color-scheme:dark", "the dark colours");
	check_holds(page, "width=device-width", "the phone");
	check_holds(page, "95\xC2\xA0% of 50 resamplings", "the intervals");
	check_holds(page, "cost_saved_at_95", "the summary");
	check_holds(page, "<td class=\"text\">lambda=", "the operating points");

	page = page_of(&pair, 50);
	check_page(page, "a pair");
	check_holds(page, "Quality by share of strong calls", "its curve");
	check_holds(page, "half of the gap</text>", "with a line to CPT50");
	check_holds(page, "strong_share=0.50", "its operating points");
	check(strstr(page, "Which model answers") == NULL,
		  "its shares are in the curve");

	page = page_of(&crowd, 20);
	check_page(page, "a crowd of models");
	check_holds(page, "model-59", "each of which is named");
}

static void
test_sparse_pages(void)
{
	MrOutcomes	one = make_outcomes(40, 1);
	MrOutcomes	free_of_cost = make_outcomes(40, 3);
	MrOutcomes	unknown = make_outcomes(40, 5);
	MrOutcomes	same = make_outcomes(40, 3);
	MrOutcomes	single = make_outcomes(1, 2);
	MrOutcomes	none = make_outcomes(1, 3);
	char	   *page = page_of(&one, 50);

	check_page(page, "one model");
	check_holds(page, "nothing to choose", "which is all there is");

	for (int i = 0; i < 40; i++)
		free_of_cost.cost_usd[3 * i] = 0;
	check_page(page_of(&free_of_cost, 50), "a model for nothing");

	unknown.cost_usd = NULL;
	page = page_of(&unknown, 50);
	check_page(page, "no costs");
	check_holds(page, "<h2>Quality</h2>", "a ranking in place of a curve");
	check_holds(page, "Costs are not known", "which the page says");

	for (int i = 0; i < 120; i++)
		same.score[i] = same.quality[i] = same.cost_usd[i] = .5;
	check_page(page_of(&same, 50), "all alike");
	check_page(page_of(&same, 0), "no intervals");
	check_page(page_of(&single, 50), "one prompt");

	none.nprompts = 0;
	page = page_of(&none, 50);
	check_page(page, "no prompts");
	check_holds(page, "There are no prompts", "which the page says");
}

static void
test_names(void)
{
	MrOutcomes	outcomes = make_outcomes(60, 4);
	const char *bad[] = {
		"<script>alert(1)</script>",
		"\" onload=\"alert(2)",
		"\xE6\xA8\xA1\xE5\x9E\x8B & \xF0\x9F\xA6\x99",
		psprintf("%0300d", 7)
	};
	char	   *page;

	outcomes.models = bad;
	page = page_of(&outcomes, 20);
	check_page(page, "names of all kinds");
	check(strstr(page, "<script") == NULL, "a name is no element");
	check(strstr(page, "\" onload") == NULL, "and no attribute");
	check_holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;",
				"but is there to read");
	outcomes.nmodels = 2;
	check_page(page_of(&outcomes, 20), "names of a pair");
}

static void
test_titles(void)
{
	MrOutcomes	outcomes = make_outcomes(30, 3);
	MrEvaluation *evaluation = mr_evaluate(&outcomes, &options);
	MrReportTitle title = {.router = "a<b", .about = "it's \"it\"",
	.made = "2026-01-01 & later"};
	StringInfoData query;
	char	   *page;

	initStringInfo(&query);
	while (query.len < 3999)
		appendStringInfoChar(&query, 'x');
	appendStringInfoString(&query, "\xC3\xA9<\xC3\xA9");
	title.evals = query.data;
	page = mr_report_html(&outcomes, evaluation, &title);
	check_page(page, "a title");
	check_holds(page, "<title>Router a&lt;b</title>", "is escaped");
	check_holds(page, "it&#39;s &quot;it&quot;", "with what it is about");
	check_holds(page, "2026-01-01 &amp; later", "and when it was made");
	check_holds(page, "xxx\xC3\xA9 ...</pre>",
				"a long query is cut after a character");
}

static char *
page_of(const MrOutcomes *outcomes, int resamples)
{
	MrEvaluateOptions some = options;
	MrReportTitle title = {NULL, NULL, NULL, NULL};

	some.resamples = resamples;
	return mr_report_html(outcomes, mr_evaluate(outcomes, &some), &title);
}

static MrOutcomes
make_outcomes(int nprompts, int nmodels)
{
	MrOutcomes	made = {.nprompts = nprompts, .nmodels = nmodels,
	.models = names, .left_out = 7};
	int			cells = nprompts * nmodels;
	uint64		state = 99;

	made.score = palloc(sizeof(double) * cells);
	made.cost_usd = palloc(sizeof(double) * cells);
	made.quality = palloc(sizeof(double) * cells);
	made.category = palloc(sizeof(int) * nprompts);
	for (int i = 0; i < nprompts; i++)
	{
		made.category[i] = i % MR_CATEGORIES;
		for (int m = 0; m < nmodels; m++)
		{
			double		able = .3 + .6 * m / nmodels;
			int			cell = i * nmodels + m;

			made.score[cell] = random_number(&state) < able;
			made.quality[cell] = able * .7 + .3 * random_number(&state);
			made.cost_usd[cell] = 1e-5 * (1 + m * m) *
				(1 + random_number(&state));
		}
	}
	return made;
}

static double
random_number(uint64 *state)
{
	*state = *state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (*state >> 33) / 2147483648.0;
}

/* ----------
 * What holds for every page
 * ----------
 */

static void
check_page(const char *page, const char *name)
{
	static const char *const forbidden[] = {
		"<script", "://", " src=", " href=", "@import", "url(", "\"nan",
		" nan", ",nan", "(nan", ">nan", "inf\"", "inf,", ">inf", " inf ",
		"%!", "(null)"
	};
	const char *found = NULL;

	check(strncmp(page, "<!DOCTYPE html>\n<html lang=\"en\">", 31) == 0 &&
		  strcmp(page + strlen(page) - 8, "</html>\n") == 0,
		  psprintf("%s: from start to end", name));
	check(is_balanced(page), psprintf("%s: elements are closed", name));
	for (int i = 0; i < (int) lengthof(forbidden); i++)
		if (strstr(page, forbidden[i]) != NULL)
			found = forbidden[i];
	check_text(found, NULL, psprintf("%s: nothing from elsewhere, no number that is none", name));
}

/*
 * Every element is closed, in order, and attributes have their quotes.
 */
static bool
is_balanced(const char *page)
{
	char		open[MAX_DEPTH][16];
	int			depth = 0;
	const char *at = strchr(page + 1, '<');

	while (at != NULL)
	{
		bool		closes;
		bool		empty;
		char		tag[16];

		at = read_tag(at, tag, &closes, &empty);
		if (at == NULL)
			return false;
		if (closes && (depth == 0 || strcmp(open[--depth], tag) != 0))
		{
			printf("# </%s> closes nothing\n", tag);
			return false;
		}
		if (!closes && !empty && !is_void(tag))
		{
			if (depth == MAX_DEPTH)
				return false;
			strcpy(open[depth++], tag);
		}
		at = strchr(at, '<');
	}
	return depth == 0;
}

/*
 * Returns where the tag ends; NULL when it is none.
 */
static const char *
read_tag(const char *at, char *tag, bool *closes, bool *empty)
{
	size_t		length;

	at++;
	*closes = *at == '/';
	at += *closes;
	length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");
	if (length == 0 || length > 15)
		return NULL;
	memcpy(tag, at, length);
	tag[length] = '\0';
	at += length;
	while (*at != '>' && *at != '/')
	{
		size_t		name = strspn(at, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

		at += name;
		if (name == 0 || at[0] != '=' || at[1] != '"')
			return NULL;
		at = strchr(at + 2, '"');
		if (at == NULL)
			return NULL;
		at++;
	}
	*empty = *at == '/';
	at += *empty;
	return *at == '>' ? at + 1 : NULL;
}

static bool
is_void(const char *tag)
{
	return strcmp(tag, "meta") == 0;
}

static void
check_holds(const char *page, const char *text, const char *name)
{
	check(strstr(page, text) != NULL, name);
}

/*
 * report_headline.c
 *	  The report's verdict in a sentence, and its few headline numbers in plain
 *	  words with their intervals.
 */
#include "postgres.h"

#include "router/report_internal.h"

/* A headline number. */
typedef struct Card
{
	const char *what;
	const MrInterval *interval;
	char	   *(*format) (double);
	const char *why;			/* escaped */
} Card;

static void write_verdict(MrReport *report);
static const char *verdict_words(const MrInterval *gain);
static void write_gain_card(MrReport *report);
static void write_pair_cards(MrReport *report);
static void write_saved_card(MrReport *report);
static void write_aiq_card(MrReport *report);
static void write_calibration_card(MrReport *report);
static void write_card(MrReport *report, const Card *card);

void
mr_report_headline(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;

	write_verdict(report);
	appendStringInfoString(report->out, "<ul class=\"cards\">\n");
	if (evaluation->strong >= 0)
		write_pair_cards(report);
	else if (report->outcomes->nmodels > 1)
		write_gain_card(report);
	if (evaluation->cost_source != MR_COST_SOURCE_NONE &&
		report->outcomes->nmodels > 1)
	{
		write_saved_card(report);
		write_aiq_card(report);
	}
	write_calibration_card(report);
	appendStringInfoString(report->out, "</ul>\n");
}

static char *
best_name(const MrReport *report)
{
	return mr_report_model(report, report->evaluation->best_single);
}

static char *
quality_of(const MrReport *report, MrPolicy policy)
{
	const MrEvaluationRow *row = mr_evaluation_row(report->evaluation, policy);

	return mr_report_quality(row->quality.value);
}

static const MrInterval *
metric(const MrReport *report, const char *name)
{
	static const MrInterval none = {NAN, NAN, NAN};
	const MrInterval *interval = mr_evaluation_metric(report->evaluation,
													  name);

	return interval == NULL ? &none : interval;
}

/*
 * At objective quality, against always the best single model.
 */
static void
write_verdict(MrReport *report)
{
	const MrInterval *gain = metric(report, "quality_gain");

	if (report->outcomes->nmodels == 1)
	{
		appendStringInfo(report->out,
						 "<p class=\"verdict\">There is one model, %s, and so nothing to choose. Its mean score is %s.</p>\n",
						 best_name(report),
						 quality_of(report, MR_POLICY_BEST_SINGLE));
		return;
	}
	appendStringInfo(report->out,
					 "<p class=\"verdict\">When it goes for quality, the router scores %s on average: %s <strong>%s</strong>, the best single model, which scores %s. Knowing every outcome in advance would give %s; drawing a model at random, %s.</p>\n",
					 quality_of(report, MR_POLICY_ROUTER),
					 verdict_words(gain), best_name(report),
					 quality_of(report, MR_POLICY_BEST_SINGLE),
					 quality_of(report, MR_POLICY_ORACLE),
					 quality_of(report, MR_POLICY_RANDOM));
}

/*
 * What the interval allows to say; without one, what the value says.
 */
static const char *
verdict_words(const MrInterval *gain)
{
	bool		known = mr_report_has_interval(gain);

	if (gain->value == 0 && (!known || (gain->low == 0 && gain->high == 0)))
		return "exactly as much as always calling";
	if (known && gain->low <= 0 && gain->high >= 0)
		return "no different, beyond noise, from always calling";
	return gain->value > 0 ? "<strong class=\"good\">better</strong> than always calling" :
		"<strong class=\"bad\">worse</strong> than always calling";
}

static void
write_gain_card(MrReport *report)
{
	const MrInterval *closed = metric(report, "quality_gap_closed");
	Card		card = {"Quality gained", metric(report, "quality_gain"),
	mr_report_signed, NULL};

	card.why = isnan(closed->value) ?
		"against the best single model. No choice of models could gain anything." :
		psprintf("against the best single model: %s of what perfect choices would gain.",
				 mr_report_percent(100 * closed->value));
	write_card(report, &card);
}

static void
write_pair_cards(MrReport *report)
{
	const MrEvaluation *evaluation = report->evaluation;
	char	   *strong =
		mr_report_model(report, evaluation->strong);
	Card		cards[] = {
		{"Gap recovered (APGR)", metric(report, "apgr"), mr_report_quality, NULL},
		{"Calls for half of the gap", metric(report, "cpt50"),
		mr_report_percent, NULL},
		{"Calls for 80&nbsp;% of the gap", metric(report, "cpt80"),
		mr_report_percent, NULL}
	};

	if (isnan(cards[0].interval->value))
	{
		write_gain_card(report);
		return;
	}
	cards[0].why = psprintf("of the gap between the two models, averaged over all shares of strong calls. Sending prompts at random gives 0.5, perfect choices %s.",
							mr_report_quality(metric(report, "apgr_oracle")->value));
	cards[1].why = psprintf("of the prompts go to %s to get half of what it is better by. At random it takes 50&nbsp;%%.",
							strong);
	cards[2].why = "of the prompts for four fifths of it. At random it takes 80&nbsp;%.";
	for (int i = 0; i < (int) lengthof(cards); i++)
		write_card(report, &cards[i]);
}

/*
 * At the highest percentage of the best single model's quality that the
 * router surely reaches; at 95 % when it surely reaches none.
 */
static void
write_saved_card(MrReport *report)
{
	static const struct
	{
		const char *percent;
		const char *name;
		const char *single;
	}			levels[] =
	{
		{"100", "cost_saved_at_100", "single_saved_at_100"},
		{"99", "cost_saved_at_99", "single_saved_at_99"},
		{"95", "cost_saved_at_95", "single_saved_at_95"}
	};
	int			level = 0;
	Card		card;

	while (level < 2 &&
		   (isnan(metric(report, levels[level].name)->value) ||
			isnan(metric(report, levels[level].name)->low)))
		level++;
	card = (Card)
	{
		psprintf("Cost saved at %s&nbsp;%% of best quality",
				 levels[level].percent),
			metric(report, levels[level].name), mr_report_percent,
			psprintf("of what %s costs, at %s&nbsp;%% of its quality. Mixing single models at random saves %s there.",
					 best_name(report), levels[level].percent,
					 mr_report_percent(metric(report,
											  levels[level].single)->value))
	};
	if (isnan(card.interval->value))
		card.why = psprintf("The router does not reach %s&nbsp;%% of the quality of %s at any price.",
							levels[level].percent, best_name(report));
	write_card(report, &card);
}

static void
write_aiq_card(MrReport *report)
{
	Card		card = {"Quality over the range of costs (AIQ)",
	metric(report, "aiq"), mr_report_quality, NULL};

	if (isnan(card.interval->value))
		return;
	card.why = psprintf("on average, from the cheapest model's cost to the dearest's. Single models, mixed at random: %s; perfect choices: %s.",
						mr_report_quality(metric(report, "aiq_single")->value),
						mr_report_quality(metric(report, "aiq_oracle")->value));
	write_card(report, &card);
}

static void
write_calibration_card(MrReport *report)
{
	Card		card = {"Expectations are off by",
	metric(report, "calibration_error"), mr_report_quality, NULL};
	const MrInterval *slope = metric(report, "calibration_slope");

	if (isnan(card.interval->value))
		return;
	card.why = "on average, expected quality against mean score.";
	if (!isnan(slope->value))
		card.why = psprintf("on average, expected quality against mean score. For each 0.1 expected, %s comes (%s).",
							mr_report_quality(.1 * slope->value),
							slope->value < .9 ? "the router is too sure" :
							slope->value > 1.1 ? "the router is too cautious" :
							"as it should");
	write_card(report, &card);
}

static void
write_card(MrReport *report, const Card *card)
{
	char	   *range = mr_report_range(card->interval, card->format);

	appendStringInfo(report->out,
					 "<li><span class=\"what\">%s</span><b>%s</b>", card->what,
					 card->format(card->interval->value));
	if (*range != '\0')
		appendStringInfo(report->out, "<span class=\"range\">%s</span>",
						 range);
	appendStringInfo(report->out, "<p class=\"why\">%s</p></li>\n",
					 card->why);
}

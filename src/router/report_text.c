/*
 * report_text.c
 *	  Text and numbers as the report shows them.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "router/report_internal.h"

#define MINUS		"\xE2\x88\x92"
#define DASH		"\xE2\x80\x93"
#define ELLIPSIS	"\xE2\x80\xA6"
#define PERCENT		"\xC2\xA0%%"	/* for a format; does not break */
#define REPLACEMENT "\xEF\xBF\xBD"

static bool is_wide(const char *character);
static char *signed_text(double value, char *digits);
static char *without_zeros(char *digits);
static int	decimals_for(double value);
static bool is_zero(const char *digits);

/*
 * Text for an element or a quoted attribute.  Control characters, which HTML
 * does not allow, become U+FFFD.
 */
char *
mr_report_escape(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	for (; *text != '\0'; text++)
	{
		unsigned char c = *text;

		if (c == '&')
			appendStringInfoString(&out, "&amp;");
		else if (c == '<')
			appendStringInfoString(&out, "&lt;");
		else if (c == '>')
			appendStringInfoString(&out, "&gt;");
		else if (c == '"')
			appendStringInfoString(&out, "&quot;");
		else if (c == '\'')
			appendStringInfoString(&out, "&#39;");
		else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
			appendStringInfoString(&out, REPLACEMENT);
		else if (c == 0xC2 && (unsigned char) text[1] >= 0x80 &&
				 (unsigned char) text[1] < 0xA0)
		{
			appendStringInfoString(&out, REPLACEMENT);
			text++;
		}
		else
			appendStringInfoChar(&out, c);
	}
	return out.data;
}

/* The name of a model, escaped. */
char *
mr_report_model(const MrReport *report, int model)
{
	return mr_report_escape(report->outcomes->models[model]);
}

/*
 * A name for a picture, escaped, cut where it is too long, and how many
 * columns it takes.
 */
char *
mr_report_short_name(const char *name, int *columns)
{
	char	   *copy = pstrdup(name);
	char	   *end = copy;
	char	   *cut = copy;		/* where an ellipsis would still fit */
	char	   *text;

	*columns = 0;
	while (*end != '\0' && *columns <= MR_REPORT_NAME_CHARS)
	{
		*columns += is_wide(end) ? 2 : 1;
		end += pg_utf_mblen((unsigned char *) end);
		if (*columns < MR_REPORT_NAME_CHARS)
			cut = end;
	}
	if (*columns <= MR_REPORT_NAME_CHARS)
		return mr_report_escape(copy);
	*cut = '\0';
	*columns = MR_REPORT_NAME_CHARS;
	text = mr_report_escape(copy);
	return psprintf("%s" ELLIPSIS, text);
}

/*
 * Roughly: CJK and emoji.
 */
static bool
is_wide(const char *character)
{
	return (unsigned char) *character >= 0xE3;
}

/* A score on the scale 0..1. */
char *
mr_report_quality(double quality)
{
	return signed_text(quality, psprintf("%.3f", fabs(quality)));
}

/* A difference of scores, with its sign. */
char *
mr_report_signed(double difference)
{
	char	   *text = mr_report_quality(difference);

	return difference > 0 && !is_zero(text) ? psprintf("+%s", text) : text;
}

/*
 * One decimal below 10, but for zero.
 */
char *
mr_report_percent(double percent)
{
	int			decimals = fabs(percent) < 9.95 && percent != 0 ? 1 : 0;

	if (isnan(percent))
		return pstrdup(DASH);
	return psprintf("%s" PERCENT, signed_text(percent,
											  psprintf("%.*f", decimals,
													   fabs(percent))));
}

/* At an axis, where values are round. */
char *
mr_report_quality_tick(double quality)
{
	return without_zeros(mr_report_quality(quality));
}

char *
mr_report_percent_tick(double percent)
{
	return psprintf("%.0f" PERCENT, percent);
}

char *
mr_report_usd_tick(double usd)
{
	return without_zeros(mr_report_usd(1000 * usd));
}

/*
 * Three digits, but all of whole dollars.
 */
char *
mr_report_usd(double usd)
{
	if (isnan(usd))
		return pstrdup(DASH);
	if (usd == 0)
		return pstrdup("$0");
	if (fabs(usd) >= 1000)
		return psprintf("$%s", mr_report_count((int64) Min(fabs(usd) + .5,
														   1e18)));
	return psprintf("$%.*f", decimals_for(fabs(usd)), fabs(usd));
}

char *
mr_report_usd_per_1000(double usd)
{
	return mr_report_usd(1000 * usd);
}

/*
 * With commas between thousands.
 */
char *
mr_report_count(int64 count)
{
	char	   *digits = psprintf(INT64_FORMAT, count);
	int			length = strlen(digits);
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			appendStringInfoChar(&out, ',');
		appendStringInfoChar(&out, digits[i]);
	}
	return out.data;
}

/*
 * "low to high", or nothing where there is no interval.
 */
char *
mr_report_range(const MrInterval *interval, char *(*format) (double))
{
	if (!mr_report_has_interval(interval))
		return pstrdup("");
	return psprintf("%s to %s",
					isnan(interval->low) ? "not reached" :
					format(interval->low),
					isnan(interval->high) ? "not reached" :
					format(interval->high));
}

bool
mr_report_has_interval(const MrInterval *interval)
{
	return !isnan(interval->low) || !isnan(interval->high);
}

/* The level of the intervals, as "95 %". */
char *
mr_report_level(const MrReport *report)
{
	return psprintf("%.4g" PERCENT, 100 * report->evaluation->options.level);
}

/*
 * Zero has no sign, and what is not defined is a dash.
 */
static char *
signed_text(double value, char *digits)
{
	if (isnan(value))
		return pstrdup(DASH);
	return value < 0 && !is_zero(digits) ? psprintf(MINUS "%s", digits) :
		digits;
}

/*
 * Without the zeros that end a fraction.
 */
static char *
without_zeros(char *digits)
{
	char	   *end = digits + strlen(digits);

	if (strchr(digits, '.') == NULL)
		return digits;
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
	return digits;
}

static bool
is_zero(const char *digits)
{
	return strspn(digits, "0.") == strlen(digits);
}

static int
decimals_for(double value)
{
	int			decimals = 2 - (int) floor(log10(value));

	return Min(Max(decimals, 0), 12);
}

/*
 * surface.c
 *	  The surface signals of a prompt: lengths, shares and flags, each in steps
 *	  that are an id of their own; and the difficulty.
 */
#include "postgres.h"

#include <math.h>

#include "router/lexicon.h"
#include "router/reading.h"

/* The kinds of surface signal. */
enum
{
	SURFACE_BYTES,
	SURFACE_TOKENS,
	SURFACE_NEWLINES,
	SURFACE_NUMBERS,
	SURFACE_OPERATORS,
	SURFACE_BRACKETS,
	SURFACE_BACKSLASHES,
	SURFACE_DOLLARS,
	SURFACE_FOREIGN,
	SURFACE_DIGIT_SHARE,
	SURFACE_CAPITAL_SHARE,
	SURFACE_QUESTIONS,
	SURFACE_MEAN_LENGTH,
	SURFACE_LAST_BYTE,
	SURFACE_LONGEST,
	SURFACE_DISTINCT,
	SURFACE_NEGATION,
	SURFACE_CONDITION,
	SURFACE_CODE,
	SURFACE_CHOICES,
	SURFACE_OPENING,
	SURFACE_INSTRUCTION,
	SURFACE_SCRIPT,
	SURFACE_KINDS
};

static int	main_script(const MrReading *reading);
static double difficulty_of(const MrReading *reading);

/* About the logarithm to base 1.5 of 1 + n, in integers. */
static int
log_step(uint64 n)
{
	uint64		limit = 1;
	int			step = 0;

	while (n >= limit && step < MR_SURFACE_VALUES - 1)
	{
		limit += limit / 2 + 1;
		step++;
	}
	return step;
}

/* part / whole in steps of one in steps. */
static int
share_step(uint64 part, uint64 whole, int steps)
{
	return whole == 0 ? 0 : (int) (part * steps / whole);
}

static uint32
count_seen(const MrReading *reading, const char *symbols)
{
	uint32		count = 0;

	for (; *symbols != '\0'; symbols++)
		count += reading->seen[(uint8) *symbols];
	return count;
}

/* The script that most letters are of, when it is more than a sprinkle. */
static int
main_script(const MrReading *reading)
{
	uint32		most = reading->letters / 20;
	int			script = MR_SCRIPT_ASCII;

	for (int i = 1; i < MR_SCRIPTS; i++)
		if (reading->scripts[i] > most)
		{
			most = reading->scripts[i];
			script = i;
		}
	return script;
}

static uint32
foreign_letters(const MrReading *reading)
{
	uint32		count = 0;

	for (int i = 1; i < MR_SCRIPTS; i++)
		count += reading->scripts[i];
	return count;
}

/* Fills nsurface, surface and difficulty of the reading's features. */
void
mr_surface_fill(MrReading *reading)
{
	MrFeatures *features = &reading->space->features;
	uint32		letters = reading->letters + reading->digits;
	int			value[SURFACE_KINDS] = {
		[SURFACE_BYTES] = log_step(features->bytes),
		[SURFACE_TOKENS] = log_step(reading->tokens),
		[SURFACE_NEWLINES] = log_step(reading->seen['\n']),
		[SURFACE_NUMBERS] = log_step(reading->numbers),
		[SURFACE_OPERATORS] = log_step(count_seen(reading, "+-*/=<>^%&|~")),
		[SURFACE_BRACKETS] = log_step(count_seen(reading, "()[]{}")),
		[SURFACE_BACKSLASHES] = log_step(reading->seen['\\']),
		[SURFACE_DOLLARS] = log_step(reading->seen['$']),
		[SURFACE_FOREIGN] = log_step(foreign_letters(reading)),
		[SURFACE_DIGIT_SHARE] = share_step(reading->digits, letters, 20),
		[SURFACE_CAPITAL_SHARE] = share_step(reading->capitals, letters, 20),
		[SURFACE_QUESTIONS] = Min(reading->seen['?'], 3),
		[SURFACE_MEAN_LENGTH] = share_step(reading->word_bytes,
										   reading->words, 2),
		[SURFACE_LAST_BYTE] = (reading->last_byte * 37) & 63,
		[SURFACE_LONGEST] = reading->longest / 4,
		[SURFACE_DISTINCT] = share_step(reading->distinct, reading->words,
										12),
		[SURFACE_NEGATION] = (reading->flags & MR_LEXICON_NEGATION) != 0,
		[SURFACE_CONDITION] = (reading->flags & MR_LEXICON_CONDITION) != 0,
		[SURFACE_CODE] = (reading->flags & MR_LEXICON_CODE) != 0,
		[SURFACE_CHOICES] = Min(reading->choices, 12),
		[SURFACE_OPENING] = reading->opening & MR_LEXICON_QUESTION ? 1 :
		reading->opening & MR_LEXICON_INSTRUCTION ? 2 : 0,
		[SURFACE_INSTRUCTION] =
		(reading->flags & MR_LEXICON_INSTRUCTION) != 0,
		[SURFACE_SCRIPT] = main_script(reading)
	};

	StaticAssertStmt(SURFACE_KINDS <= MR_SURFACE_KINDS, "ids would overlap");
	features->nsurface = SURFACE_KINDS;
	features->surface = reading->space->surface;
	for (int i = 0; i < SURFACE_KINDS; i++)
		reading->space->surface[i] = i * MR_SURFACE_VALUES
			+ Min(value[i], MR_SURFACE_VALUES - 1);
	features->difficulty = difficulty_of(reading);
}

/*
 * How hard a prompt looks: ln(1 + bytes) / ln 2000 - share of distinct words +
 * 0.1 for each of negation, condition and code.
 */
static double
difficulty_of(const MrReading *reading)
{
	double		length = log1p((double) reading->space->features.bytes);
	double		distinct = reading->words == 0 ? 1 :
		(double) reading->distinct / reading->words;
	uint32		flags = reading->flags;

	return length / 7.600902459542082 - distinct
		+ 0.1 * ((flags & MR_LEXICON_NEGATION) != 0)
		+ 0.1 * ((flags & MR_LEXICON_CONDITION) != 0)
		+ 0.1 * ((flags & MR_LEXICON_CODE) != 0);
}

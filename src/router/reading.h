/*
 * reading.h
 *	  What one pass over a prompt gathers, between the tokeniser and the surface
 *	  signals.
 */
#ifndef MR_READING_H
#define MR_READING_H

#include "postgres.h"

#include "router/features.h"

/* Scripts that SURFACE_SCRIPT tells apart, by the most frequent. */
enum
{
	MR_SCRIPT_ASCII = 0,
	MR_SCRIPT_LATIN,
	MR_SCRIPT_GREEK,
	MR_SCRIPT_CYRILLIC,
	MR_SCRIPT_SEMITIC,			/* Hebrew, Arabic, Syriac, ... */
	MR_SCRIPT_INDIC,			/* and Thai, Georgian, ... */
	MR_SCRIPT_KANA,
	MR_SCRIPT_HAN,
	MR_SCRIPT_HANGUL,
	MR_SCRIPTS
};

/* What one pass over the text gathers beside the words. */
typedef struct MrReading
{
	MrFeatureSpace *space;
	uint32		tokens;
	uint32		words;			/* tokens that are words */
	uint32		distinct;		/* words met for the first time */
	uint32		word_bytes;
	uint32		longest;
	uint32		numbers;
	uint32		capitals;
	uint32		letters;
	uint32		digits;
	uint32		choices;		/* lines that begin like "A." or "(b)" */
	uint32		seen[128];		/* ASCII bytes that are no word */
	uint32		scripts[MR_SCRIPTS];
	uint32		flags;			/* lexicon classes met */
	uint32		opening;		/* lexicon classes of the first word */
	uint32		asked_words;
	uint32		number;			/* the last one of few digits */
	uint32		number_token;	/* which token that was, from 1; 0 = none */
	uint64		previous;		/* hash of the token before, 0 = none */
	uint64		first;
	uint8		last_byte;
} MrReading;

extern void mr_surface_fill(MrReading *reading);

#endif							/* MR_READING_H */

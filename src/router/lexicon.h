/*
 * lexicon.h
 *	  Small closed classes of words that the surface signals ask for.
 */
#ifndef MR_LEXICON_H
#define MR_LEXICON_H

#include "postgres.h"

#define MR_LEXICON_NEGATION		(1 << 0)
#define MR_LEXICON_CONDITION	(1 << 1)
#define MR_LEXICON_CODE			(1 << 2)
#define MR_LEXICON_QUESTION		(1 << 3)
#define MR_LEXICON_INSTRUCTION	(1 << 4)
#define MR_LEXICON_LENGTH		(1 << 5)	/* "words", as in "200 words" */

/* The classes of a word, by the FNV-1a hash of its lower-case bytes. */
extern uint32 mr_lexicon_classes(uint64 hash);

#endif							/* MR_LEXICON_H */

/*
 * keywords.h
 *	  Words that tell the kind of a prompt, and their look-up by hash.
 */
#ifndef MR_KEYWORDS_H
#define MR_KEYWORDS_H

#include "postgres.h"

#include "base/endpoint.h"

#define MR_KEYWORDS_MAX		1024	/* words in the table, at most */
#define MR_KEYWORD_SLOTS	4096	/* power of two, well above the words */
#define MR_KEYWORD_UNIT		4	/* so that a weight can be halved twice */

/*
 * Open addressing on the word's hash.  A tag of 0 is a free slot.  Two words
 * of the same tag are one to us: with 32 bits it does not matter.
 */
typedef struct MrKeywordIndex
{
	uint32		tag[MR_KEYWORD_SLOTS];
	uint16		keyword[MR_KEYWORD_SLOTS];
	int8		weights[MR_KEYWORDS_MAX][MR_CATEGORIES];	/* tenths */
	int			nkeywords;
	uint8		fold[256];		/* letters in lower case, bytes above ASCII as
								 * they are, 0 for all others */
} MrKeywordIndex;

extern const MrKeywordIndex *mr_keyword_index(void);

static inline uint64
mr_keyword_step(uint64 hash, uint8 folded)
{
	return ((hash << 5) | (hash >> 59)) + folded;
}

static inline uint64
mr_keyword_mix(uint64 hash)
{
	return hash * UINT64CONST(0x9E3779B97F4A7C15);
}

static inline int
mr_keyword_find(const MrKeywordIndex *index, uint64 hash)
{
	uint64		mixed = mr_keyword_mix(hash);
	uint32		tag = (uint32) (mixed >> 16) | 1;
	uint32		slot = (uint32) (mixed >> 52);

	StaticAssertStmt(MR_KEYWORD_SLOTS == 1 << 12, "slots are 12 bits");
	while (index->tag[slot] != 0)
	{
		if (index->tag[slot] == tag)
			return index->keyword[slot];
		slot = (slot + 1) % MR_KEYWORD_SLOTS;
	}
	return -1;
}

#endif							/* MR_KEYWORDS_H */

/*
 * lexicon.c
 *	  The classes of words and the index over them, built on first use.
 */
#include "postgres.h"

#include "router/lexicon.h"

#define SLOTS 512				/* a power of two, well above the words */

static const struct
{
	uint32		classes;
	const char *words;			/* separated by single blanks */
}			rows[] = {
	{MR_LEXICON_NEGATION,
		"not no never none neither nor except without cannot isn doesn don "
	"didn won wouldn shouldn incorrect false least unlikely"},
	{MR_LEXICON_CONDITION,
		"if unless suppose assume assuming given provided whenever when "
	"otherwise then whether"},
	{MR_LEXICON_CODE,
		"function def return class import include printf print code python "
		"java javascript typescript sql select void int struct const var let "
	"lambda async null true html css bash assert"},
	{MR_LEXICON_QUESTION,
		"what which who whom whose when where why how is are was were do "
	"does did can could should would will"},
	{MR_LEXICON_INSTRUCTION,
		"write explain translate summarize summarise list give describe "
		"create generate implement solve calculate compute find prove "
		"classify extract rewrite answer return convert complete compare "
	"please show make provide identify determine evaluate"},
	{MR_LEXICON_LENGTH,
		"word words worte worten wörter wörtern mots palabras palavras "
	"parole woorden ord słów слов"}
};

static struct
{
	uint64		hash;			/* 0 = free */
	uint32		classes;
}			slots[SLOTS];
static bool built = false;

static void
add_word(uint64 hash, uint32 classes)
{
	uint32		at = (hash >> 32) & (SLOTS - 1);

	while (slots[at].hash != 0 && slots[at].hash != hash)
		at = (at + 1) & (SLOTS - 1);
	slots[at].hash = hash;
	slots[at].classes |= classes;
}

static void
build_index(void)
{
	for (int i = 0; i < (int) lengthof(rows); i++)
	{
		uint64		hash = UINT64CONST(0xCBF29CE484222325);

		for (const char *next = rows[i].words;; next++)
		{
			if (*next != ' ' && *next != '\0')
			{
				hash = (hash ^ (uint8) *next) * UINT64CONST(0x100000001B3);
				continue;
			}
			add_word(hash, rows[i].classes);
			hash = UINT64CONST(0xCBF29CE484222325);
			if (*next == '\0')
				break;
		}
	}
	built = true;
}

uint32
mr_lexicon_classes(uint64 hash)
{
	uint32		at = (hash >> 32) & (SLOTS - 1);

	if (unlikely(!built))
		build_index();
	while (slots[at].hash != 0)
	{
		if (slots[at].hash == hash)
			return slots[at].classes;
		at = (at + 1) & (SLOTS - 1);
	}
	return 0;
}

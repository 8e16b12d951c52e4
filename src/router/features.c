/*
 * features.c
 *	  Reads a prompt once and tells what it looks like.
 *
 * Tokens: a run of ASCII letters and digits and of letters beyond ASCII is a
 * word, taken in lower case; a code point of a script that does not part its
 * words (U+3000 and up: CJK, Hangul, emoji) or a symbol (U+2000 to U+2FFF) is
 * a token; so is any other visible ASCII byte.  Hashes are FNV-1a of the folded
 * bytes, finished by murmur's mixer.  Pairs of neighbours, the beginnings of
 * long words, and the first and last tokens are hashed beside the tokens.
 *
 * Nothing is allocated.  Any bytes are accepted: what is not valid UTF-8 makes
 * some words, never an access beyond the text.
 */
#include "postgres.h"

#include "router/lexicon.h"
#include "router/reading.h"

#define TABLE_SLOTS 8192		/* a power of two, twice WORDS_MAX */
#define MIN_SLOTS 512

#define STEM_BYTES 5			/* of a word of LONG_WORD_BYTES or more */
#define LONG_WORD_BYTES 7

/* The n of "n words", at most. */
#define ASKED_DIGITS 5
#define ASKED_THOUSANDS 99

/* What a token is hashed as; mixed into the hash so that kinds differ. */
enum
{
	AS_WORD = 1,
	AS_PAIR,
	AS_STEM,
	AS_FIRST,
	AS_FIRST_PAIR,
	AS_LAST
};

/* A hash that was met, valid while stamp is current. */
typedef struct Slot
{
	uint32		hash;
	uint32		stamp;
} Slot;

static Slot slots[TABLE_SLOTS];
static uint32 current_stamp;
static uint32 slot_mask;
static int	words_limit;

static void start_table(size_t bytes);
static void read_span(MrReading *reading, const uint8 *next, const uint8 *end);
static const uint8 *read_word(MrReading *reading, const uint8 *next,
							  const uint8 *end);
static void note_number(MrReading *reading, const uint8 *next,
						const uint8 *end);
static void note_length(MrReading *reading);
static void add_word(MrReading *reading, uint32 length, uint32 count,
					 uint64 hash);
static const uint8 *read_code_point(MrReading *reading, const uint8 *next,
									const uint8 *end);
static void read_symbol(MrReading *reading, uint8 symbol);
static void note_choice(MrReading *reading, const uint8 *next,
						const uint8 *end);
static bool add_token(MrReading *reading, uint64 hash);
static bool add_hash(MrFeatureSpace *space, uint64 hash, uint64 as);
static const uint8 *cut_back(const uint8 *start, const uint8 *at);
static uint32 hash_task(const char *task);

/*
 * Fills *space.  task is any text that names the kind of work, such as a
 * caller's option or the id of a query; NULL or empty is none.
 */
void
mr_features_read(const char *text, size_t bytes, const char *task,
				 MrFeatureSpace *space)
{
	const uint8 *start = (const uint8 *) text;
	const uint8 *end = start + bytes;
	MrReading	reading = {.space = space};

	space->features.bytes = bytes;
	space->features.nwords = 0;
	space->features.words = space->words;
	space->features.task = hash_task(task);
	start_table(bytes);
	if (bytes <= MR_FEATURE_HEAD_BYTES + MR_FEATURE_TAIL_BYTES)
		read_span(&reading, start, end);
	else
	{
		read_span(&reading, start,
				  cut_back(start, start + MR_FEATURE_HEAD_BYTES));
		reading.previous = 0;
		read_span(&reading, cut_back(start, end - MR_FEATURE_TAIL_BYTES),
				  end);
	}
	if (reading.previous != 0)
		add_hash(space, reading.previous, AS_LAST);
	space->features.asked_words = reading.asked_words;
	mr_surface_fill(&reading);
}

/* The start of the code point that at is in, or at itself. */
static const uint8 *
cut_back(const uint8 *start, const uint8 *at)
{
	for (int i = 0; i < 3 && at > start && (*at & 0xC0) == 0x80; i++)
		at--;
	return at;
}

static inline uint64
hash_byte(uint64 hash, uint8 byte)
{
	return (hash ^ byte) * UINT64CONST(0x100000001B3);
}

#define HASH_START UINT64CONST(0xCBF29CE484222325)

static inline uint32
mix(uint64 hash)
{
	hash ^= hash >> 32;
	hash *= UINT64CONST(0xFF51AFD7ED558CCD);
	hash ^= hash >> 29;
	hash *= UINT64CONST(0xC4CEB9FE1A85EC53);
	return (uint32) (hash >> 32);
}

static uint32
hash_task(const char *task)
{
	uint64		hash = HASH_START;

	if (task == NULL || *task == '\0')
		return 0;
	for (; *task != '\0'; task++)
		hash = hash_byte(hash, (uint8) *task);
	return mix(hash) | 1;
}

/*
 * Slots of an earlier reading are told by their stamp, so that nothing is
 * cleared but once in 2^32 readings.  A short prompt uses the first slots
 * only, which stay in the processor's nearest cache.
 */
static void
start_table(size_t bytes)
{
	slot_mask = MIN_SLOTS - 1;
	while (slot_mask < 2 * bytes && slot_mask < TABLE_SLOTS - 1)
		slot_mask = 2 * slot_mask + 1;
	words_limit = Min((slot_mask + 1) / 2, MR_FEATURE_WORDS_MAX);
	if (++current_stamp == 0)
	{
		memset(slots, 0, sizeof(slots));
		current_stamp = 1;
	}
}

/* ----------
 * Tokens
 * ----------
 */

/*
 * Bytes of words in lower case, 0 for all others.  Bytes above ASCII up to
 * 0xE1 begin letters or go on in them.
 */
static const uint8 folded[256] = {
#define SAME(c) [c] = (c)
#define SAME4(c) SAME(c), SAME((c) + 1), SAME((c) + 2), SAME((c) + 3)
#define SAME16(c) SAME4(c), SAME4((c) + 4), SAME4((c) + 8), SAME4((c) + 12)
#define LOWER(c) [c] = (c) | 0x20
#define LOWER5(c) LOWER(c), LOWER((c) + 1), LOWER((c) + 2), LOWER((c) + 3), \
	LOWER((c) + 4)
	SAME4('0'), SAME4('4'), SAME('8'), SAME('9'),
	LOWER5('A'), LOWER5('F'), LOWER5('K'), LOWER5('P'), LOWER5('U'),
	LOWER('Z'), SAME('a'), SAME4('b'), SAME4('f'), SAME4('j'), SAME4('n'),
	SAME4('r'), SAME4('v'), SAME('z'),
	SAME16(0x80), SAME16(0x90), SAME16(0xA0), SAME16(0xB0), SAME16(0xC0),
	SAME16(0xD0), SAME(0xE0), SAME(0xE1)
};

/* What a byte of a word counts as. */
#define COUNT_DIGIT		1
#define COUNT_CAPITAL	(1 << 16)

static const uint32 counts[256] = {
	['0' ... '9'] = COUNT_DIGIT,
	['A' ... 'Z'] = COUNT_CAPITAL
};

static void
read_span(MrReading *reading, const uint8 *next, const uint8 *end)
{
	bool		line_start = true;

	while (next < end)
	{
		uint8		byte = *next;

		if (line_start && (byte == '(' || byte < 0x80))
			note_choice(reading, next, end);
		line_start = byte == '\n';
		if (folded[byte] != 0)
			next = read_word(reading, next, end);
		else if (byte >= 0x80)
			next = read_code_point(reading, next, end);
		else
		{
			read_symbol(reading, byte);
			next++;
		}
	}
}

/*
 * The second byte of a two-byte letter in lower case: Latin-1, Greek and
 * Cyrillic capitals, as far as the lead byte stays the same.
 */
static inline uint8
fold_second(uint8 lead, uint8 second)
{
	if (lead == 0xC3 && second >= 0x80 && second <= 0x9E && second != 0x97)
		return second + 0x20;
	if (lead == 0xCE && second >= 0x91 && second <= 0x9F)
		return second + 0x20;
	if (lead == 0xD0 && second >= 0x90 && second <= 0x9F)
		return second + 0x20;
	return second;
}

static inline int
script_of(uint8 lead)
{
	if (lead < 0xCE)
		return MR_SCRIPT_LATIN;
	if (lead < 0xD0)
		return MR_SCRIPT_GREEK;
	if (lead < 0xD4)
		return MR_SCRIPT_CYRILLIC;
	return lead < 0xE0 ? MR_SCRIPT_SEMITIC : MR_SCRIPT_INDIC;
}

/*
 * A byte of a letter beyond ASCII: its script is counted by its lead byte, and
 * the rest of a capital is folded.
 */
static inline uint8
read_foreign(MrReading *reading, const uint8 *at, const uint8 *start)
{
	if (*at >= 0xC0)
		reading->scripts[script_of(*at)]++;
	else if (at > start)
		return fold_second(at[-1], *at);
	return *at;
}

/*
 * A word as far as it goes; the beginning of a long one is hashed, too, so
 * that its other forms are no strangers.
 */
static const uint8 *
read_word(MrReading *reading, const uint8 *next, const uint8 *end)
{
	const uint8 *start = next;
	const uint8 *stem_end = Min(end, start + STEM_BYTES);
	uint64		hash = HASH_START;
	uint64		stem;
	uint32		count = 0;

	for (; next < stem_end && folded[*next] != 0; next++)
	{
		count += counts[*next];
		hash = hash_byte(hash, *next < 0x80 ? folded[*next] :
						 read_foreign(reading, next, start));
	}
	stem = hash;
	for (; next < end && folded[*next] != 0; next++)
	{
		count += counts[*next];
		hash = hash_byte(hash, *next < 0x80 ? folded[*next] :
						 read_foreign(reading, next, start));
	}
	if ((count & 0xFFFF) == next - start)
		note_number(reading, start, next);
	add_word(reading, next - start, count, hash);
	if (next - start >= LONG_WORD_BYTES && (count & 0xFFFF) == 0)
		add_hash(reading->space, stem, AS_STEM);
	return next;
}

/* A number of few digits, or what goes on after the comma of 1,200. */
static void
note_number(MrReading *reading, const uint8 *next, const uint8 *end)
{
	uint32		token = reading->tokens + 1;
	uint32		number = 0;

	if (end - next > ASKED_DIGITS)
		return;
	if (end - next == 3 && reading->number_token == token - 2 &&
		next[-1] == ',' && counts[next[-2]] == COUNT_DIGIT)
		number = Min(reading->number, ASKED_THOUSANDS);
	for (; next < end; next++)
		number = 10 * number + (*next - '0');
	reading->number = number;
	reading->number_token = token;
}

/* A word for words, with a number before it or one token further away. */
static void
note_length(MrReading *reading)
{
	if (reading->number_token > 0 &&
		reading->tokens + 1 - reading->number_token <= 2)
		reading->asked_words = Max(reading->asked_words, reading->number);
}

static void
add_word(MrReading *reading, uint32 length, uint32 count, uint64 hash)
{
	uint32		digits = count & 0xFFFF;

	reading->digits += digits;
	reading->letters += length - digits;
	reading->capitals += count >> 16;
	reading->numbers += digits == length;
	reading->longest = Max(reading->longest, length);
	reading->word_bytes += length;
	reading->words++;
	reading->last_byte = 'a';
	if (digits < length)
	{
		uint32		classes = mr_lexicon_classes(hash);

		reading->flags |= classes;
		if (classes & MR_LEXICON_LENGTH)
			note_length(reading);
		if (reading->tokens == 0)
			reading->opening = classes;
	}
	reading->distinct += add_token(reading, hash);
}

static const uint8 *
read_code_point(MrReading *reading, const uint8 *next, const uint8 *end)
{
	uint64		hash = HASH_START;
	uint8		lead = *next;
	int			length = lead >= 0xF0 ? 4 : 3;

	if (lead == 0xE3)
		reading->scripts[MR_SCRIPT_KANA]++;
	else if (lead > 0xE3 && lead < 0xEA)
		reading->scripts[MR_SCRIPT_HAN]++;
	else if (lead >= 0xEA && lead < 0xEE)
		reading->scripts[MR_SCRIPT_HANGUL]++;
	for (int i = 0; i < length && next < end; i++)
		hash = hash_byte(hash, *next++);
	reading->last_byte = 0x7F;
	if (lead != 0xE2)
	{
		reading->words++;
		reading->word_bytes += length;
		reading->distinct += add_token(reading, hash);
	}
	else
		add_token(reading, hash);
	return next;
}

/* White space and control characters are counted, but are no tokens. */
static void
read_symbol(MrReading *reading, uint8 symbol)
{
	reading->seen[symbol]++;
	if (symbol <= ' ' || symbol == 0x7F)
		return;
	reading->last_byte = symbol;
	add_token(reading, hash_byte(HASH_START, symbol));
}

/* A line that begins like "A.", "(b)" or "C)". */
static void
note_choice(MrReading *reading, const uint8 *next, const uint8 *end)
{
	if (next < end && *next == '(')
		next++;
	if (end - next >= 2 && ((*next | 0x20) >= 'a' && (*next | 0x20) <= 'j') &&
		(next[1] == '.' || next[1] == ')' || next[1] == ':'))
		reading->choices++;
}

/* True when the token is new. */
static bool
add_token(MrReading *reading, uint64 hash)
{
	MrFeatureSpace *space = reading->space;
	bool		fresh = add_hash(space, hash, AS_WORD);

	if (reading->previous != 0)
		add_hash(space, reading->previous * 31 + hash, AS_PAIR);
	if (reading->tokens == 0)
	{
		add_hash(space, hash, AS_FIRST);
		reading->first = hash;
	}
	else if (reading->tokens == 1)
		add_hash(space, reading->first * 31 + hash, AS_FIRST_PAIR);
	reading->tokens++;
	reading->previous = hash;
	return fresh;
}

/*
 * True when the hash is new.  When all places are taken, new ones are left
 * out.
 */
static bool
add_hash(MrFeatureSpace *space, uint64 hash, uint64 as)
{
	uint32		mixed = (mix(hash + as * HASH_START) & ~MR_FEATURE_PAIR)
		| (as == AS_PAIR ? MR_FEATURE_PAIR : 0);
	uint32		at = (mixed >> 1) & slot_mask;

	while (slots[at].stamp == current_stamp)
	{
		if (slots[at].hash == mixed)
			return false;
		at = (at + 1) & slot_mask;
	}
	if (space->features.nwords == words_limit)
		return true;
	slots[at].hash = mixed;
	slots[at].stamp = current_stamp;
	space->words[space->features.nwords++] = mixed;
	return true;
}

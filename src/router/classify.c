/*
 * classify.c
 *	  The kind of a prompt: a linear classifier over words and surface signals.
 *
 * Weights are in tenths of a logit.  Words come from keywords.c; a word counts
 * double in the first and last bytes of the prompt, where the instruction
 * stands, and less each time it comes again.  What was gathered is divided by
 * a norm that grows with the number of words, then made a distribution by
 * softmax.  DEFAULT, whose quality is the mean over all kinds, takes the share
 * that the evidence leaves open.
 *
 * Only the head and the tail of a long prompt are read.  Nothing is allocated.
 */
#include "postgres.h"

#include <math.h>

#include "router/internal.h"
#include "router/keywords.h"

#define EDGE_BYTES		160		/* where a word counts double */
#define NORM_WORDS		40.0	/* words after which the norm grows */
#define LOGITS_PER_TENTH 0.1
#define NEGLIGIBLE		0.02	/* probabilities below are dropped */
#define LONG_CONTEXT_BYTES 24000.0

/* What one pass over the text gathers. */
typedef struct Evidence
{
	int			score[MR_CATEGORIES];	/* MR_KEYWORD_UNIT per tenth */
	uint32		words;
	uint32		bytes;
	uint32		seen[256];		/* bytes that are no letters */
	uint8		any;			/* or of all bytes */
	uint8		hits[MR_KEYWORDS_MAX];
} Evidence;

/* Logits before any evidence, in tenths. */
static const double bias[MR_CATEGORIES] = {
	[MR_CATEGORY_DEFAULT] = 8,
	[MR_CATEGORY_KNOWLEDGE] = 2,
	[MR_CATEGORY_WRITING_CHAT] = 2,
	[MR_CATEGORY_MULTILINGUAL] = -5,
	[MR_CATEGORY_LONG_CONTEXT] = -20,
	[MR_CATEGORY_TOOL_USE] = -10
};

static void declare_category(MrCategory category, MrPromptFeatures *features);
static void read_text(Evidence *evidence, const char *text, size_t bytes);
static void read_span(Evidence *evidence, const uint8 *next, const uint8 *end,
					  int weight);
static void weigh_keyword(Evidence *evidence, const MrKeywordIndex *index,
						  int keyword, int weight);
static const uint8 *word_boundary(const uint8 *at, const uint8 *end);
static void weigh_words(const Evidence *evidence, double *logit);
static void weigh_surface(const Evidence *evidence, double *logit);
static void weigh_scripts(const Evidence *evidence, const char *text,
						  size_t bytes, double *logit);
static double foreign_share(const char *text, size_t bytes);
static void weigh_request(const MrRequest *request, size_t bytes,
						  double *logit);
static void softmax(const double *logit, MrPromptFeatures *features);
static void drop_negligible(MrPromptFeatures *features);

/*
 * Fill features->category and features->probability, which sums to 1.  A NUL
 * stands behind the text.
 */
void
mr_classify(const MrRequest *request, const char *text, size_t bytes,
			MrPromptFeatures *features)
{
	Evidence	evidence;
	double		logit[MR_CATEGORIES];

	if (request->category != MR_CATEGORY_DEFAULT)
	{
		declare_category(request->category, features);
		return;
	}
	memset(&evidence, 0, sizeof(evidence));
	memcpy(logit, bias, sizeof(logit));
	read_text(&evidence, text, bytes);
	weigh_words(&evidence, logit);
	weigh_surface(&evidence, logit);
	weigh_scripts(&evidence, text, bytes, logit);
	weigh_request(request, bytes, logit);
	softmax(logit, features);
	drop_negligible(features);
}

static void
declare_category(MrCategory category, MrPromptFeatures *features)
{
	memset(features->probability, 0, sizeof(features->probability));
	features->probability[category] = 1;
	features->category = category;
}

/*
 * The head and tail of the text, each edge at double weight.
 */
static void
read_text(Evidence *evidence, const char *text, size_t bytes)
{
	const uint8 *start = (const uint8 *) text;
	const uint8 *end = start + bytes;
	const uint8 *head_edge = start + Min(bytes, EDGE_BYTES);
	const uint8 *tail_edge = end - Min(bytes, EDGE_BYTES);
	const uint8 *head_end = start + Min(bytes, MR_CLASSIFY_HEAD_BYTES);
	const uint8 *tail = end - Min(bytes, MR_CLASSIFY_TAIL_BYTES);

	head_edge = word_boundary(head_edge, end);
	tail_edge = word_boundary(Max(tail_edge, head_edge), end);
	head_end = word_boundary(Max(head_end, head_edge), tail_edge);
	tail = word_boundary(Max(tail, head_end), tail_edge);
	read_span(evidence, start, head_edge, 2);
	read_span(evidence, head_edge, head_end, 1);
	read_span(evidence, tail, tail_edge, 1);
	read_span(evidence, tail_edge, end, 2);
}

static const uint8 *
word_boundary(const uint8 *at, const uint8 *end)
{
	while (at < end && mr_keyword_index()->fold[*at] != 0)
		at++;
	return at;
}

/*
 * Split a span into words and look each up.  The byte at end is no letter (a
 * word boundary, or the NUL behind the text), so that words end by themselves.
 */
static void
read_span(Evidence *evidence, const uint8 *next, const uint8 *end, int weight)
{
	const MrKeywordIndex *index = mr_keyword_index();
	uint32		words = 0;
	uint8		any = 0;

	evidence->bytes += end - next;
	while (next < end)
	{
		uint8		folded = index->fold[*next];
		uint64		hash = 0;
		int			keyword;

		if (folded == 0)
		{
			evidence->seen[*next]++;
			next += *next == 0xE2 ? 3 : 1;	/* quotes, dashes, symbols */
			continue;
		}
		do
		{
			hash = mr_keyword_step(hash, folded);
			any |= folded;
			folded = index->fold[*++next];
		} while (folded != 0);
		words++;
		keyword = mr_keyword_find(index, hash);
		if (keyword >= 0)
			weigh_keyword(evidence, index, keyword, weight);
	}
	evidence->words += words;
	evidence->any |= any;
}

/*
 * A word counts half each time it comes again, and not after the third.
 */
static void
weigh_keyword(Evidence *evidence, const MrKeywordIndex *index, int keyword,
			  int weight)
{
	const int8 *tenths = index->weights[keyword];
	int			times;

	if (evidence->hits[keyword] >= 3)
		return;
	times = (weight * MR_KEYWORD_UNIT) >> evidence->hits[keyword]++;
	for (int i = 0; i < MR_CATEGORIES; i++)
		evidence->score[i] += times * tenths[i];
}

static void
weigh_words(const Evidence *evidence, double *logit)
{
	double		norm = sqrt(1 + evidence->words / NORM_WORDS);

	for (int i = 0; i < MR_CATEGORIES; i++)
		logit[i] += evidence->score[i] / (MR_KEYWORD_UNIT * norm);
}

/*
 * Digits, operators, brackets, line breaks and question marks.
 */
static void
weigh_surface(const Evidence *evidence, double *logit)
{
	const uint32 *seen = evidence->seen;
	double		per_byte = 100.0 / (evidence->bytes + 20);
	uint32		digits = 0;
	uint32		code;
	uint32		maths;

	for (int c = '0'; c <= '9'; c++)
		digits += seen[c];
	code = seen['{'] + seen['}'] + seen[';'] + seen['_'] + seen['=']
		+ seen['<'] + seen['>'] + seen['['] + seen[']'] + seen['#']
		+ seen['|'] + seen['&'];
	maths = seen['+'] + seen['^'] + seen['='] + seen['*'] + seen['\\']
		+ seen['$'] + seen['%'] + seen['/'];

	logit[MR_CATEGORY_CODE] += Min(25.0, 4.0 * code * per_byte)
		+ (seen['`'] >= 3 ? 15 : 0);
	logit[MR_CATEGORY_MATH] += Min(20.0, 2.0 * digits * per_byte)
		+ Min(20.0, 4.0 * maths * per_byte)
		+ Min(15, 5 * (int) seen['\\']);
	if (seen['?'] > 0)
	{
		logit[MR_CATEGORY_KNOWLEDGE] += 5;
		logit[MR_CATEGORY_REASONING] += 2;
	}
	if (seen['\n'] > 5)
		logit[MR_CATEGORY_EXTRACTION_SUMMARIZATION] += 3;
}

static void
weigh_scripts(const Evidence *evidence, const char *text, size_t bytes,
			  double *logit)
{
	double		share;

	if ((evidence->any & 0x80) == 0)
		return;
	share = foreign_share(text, Min(bytes, MR_CLASSIFY_HEAD_BYTES));
	logit[MR_CATEGORY_MULTILINGUAL] += Min(45.0, 150 * share);
}

/*
 * The share of code points that are letters outside ASCII.  Typographic
 * punctuation (U+2000 to U+2FFF), the like of it among CJK, and emoji are no
 * sign of a language.
 */
static double
foreign_share(const char *text, size_t bytes)
{
	uint32		foreign = 0;
	uint32		points = 1;

	for (size_t i = 0; i < bytes; i++)
	{
		uint8		byte = (uint8) text[i];

		points += (byte & 0xC0) != 0x80;
		foreign += byte >= 0xC3 && byte < 0xF0 && byte != 0xE2;
	}
	return (double) foreign / points;
}

/*
 * What the request itself says: its length, tools, a schema for the output.
 */
static void
weigh_request(const MrRequest *request, size_t bytes, double *logit)
{
	if (bytes > LONG_CONTEXT_BYTES)
		logit[MR_CATEGORY_LONG_CONTEXT] +=
			40 + 15 * log2(bytes / LONG_CONTEXT_BYTES);
	if (request->tools_json != NULL)
		logit[MR_CATEGORY_TOOL_USE] += 60;
	if (request->capabilities & MR_CAPABILITY_JSON_SCHEMA)
		logit[MR_CATEGORY_EXTRACTION_SUMMARIZATION] += 20;
}

static void
softmax(const double *logit, MrPromptFeatures *features)
{
	int			best = 0;
	double		sum = 0;

	for (int i = 1; i < MR_CATEGORIES; i++)
		if (logit[i] > logit[best])
			best = i;
	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		features->probability[i] =
			exp((logit[i] - logit[best]) * LOGITS_PER_TENTH);
		sum += features->probability[i];
	}
	for (int i = 0; i < MR_CATEGORIES; i++)
		features->probability[i] /= sum;
	features->category = best;
}

/*
 * Few categories make every prediction cheaper and change none.
 */
static void
drop_negligible(MrPromptFeatures *features)
{
	double		kept = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (features->probability[i] < NEGLIGIBLE)
			features->probability[i] = 0;
		kept += features->probability[i];
	}
	for (int i = 0; i < MR_CATEGORIES; i++)
		features->probability[i] /= kept;
}

/*
 * prompt.c
 *	  Reading a prompt: how many tokens it is, what it looks like, and which
 *	  kind of prompt.
 *
 * Nothing is allocated.  Any bytes are accepted: text that is not valid UTF-8
 * is counted and classified somehow, never misread.
 */
#include "postgres.h"

#include "router/internal.h"

/* Tokens that chat formats add for each message and for the reply's start. */
#define TOKENS_PER_MESSAGE	4
#define TOKENS_PER_REQUEST	3

/* The kinds of byte that the token estimate tells apart. */
enum
{
	BYTE_PUNCT = 0,				/* and control characters */
	BYTE_LOWER,
	BYTE_UPPER,
	BYTE_DIGIT,
	BYTE_SPACE,
	BYTE_NEWLINE,
	BYTE_CONT,					/* UTF-8 continuation: part of its lead */
	BYTE_LEAD2,					/* Latin with marks, Greek, Cyrillic, ... */
	BYTE_LEAD3,					/* Indic, Thai, CJK, Hangul, symbols */
	BYTE_LEAD4,					/* emoji, rare CJK */
	BYTE_KINDS
};

static const uint8 byte_kind[256] = {
	['a' ... 'z'] = BYTE_LOWER,
	['A' ... 'Z'] = BYTE_UPPER,
	['0' ... '9'] = BYTE_DIGIT,
	[' '] = BYTE_SPACE,
	['\t'] = BYTE_SPACE,
	['\n'] = BYTE_NEWLINE,
	['\r'] = BYTE_SPACE,
	[0x80 ... 0xBF] = BYTE_CONT,
	[0xC0 ... 0xDF] = BYTE_LEAD2,
	[0xE0 ... 0xEF] = BYTE_LEAD3,
	[0xF0 ... 0xFF] = BYTE_LEAD4
};

/*
 * The token estimate: each byte costs what follows from its kind (column) and
 * the kind of the byte before it (row), in 1/64 token.  That gives an English
 * word 1.2 tokens and grows with its length, three digits one token, a run of
 * punctuation half a token each, and a CJK character one: within a tenth of
 * the byte-pair encodings in use for prose, within a quarter for code.
 */
#define COST_SHIFT 6

static const uint8 byte_cost[BYTE_KINDS][16] = {
	/* after			 punct lower upper digit space line cont 2 3 4 */
	[BYTE_PUNCT] = {36, 50, 50, 40, 0, 36, 0, 48, 64, 128},
	[BYTE_LOWER] = {48, 6, 40, 40, 0, 40, 0, 16, 64, 128},
	[BYTE_UPPER] = {48, 6, 20, 40, 0, 40, 0, 16, 64, 128},
	[BYTE_DIGIT] = {48, 40, 40, 21, 0, 40, 0, 48, 64, 128},
	[BYTE_SPACE] = {52, 56, 56, 48, 4, 36, 0, 48, 64, 128},
	[BYTE_NEWLINE] = {52, 56, 56, 48, 20, 8, 0, 48, 64, 128},
	[BYTE_CONT] = {48, 10, 30, 40, 0, 40, 0, 22, 64, 128},
	[BYTE_LEAD2] = {48, 50, 50, 40, 0, 40, 0, 48, 64, 128},
	[BYTE_LEAD3] = {48, 50, 50, 40, 0, 40, 0, 48, 64, 128},
	[BYTE_LEAD4] = {48, 50, 50, 40, 0, 40, 0, 48, 64, 128}
};

/* Too large for the stack of a decision, and read for one at a time. */
static MrFeatureSpace last_reading;

static int64 count_request_tokens(const MrRequest *request, const char *text,
								  size_t bytes);
static int64 count_string_tokens(const char *text);

/*
 * Fill features from all that the request would send.
 */
void
mr_router_read_prompt(const MrRequest *request, MrPromptFeatures *features)
{
	const char *text = request->prompt;
	size_t		bytes = request->prompt_bytes;
	size_t		skip = 0;

	if (text == NULL)
	{
		text = request->messages_text ? request->messages_text : "";
		bytes = request->messages_text ? request->messages_text_bytes : 0;
		skip = Min(request->messages_system_bytes, bytes);
	}
	features->bytes = bytes;
	features->input_tokens = count_request_tokens(request, text, bytes);
	mr_features_read(text + skip, bytes - skip, request->task_key,
					 &last_reading);
	features->reading = &last_reading.features;
	mr_classify(request, features);
}

/*
 * The same for a prompt that was read before, and came without anything else.
 */
void
mr_router_take_features(const MrFeatures *reading, int64 input_tokens,
						MrPromptFeatures *features)
{
	MrRequest	request = {0};

	features->bytes = reading->bytes;
	features->input_tokens = input_tokens;
	features->reading = reading;
	mr_classify(&request, features);
}

static int64
count_request_tokens(const MrRequest *request, const char *text, size_t bytes)
{
	int64		tokens = mr_router_count_tokens(text, bytes);

	if (request->nmessages > 0)
		tokens += TOKENS_PER_REQUEST
			+ (int64) TOKENS_PER_MESSAGE * request->nmessages;
	tokens += count_string_tokens(request->system);
	tokens += count_string_tokens(request->tools_json);
	tokens += count_string_tokens(request->response_format_json);
	return tokens;
}

static int64
count_string_tokens(const char *text)
{
	return text ? mr_router_count_tokens(text, strlen(text)) : 0;
}

/*
 * An estimate of the tokens of a text; at least 1 unless it is empty.
 */
int64
mr_router_count_tokens(const char *text, size_t bytes)
{
	const uint8 *next = (const uint8 *) text;
	const uint8 *end = next + bytes;
	uint64		cost = 0;
	unsigned	before = BYTE_NEWLINE;

	while (next < end)
	{
		unsigned	kind = byte_kind[*next++];

		cost += byte_cost[before][kind];
		before = kind;
	}
	if (bytes == 0)
		return 0;
	return Max(1, (int64) ((cost + (1 << (COST_SHIFT - 1))) >> COST_SHIFT));
}

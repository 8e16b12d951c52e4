/*
 * parse_fuzz.c
 *	  Feeds bytes to what reads providers' replies, and checks what comes out.
 *
 * An input is a letter that selects the function, a letter that selects the
 * HTTP status, and the body.  Built with -DSTANDALONE it mutates the corpus
 * itself, in a fixed order; otherwise libFuzzer drives it.
 */
#include "postgres.h"

#include <math.h>
#include <time.h>

#include "mb/pg_wchar.h"

#include "base/json.h"
#include "provider/chat_reply.h"
#include "provider/provider.h"
#include "shim.h"

typedef enum FuzzMode
{
	FUZZ_OPENAI_PROMPT = 0,
	FUZZ_OPENAI_MESSAGES,
	FUZZ_ANTHROPIC_PROMPT,
	FUZZ_ANTHROPIC_MESSAGES,
	FUZZ_ANTHROPIC_BUILD,
	FUZZ_ESCAPE
} FuzzMode;

#define FUZZ_MODES (FUZZ_ESCAPE + 1)

static const int statuses[] = {200, 200, 200, 400, 403, 429, 500, 301};

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t bytes);

static void fuzz_parse(FuzzMode mode, int status, const char *body,
					   size_t bytes);
static void check_reply(const MrReply *reply);
static void check_failure(const MrFailure *failure);
static void fuzz_build(const char *text, size_t bytes);
static void fuzz_escape(const char *text, size_t bytes);
static const MrJson *parse_again(const char *json, size_t bytes);
static void require(bool condition, const char *what);
static void require_text(const char *text, const char *what);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t bytes)
{
	FuzzMode	mode;
	char	   *body;

	if (bytes < 2)
		return 0;
	mode = data[0] % FUZZ_MODES;
	bytes -= 2;
	body = palloc(bytes);
	memcpy(body, data + 2, bytes);
	if (mode == FUZZ_ANTHROPIC_BUILD)
		fuzz_build(body, bytes);
	else if (mode == FUZZ_ESCAPE)
		fuzz_escape(body, bytes);
	else
		fuzz_parse(mode, statuses[data[1] % lengthof(statuses)], body, bytes);
	shim_reset();
	return 0;
}

static void
fuzz_parse(FuzzMode mode, int status, const char *body, size_t bytes)
{
	bool		openai = mode <= FUZZ_OPENAI_MESSAGES;
	MrWireReply wire = {status, body, bytes, -1, -1};
	MrRequest	request = {.temperature = NAN, .top_p = NAN};
	MrReply		reply;
	MrFailure	failure;

	if (mode == FUZZ_OPENAI_MESSAGES || mode == FUZZ_ANTHROPIC_MESSAGES)
		request.messages_json = "[]";
	else
		request.prompt = "p";
	if (mr_dialect_find(openai ? "openai" : "anthropic")
		->parse(&wire, &request, &reply, &failure))
	{
		require(status == 200, "no reply from an error status");
		check_reply(&reply);
	}
	else
		check_failure(&failure);
}

static void
check_reply(const MrReply *reply)
{
	MrChatReply chat = {.reply = reply, .provider = "p", .model = "m"};
	const char *json = mr_chat_reply_json(&chat);
	const MrUsage *usage = &reply->usage;

	require(reply->content == NULL ||
			strlen(reply->content) == reply->content_bytes,
			"content without NUL");
	require_text(reply->content, "content is UTF-8");
	require_text(reply->upstream_id, "id is UTF-8");
	require_text(reply->upstream_model, "model is UTF-8");
	require(usage->input_uncached >= 0 && usage->cache_read >= 0 &&
			usage->cache_write >= 0 && usage->output >= 0 &&
			usage->reasoning >= 0 && usage->reasoning <= usage->output,
			"counts of tokens");
	require(reply->reported_cost_usd >= 0 || isnan(reply->reported_cost_usd),
			"reported cost");
	require(parse_again(json, strlen(json)) != NULL,
			"the chat completion is JSON");
}

static void
check_failure(const MrFailure *failure)
{
	require(failure->kind > MR_FAILURE_NONE &&
			failure->kind < MR_FAILURE_KINDS, "kind of failure");
	require(failure->message != NULL &&
			strlen(failure->message) <= MR_FAILURE_MESSAGE_BYTES,
			"bounded message");
	require_text(failure->message, "message is UTF-8");
	require_text(failure->code, "code is UTF-8");
	require(failure->retry_after_ms >= -1, "retry_after_ms");
}

/* The text as messages, tools and all other JSON of a request. */
static void
fuzz_build(const char *text, size_t bytes)
{
	MrRequest	request = {.temperature = NAN, .top_p = NAN};
	MrEndpoint	endpoint = {.base_url = "http://h", .upstream_name = "m"};
	const char *json;
	const char *problem;
	const MrJson *tree = mr_json_parse(text, bytes, &problem);
	MrWireRequest wire;

	if (tree == NULL)
		return;
	json = mr_json_print(tree);
	request.messages_json = json;
	request.tools_json = json;
	request.tool_choice_json = json;
	request.response_format_json = json;
	mr_dialect_find("anthropic")->build(&request, &endpoint, "k", &wire);
	tree = mr_json_parse(wire.body.data, wire.body.len, &problem);
	require(tree != NULL || strcmp(problem, "nested too deeply") == 0,
			"the body is JSON");
}

/* Any UTF-8 text is written so that it reads back the same. */
static void
fuzz_escape(const char *text, size_t bytes)
{
	StringInfoData out;
	const char *back;

	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) bytes) != (int) bytes)
		return;
	initStringInfo(&out);
	mr_json_append_text(&out, text, bytes);
	back = mr_json_string(parse_again(out.data, out.len));
	require(back != NULL && strlen(back) == bytes &&
			memcmp(back, text, bytes) == 0, "text reads back");
}

static const MrJson *
parse_again(const char *json, size_t bytes)
{
	const char *problem;

	return mr_json_parse(json, bytes, &problem);
}

static void
require(bool condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "violated: %s\n", what);
		abort();
	}
}

static void
require_text(const char *text, const char *what)
{
	int			bytes = text ? (int) strlen(text) : 0;

	require(bytes == 0 ||
			pg_encoding_verifymbstr(PG_UTF8, text, bytes) == bytes, what);
}

#ifdef STANDALONE

#define INPUT_MAX_BYTES 65536

static uint64 random_state = 1;

static size_t read_input(const char *path, uint8 *data);
static size_t mutate(uint8 *data, size_t bytes);
static uint64 next_random(void);

/* parse_fuzz SECONDS FILE... */
int
main(int argc, char **argv)
{
	time_t		end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 0);
	uint8	   *data = malloc(INPUT_MAX_BYTES);
	long		runs = 0;

	for (int i = 2; i < argc; i++, runs++)
		LLVMFuzzerTestOneInput(data, read_input(argv[i], data));
	for (int i = 2; i < argc && time(NULL) < end; i = i + 1 < argc ? i + 1 : 2)
	{
		for (int round = 0; round < 100; round++, runs++)
		{
			size_t		bytes = read_input(argv[i], data);

			for (uint64 n = next_random() % 6; n > 0; n--)
				bytes = mutate(data, bytes);
			LLVMFuzzerTestOneInput(data, bytes);
		}
	}
	printf("# %ld runs\n", runs);
	return 0;
}

static size_t
read_input(const char *path, uint8 *data)
{
	FILE	   *file = fopen(path, "rb");
	size_t		bytes = file ? fread(data, 1, INPUT_MAX_BYTES / 2, file) : 0;

	if (file != NULL)
		fclose(file);
	return bytes;
}

/* Change, remove, repeat or insert a few bytes. */
static size_t
mutate(uint8 *data, size_t bytes)
{
	static const char words[] = "\"\\{}[],:ntf0-e9u \xff\xc3\xed\x00";
	size_t		at = bytes ? next_random() % bytes : 0;
	size_t		length = next_random() % 16 + 1;

	length = Min(length, bytes - at);
	switch (next_random() % 4)
	{
		case 0:
			if (bytes > 0)
				data[at] = (uint8) next_random();
			return bytes;
		case 1:
			memmove(data + at, data + at + length, bytes - at - length);
			return bytes - length;
		case 2:
			if (bytes + length > INPUT_MAX_BYTES)
				return bytes;
			memmove(data + at + length, data + at, bytes - at);
			return bytes + length;
		default:
			if (bytes + 1 > INPUT_MAX_BYTES)
				return bytes;
			memmove(data + at + 1, data + at, bytes - at);
			data[at] = words[next_random() % (sizeof(words) - 1)];
			return bytes + 1;
	}
}

/* xorshift64* */
static uint64
next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64CONST(2685821657736338717) >> 16;
}

#endif							/* STANDALONE */

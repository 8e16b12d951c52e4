/*
 * provider_reply_test.c
 *	  Tests of good replies as the dialects read them, and of the chat
 *	  completion made from them.
 *
 * Sources: base/json.c base/failure.c base/endpoint.c provider
 */
#include "postgres.h"

#include <math.h>

#include "base/json.h"
#include "check.h"
#include "provider/chat_reply.h"
#include "shim.h"

#define CHOICE(message, finish) \
	"{\"choices\":[{\"message\":" message ",\"finish_reason\":" finish "}]}"
#define OPENAI_USAGE(usage) \
	"{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":" usage "}"
#define BLOCKS(content, stop, usage) \
	"{\"content\":" content ",\"stop_reason\":" stop ",\"usage\":" usage "}"

static MrReply read_reply(const char *dialect, const char *body);
static MrReply read_message(const char *dialect, const char *body);
static void check_usage(const MrReply *reply, const MrUsage *expected,
						const char *name);
static void test_openai_reply(void);
static void test_openai_content(void);
static void test_openai_finish(void);
static void test_openai_usage(void);
static void test_openai_absurd_usage(void);
static void test_openai_cost(void);
static void test_openai_message(void);
static void test_bounds(void);
static void test_anthropic_reply(void);
static void test_anthropic_content(void);
static void test_anthropic_finish(void);
static void test_anthropic_usage(void);
static void test_anthropic_message(void);
static void test_chat_reply(void);
static void test_chat_reply_unknown(void);

int
main(void)
{
	test_openai_reply();
	test_openai_content();
	test_openai_finish();
	test_openai_usage();
	test_openai_absurd_usage();
	test_openai_cost();
	test_openai_message();
	test_bounds();
	test_anthropic_reply();
	test_anthropic_content();
	test_anthropic_finish();
	test_anthropic_usage();
	test_anthropic_message();
	test_chat_reply();
	test_chat_reply_unknown();
	shim_reset();
	return check_done();
}

/* A body without a NUL behind it, read as the answer to a prompt. */
static MrReply
read_reply(const char *dialect, const char *body)
{
	size_t		bytes = strlen(body);
	char	   *copy = memcpy(palloc(bytes), body, bytes);
	MrWireReply wire = {200, copy, bytes, -1, -1};
	MrRequest	request = {.prompt = "p"};
	MrReply		reply;
	MrFailure	failure;

	if (!mr_dialect_find(dialect)->parse(&wire, &request, &reply, &failure))
	{
		printf("# refused: %s\n", failure.message);
		memset(&reply, 0, sizeof(reply));
	}
	return reply;
}

/* The same for a request that came as messages. */
static MrReply
read_message(const char *dialect, const char *body)
{
	MrWireReply wire = {200, body, strlen(body), -1, -1};
	MrRequest	request = {.messages_json = "[]"};
	MrReply		reply;
	MrFailure	failure;

	check(mr_dialect_find(dialect)->parse(&wire, &request, &reply, &failure),
		  "the next message is read");
	return reply;
}

static void
check_usage(const MrReply *reply, const MrUsage *expected, const char *name)
{
	const MrUsage *got = &reply->usage;

	if (!check(reply->has_usage && memcmp(got, expected,
										  offsetof(MrUsage, estimated)) == 0,
			   name))
		printf("# got: " INT64_FORMAT " " INT64_FORMAT " " INT64_FORMAT " "
			   INT64_FORMAT " " INT64_FORMAT "\n", got->input_uncached,
			   got->cache_read, got->cache_write, got->output,
			   got->reasoning);
}

static void
test_openai_reply(void)
{
	MrReply		reply = read_reply("openai",
								   "{\"id\":\"c-1\",\"model\":\"m-1-2026\","
								   "\"choices\":[{\"index\":0,"
								   "\"finish_reason\":\"stop\",\"message\":"
								   "{\"role\":\"assistant\",\"content\":"
								   "\"L\\u00edma\",\"refusal\":null}}],"
								   "\"usage\":{\"prompt_tokens\":21,"
								   "\"completion_tokens\":3,"
								   "\"total_tokens\":24}}");
	MrUsage		usage = {.input_uncached = 21, .output = 3};

	check_text(reply.content, "L\xc3\xadma", "openai: content");
	check_int(reply.content_bytes, 5, "openai: its bytes");
	check_text(reply.upstream_model, "m-1-2026", "openai: the model");
	check_text(reply.upstream_id, "c-1", "openai: the id");
	check_int(reply.finish, MR_FINISH_STOP, "openai: finish reason");
	check_usage(&reply, &usage, "openai: usage");
	check(isnan(reply.reported_cost_usd), "openai: no cost");
	check(reply.message_json == NULL, "openai: no message for a prompt");
}

static void
test_openai_content(void)
{
	check_text(read_reply("openai", CHOICE("{\"content\":\"\"}", "\"stop\""))
			   .content, "", "openai: an empty answer is an answer");
	check_text(read_reply("openai", CHOICE("{\"content\":[{\"type\":"
										   "\"thinking\",\"thinking\":[]},"
										   "{\"type\":\"text\",\"text\":"
										   "\"a\"},{\"type\":\"text\","
										   "\"text\":\"b\"}]}", "\"stop\""))
			   .content, "ab", "openai: content in parts");
	check_text(read_reply("openai", CHOICE("{\"content\":null}",
										   "\"length\""))
			   .content, "", "openai: a limit spent on thought");
	check_text(read_reply("openai", CHOICE("{\"content\":\"a\"}",
										   "\"content_filter\""))
			   .content, "a", "openai: content cut by the filter");
	check_text(read_reply("openai", "\xef\xbb\xbf"
						  CHOICE("{\"content\":\"a\"}", "null"))
			   .content, "a", "openai: a byte order mark");
	check_text(read_reply("openai", "{\"error\":null,\"choices\":[{\"message\":"
						  "{\"content\":\"a\"}}]}")
			   .content, "a", "openai: an error that is null");
}

static void
test_openai_finish(void)
{
	static const struct
	{
		const char *body;
		MrFinishReason finish;
	}			cases[] =
	{
		{CHOICE("{\"content\":\"a\"}", "\"stop\""), MR_FINISH_STOP},
		{CHOICE("{\"content\":\"a\"}", "\"length\""), MR_FINISH_LENGTH},
		{CHOICE("{\"content\":\"a\"}", "\"model_length\""), MR_FINISH_LENGTH},
		{CHOICE("{\"content\":\"a\"}", "\"content_filter\""),
		MR_FINISH_CONTENT_FILTER},
		{CHOICE("{\"content\":null,\"tool_calls\":[{}]}", "\"tool_calls\""),
		MR_FINISH_TOOL_CALLS},
		{CHOICE("{\"content\":\"a\"}", "\"new\""), MR_FINISH_UNKNOWN},
		{CHOICE("{\"content\":\"a\"}", "null"), MR_FINISH_UNKNOWN},
	};

	for (size_t i = 0; i < lengthof(cases); i++)
		check_int(read_reply("openai", cases[i].body).finish, cases[i].finish,
				  psprintf("openai: finish reason %zu", i));
}

static void
test_openai_usage(void)
{
	MrReply		reply;

	reply = read_reply("openai", OPENAI_USAGE(
											  "{\"prompt_tokens\":100,\"completion_tokens\":50,"
											  "\"total_tokens\":150,\"prompt_tokens_details\":"
											  "{\"cached_tokens\":60,\"cache_write_tokens\":10},"
											  "\"completion_tokens_details\":{\"reasoning_tokens\":40}}"));
	check_usage(&reply, &(MrUsage) {30, 60, 10, 50, 40, false},
				"openai: cached tokens are part of the prompt's");
	reply = read_reply("openai", OPENAI_USAGE(
											  "{\"prompt_tokens\":100,\"completion_tokens\":5,"
											  "\"prompt_cache_hit_tokens\":64,"
											  "\"prompt_cache_miss_tokens\":36}"));
	check_usage(&reply, &(MrUsage) {36, 64, 0, 5, 0, false},
				"openai: DeepSeek's cached tokens");
	reply = read_reply("openai", OPENAI_USAGE(
											  "{\"prompt_tokens\":10,\"completion_tokens\":5,"
											  "\"total_tokens\":35,\"completion_tokens_details\":"
											  "{\"reasoning_tokens\":20}}"));
	check_usage(&reply, &(MrUsage) {10, 0, 0, 25, 20, false},
				"openai: thought outside of completion_tokens");
	reply = read_reply("openai", OPENAI_USAGE(
											  "{\"prompt_tokens\":10,\"completion_tokens\":5,"
											  "\"prompt_tokens_details\":null,"
											  "\"completion_tokens_details\":null}"));
	check_usage(&reply, &(MrUsage) {10, 0, 0, 5, 0, false},
				"openai: details that are null");
	reply = read_reply("openai", OPENAI_USAGE(
											  "{\"prompt_tokens\":10,\"completion_tokens\":5,"
											  "\"prompt_tokens_details\":{\"cached_tokens\":99}}"));
	check_usage(&reply, &(MrUsage) {0, 10, 0, 5, 0, false},
				"openai: never more cached than sent");
}

static void
test_openai_absurd_usage(void)
{
	static const char *const usages[] = {
		"null", "{}", "7", "\"x\"", "[]",
		"{\"prompt_tokens\":1}",
		"{\"prompt_tokens\":-1,\"completion_tokens\":1}",
		"{\"prompt_tokens\":1,\"completion_tokens\":1e13}",
		"{\"prompt_tokens\":1,\"completion_tokens\":1e999}",
		"{\"prompt_tokens\":1.5,\"completion_tokens\":1}",
		"{\"prompt_tokens\":\"1\",\"completion_tokens\":1}",
		"{\"prompt_tokens\":1,\"completion_tokens\":1,"
		"\"prompt_tokens_details\":{\"cached_tokens\":-5}}",
	};

	for (size_t i = 0; i < lengthof(usages); i++)
	{
		const char *body = psprintf(OPENAI_USAGE("%s"), usages[i]);
		MrReply		reply = read_reply("openai", body);

		check(reply.content != NULL && !reply.has_usage &&
			  reply.usage.output == 0,
			  psprintf("openai: no usage from %s", usages[i]));
	}
}

static void
test_openai_cost(void)
{
	check(read_reply("openai", OPENAI_USAGE("{\"cost\":0.00125}"))
		  .reported_cost_usd == 0.00125, "openai: reported cost");
	check(isnan(read_reply("openai", OPENAI_USAGE("{\"cost\":-1}"))
				.reported_cost_usd), "openai: a negative cost is none");
	check(isnan(read_reply("openai", OPENAI_USAGE("{\"cost\":1e9}"))
				.reported_cost_usd), "openai: an absurd cost is none");
}

static void
test_openai_message(void)
{
	MrReply		reply;

	reply = read_message("openai",
						 CHOICE("{\"tool_calls\":[{\"id\":\"t\",\"type\":"
								"\"function\",\"function\":{\"name\":\"f\","
								"\"arguments\":\"{\\\"a\\\":1}\"}}],"
								"\"content\":null,\"role\":\"assistant\"}",
								"\"tool_calls\""));
	check_text(reply.message_json,
			   "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
			   "[{\"id\":\"t\",\"type\":\"function\",\"function\":"
			   "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}",
			   "openai: a message with tool calls");
	check(reply.content == NULL, "openai: its content is null");
	reply = read_message("openai", CHOICE("{\"content\":\"a\\n\","
										  "\"reasoning_content\":\"r\"}",
										  "\"stop\""));
	check_text(reply.message_json,
			   "{\"role\":\"assistant\",\"content\":\"a\\n\","
			   "\"reasoning_content\":\"r\"}",
			   "openai: a message with reasoning");
}

static void
test_bounds(void)
{
	char		name[1001];
	MrReply		reply;

	memset(name, 'n', 1000);
	name[1000] = '\0';
	reply = read_reply("openai", psprintf("{\"model\":\"%s\",\"choices\":"
										  "[{\"message\":{\"content\":\"a\"}"
										  "}]}", name));
	check_int(strlen(reply.upstream_model), 256, "a long name is cut");
}

static void
test_anthropic_reply(void)
{
	MrReply		reply = read_reply("anthropic",
								   "{\"id\":\"msg_1\",\"type\":\"message\","
								   "\"role\":\"assistant\",\"model\":\"m-2\","
								   "\"content\":[{\"type\":\"text\","
								   "\"text\":\"Lima\"}],"
								   "\"stop_reason\":\"end_turn\","
								   "\"stop_sequence\":null,\"usage\":"
								   "{\"input_tokens\":18,"
								   "\"cache_creation_input_tokens\":0,"
								   "\"cache_read_input_tokens\":0,"
								   "\"output_tokens\":4}}");
	MrUsage		usage = {.input_uncached = 18, .output = 4};

	check_text(reply.content, "Lima", "anthropic: content");
	check_int(reply.content_bytes, 4, "anthropic: its bytes");
	check_text(reply.upstream_model, "m-2", "anthropic: the model");
	check_text(reply.upstream_id, "msg_1", "anthropic: the id");
	check_usage(&reply, &usage, "anthropic: usage");
}

static void
test_anthropic_content(void)
{
	check_text(read_reply("anthropic",
						  BLOCKS("[{\"type\":\"thinking\",\"thinking\":\"t\"},"
								 "{\"type\":\"text\",\"text\":\"a\"},"
								 "{\"type\":\"text\",\"text\":\"b\"}]",
								 "\"end_turn\"", "{}")).content,
			   "ab", "anthropic: text blocks are joined");
	check_text(read_reply("anthropic", BLOCKS("[]", "\"end_turn\"", "{}"))
			   .content, "", "anthropic: an empty answer is an answer");
	check_text(read_reply("anthropic", BLOCKS("[{\"type\":\"thinking\"}]",
											  "\"max_tokens\"", "{}"))
			   .content, "", "anthropic: a limit spent on thought");
	check_text(read_reply("anthropic", BLOCKS("[{\"type\":\"text\","
											  "\"text\":\"no\"}]",
											  "\"refusal\"", "{}"))
			   .content, "no", "anthropic: a refusal in words");
}

static void
test_anthropic_finish(void)
{
	static const struct
	{
		const char *word;
		MrFinishReason finish;
	}			cases[] =
	{
		{"end_turn", MR_FINISH_STOP},
		{"max_tokens", MR_FINISH_LENGTH},
		{"stop_sequence", MR_FINISH_STOP},
		{"tool_use", MR_FINISH_TOOL_CALLS},
		{"pause_turn", MR_FINISH_STOP},
		{"refusal", MR_FINISH_CONTENT_FILTER},
		{"model_context_window_exceeded", MR_FINISH_LENGTH},
		{"new", MR_FINISH_UNKNOWN},
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		const char *body = psprintf(BLOCKS("[{\"type\":\"text\",\"text\":"
										   "\"a\"}]", "\"%s\"", "{}"),
									cases[i].word);

		check_int(read_reply("anthropic", body).finish, cases[i].finish,
				  psprintf("anthropic: stop reason %s", cases[i].word));
	}
}

static void
test_anthropic_usage(void)
{
	MrReply		reply;

	reply = read_reply("anthropic",
					   BLOCKS("[]", "\"end_turn\"",
							  "{\"input_tokens\":10,"
							  "\"cache_read_input_tokens\":70,"
							  "\"cache_creation_input_tokens\":20,"
							  "\"output_tokens\":50,"
							  "\"output_tokens_details\":"
							  "{\"thinking_tokens\":30}}"));
	check_usage(&reply, &(MrUsage) {10, 70, 20, 50, 30, false},
				"anthropic: cached tokens come on top");
	reply = read_reply("anthropic",
					   BLOCKS("[]", "\"end_turn\"",
							  "{\"input_tokens\":1,\"output_tokens\":2,"
							  "\"cache_read_input_tokens\":null}"));
	check_usage(&reply, &(MrUsage) {1, 0, 0, 2, 0, false},
				"anthropic: counts that are null");
	check(!read_reply("anthropic", BLOCKS("[]", "\"end_turn\"",
										  "{\"input_tokens\":-1,"
										  "\"output_tokens\":2}")).has_usage,
		  "anthropic: no usage from a negative count");
	check(!read_reply("anthropic", "{\"content\":[],\"stop_reason\":"
					  "\"end_turn\"}").has_usage, "anthropic: no usage");
}

static void
test_anthropic_message(void)
{
	MrReply		reply;

	reply = read_message("anthropic",
						 BLOCKS("[{\"type\":\"thinking\",\"thinking\":\"t\","
								"\"signature\":\"s\"},{\"type\":\"text\","
								"\"text\":\"a\"},{\"type\":\"tool_use\","
								"\"id\":\"u\",\"name\":\"f\",\"input\":"
								"{\"x\":[1,\"y\"]}}]",
								"\"tool_use\"", "{}"));
	check_text(reply.message_json,
			   "{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":"
			   "[{\"id\":\"u\",\"type\":\"function\",\"function\":"
			   "{\"name\":\"f\",\"arguments\":"
			   "\"{\\\"x\\\":[1,\\\"y\\\"]}\"}}],\"thinking_blocks\":"
			   "[{\"type\":\"thinking\",\"thinking\":\"t\","
			   "\"signature\":\"s\"}]}",
			   "anthropic: blocks as an OpenAI message");
	reply = read_message("anthropic",
						 BLOCKS("[{\"type\":\"tool_use\",\"id\":\"u\","
								"\"name\":\"f\",\"input\":{}}]",
								"\"tool_use\"", "{}"));
	check(reply.content == NULL, "anthropic: tool calls alone");
}

static void
test_chat_reply(void)
{
	MrReply		reply = {.content = "a\"b", .content_bytes = 3};
	MrChatReply chat = {.reply = &reply, .call_id = 7, .created = 1795000000};

	reply.finish = MR_FINISH_STOP;
	reply.has_usage = true;
	reply.usage = (MrUsage)
	{
		30, 60, 10, 50, 40, false
	};
	reply.upstream_model = "m-1-2026";
	reply.upstream_id = "c-1";
	chat.provider = "p";
	chat.model = "m";
	chat.cost = "0.000125";
	chat.latency_ms = 12.5;
	chat.attempts = 2;
	chat.category = "code";
	chat.reason = "best";
	check_text(mr_chat_reply_json(&chat),
			   "{\"id\":\"chatcmpl-7\",\"object\":\"chat.completion\","
			   "\"created\":1795000000,\"model\":\"m\",\"choices\":["
			   "{\"index\":0,\"message\":{\"role\":\"assistant\","
			   "\"content\":\"a\\\"b\"},\"finish_reason\":\"stop\"}],"
			   "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50,"
			   "\"total_tokens\":150,\"prompt_tokens_details\":"
			   "{\"cached_tokens\":60,\"cache_write_tokens\":10},"
			   "\"completion_tokens_details\":{\"reasoning_tokens\":40}},"
			   "\"modelroute\":{\"call_id\":7,\"provider\":\"p\","
			   "\"model\":\"m\",\"upstream_model\":\"m-1-2026\","
			   "\"upstream_id\":\"c-1\",\"cost\":0.000125,"
			   "\"latency_ms\":12.5,\"attempts\":2,\"category\":\"code\","
			   "\"usage_estimated\":false,\"reason\":\"best\"}}",
			   "chat: a whole completion");
}

static void
test_chat_reply_unknown(void)
{
	MrReply		reply = {.message_json = "{\"role\":\"assistant\"}"};
	MrChatReply chat = {.reply = &reply, .provider = "p", .model = "m"};
	const char *json = mr_chat_reply_json(&chat);

	check(strstr(json, "\"usage\":null") != NULL, "chat: unknown usage");
	check(strstr(json, "\"cost\":null") != NULL, "chat: unknown cost");
	check(strstr(json, "\"message\":{\"role\":\"assistant\"},") != NULL,
		  "chat: the message as the dialect made it");
}

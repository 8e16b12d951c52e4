/*
 * provider_build_test.c
 *	  Tests of requests as the dialects write them, byte for byte.
 *
 * Sources: base/json.c base/failure.c base/endpoint.c provider
 */
#include "postgres.h"

#include <math.h>

#include "base/json.h"
#include "check.h"
#include "provider/provider.h"
#include "shim.h"

static MrRequest prompt_request(const char *prompt);
static MrRequest messages_request(const char *messages);
static MrEndpoint make_endpoint(void);
static const char *build_body(const char *dialect, const MrRequest *request,
							  const MrEndpoint *endpoint);
static const char *build_messages(const char *messages);
static const char *header_value(const MrWireRequest *wire, const char *name);
static void test_table(void);
static void test_openai_prompt(void);
static void test_openai_options(void);
static void test_openai_sampling(void);
static void test_openai_messages(void);
static void test_extra(void);
static void test_openai_headers(void);
static void test_anthropic_prompt(void);
static void test_anthropic_options(void);
static void test_anthropic_headers(void);
static void test_anthropic_turns(void);
static void test_anthropic_system(void);
static void test_anthropic_tool_turns(void);
static void test_anthropic_thinking(void);
static void test_anthropic_parts(void);
static void test_anthropic_tools(void);
static void test_anthropic_output(void);

int
main(void)
{
	test_table();
	test_openai_prompt();
	test_openai_options();
	test_openai_sampling();
	test_openai_messages();
	test_extra();
	test_openai_headers();
	test_anthropic_prompt();
	test_anthropic_options();
	test_anthropic_headers();
	test_anthropic_turns();
	test_anthropic_system();
	test_anthropic_tool_turns();
	test_anthropic_thinking();
	test_anthropic_parts();
	test_anthropic_tools();
	test_anthropic_output();
	shim_reset();
	return check_done();
}

static MrRequest
prompt_request(const char *prompt)
{
	MrRequest	request = {.temperature = NAN, .top_p = NAN};

	request.prompt = prompt;
	request.prompt_bytes = strlen(prompt);
	return request;
}

static MrRequest
messages_request(const char *messages)
{
	MrRequest	request = {.temperature = NAN, .top_p = NAN};

	request.messages_json = messages;
	request.messages_bytes = strlen(messages);
	return request;
}

static MrEndpoint
make_endpoint(void)
{
	MrEndpoint	endpoint = {.upstream_name = "m-1"};

	endpoint.base_url = "https://api.example.com/v1";
	endpoint.capabilities = MR_CAPABILITY_CHAT;
	return endpoint;
}

static const char *
build_body(const char *dialect, const MrRequest *request,
		   const MrEndpoint *endpoint)
{
	MrWireRequest wire;
	const char *problem;

	mr_dialect_find(dialect)->build(request, endpoint, "secret", &wire);
	check(mr_json_parse(wire.body.data, wire.body.len, &problem) != NULL,
		  "the next body is JSON");
	return wire.body.data;
}

/* The member messages and what follows it, in the Anthropic dialect. */
static const char *
build_messages(const char *messages)
{
	MrRequest	request = messages_request(messages);
	MrEndpoint	endpoint = make_endpoint();
	const char *body = build_body("anthropic", &request, &endpoint);

	return strchr(body + 1, ',') + strlen(",\"max_tokens\":4096,");
}

static const char *
header_value(const MrWireRequest *wire, const char *name)
{
	for (int i = 0; i < wire->nheaders; i++)
	{
		size_t		length = strlen(name);

		if (strncmp(wire->headers[i], name, length) == 0 &&
			strncmp(wire->headers[i] + length, ": ", 2) == 0)
			return wire->headers[i] + length + 2;
	}
	return NULL;
}

static void
test_table(void)
{
	check(mr_dialect_find("openai") && mr_dialect_find("anthropic"),
		  "both dialects are found");
	check(mr_dialect_find("gemini") == NULL, "an unknown dialect is not");
	check_text(mr_finish_reason_name(MR_FINISH_TOOL_CALLS), "tool_calls",
			   "finish reasons have names");
}

static void
test_openai_prompt(void)
{
	MrRequest	request = prompt_request("say \"hi\"\n");
	MrEndpoint	endpoint = make_endpoint();
	MrWireRequest wire;

	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"say \\\"hi\\\"\\n\"}]}", "openai: a prompt");
	request.system = "Be brief.";
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"system\","
			   "\"content\":\"Be brief.\"},{\"role\":\"user\","
			   "\"content\":\"say \\\"hi\\\"\\n\"}]}",
			   "openai: a prompt with system text");
	mr_dialect_find("openai")->build(&request, &endpoint, NULL, &wire);
	check_text(wire.url, "https://api.example.com/v1/chat/completions",
			   "openai: the URL");
	endpoint.chat_path = "/x/chat";
	mr_dialect_find("openai")->build(&request, &endpoint, NULL, &wire);
	check_text(wire.url, "https://api.example.com/v1/x/chat",
			   "openai: a path of the provider's own");
}

static void
test_openai_options(void)
{
	static const char *const stop[] = {"END", "\n\n", NULL};
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.max_tokens = 64;
	request.stop = stop;
	request.has_seed = true;
	request.seed = -7;
	request.reasoning_effort = "low";
	request.tools_json = "[{\"type\": \"function\"}]";
	request.tool_choice_json = "\"auto\"";
	request.response_format_json = "{\"type\": \"json_object\"}";
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"p\"}],\"max_tokens\":64,"
			   "\"stop\":[\"END\",\"\\n\\n\"],\"seed\":-7,"
			   "\"reasoning_effort\":\"low\","
			   "\"tools\":[{\"type\": \"function\"}],"
			   "\"tool_choice\":\"auto\","
			   "\"response_format\":{\"type\": \"json_object\"}}",
			   "openai: every option");
	request = prompt_request("p");
	request.max_tokens = 64;
	endpoint.max_tokens_field = "max_completion_tokens";
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"p\"}],\"max_completion_tokens\":64}",
			   "openai: the provider's name of the length limit");
}

static void
test_openai_sampling(void)
{
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.temperature = 0.2;
	request.top_p = 1;
	check(strstr(build_body("openai", &request, &endpoint),
				 "temperature") == NULL,
		  "openai: no sampling where it is not accepted");
	endpoint.capabilities |= MR_CAPABILITY_SAMPLING;
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"p\"}],\"temperature\":0.2,\"top_p\":1}",
			   "openai: sampling where it is");
}

static void
test_openai_messages(void)
{
	MrRequest	request = messages_request("[{\"role\": \"user\", "
										   "\"content\": \"hi\"}]");
	MrEndpoint	endpoint = make_endpoint();

	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\": \"user\", "
			   "\"content\": \"hi\"}]}", "openai: messages as they are");
}

static void
test_extra(void)
{
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.max_tokens = 64;
	request.extra_json = " {\"max_tokens\": 5, \"id\": 12345678901234567890}";
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"p\"}],\"max_tokens\": 5, "
			   "\"id\": 12345678901234567890}",
			   "openai: extra is merged last, exactly, and wins");
	request.extra_json = "{}";
	check_text(build_body("openai", &request, &endpoint),
			   "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
			   "\"content\":\"p\"}],\"max_tokens\":64}",
			   "openai: an empty extra");
	request.extra_json = "{\"thinking\":{\"type\":\"adaptive\"}}";
	check_text(build_body("anthropic", &request, &endpoint),
			   "{\"model\":\"m-1\",\"max_tokens\":64,\"messages\":"
			   "[{\"role\":\"user\",\"content\":\"p\"}],"
			   "\"thinking\":{\"type\":\"adaptive\"}}",
			   "anthropic: extra");
	check(!mr_extra_key_allowed("model") && !mr_extra_key_allowed("stream") &&
		  !mr_extra_key_allowed("messages") && mr_extra_key_allowed("n"),
		  "reserved fields of extra");
}

static void
test_openai_headers(void)
{
	static const char *const own[] = {"X-Title: t", "accept: text/json", NULL};
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();
	MrWireRequest wire;

	mr_dialect_find("openai")->build(&request, &endpoint, "sk-1", &wire);
	check_text(header_value(&wire, "Authorization"), "Bearer sk-1",
			   "openai: the key");
	check_text(header_value(&wire, "Content-Type"), "application/json",
			   "openai: the content type");
	mr_dialect_find("openai")->build(&request, &endpoint, NULL, &wire);
	check_text(header_value(&wire, "Authorization"), NULL,
			   "openai: no key, no header");
	endpoint.headers = own;
	mr_dialect_find("openai")->build(&request, &endpoint, NULL, &wire);
	check_text(header_value(&wire, "X-Title"), "t",
			   "openai: a header of the provider's");
	check_text(header_value(&wire, "Accept"), NULL,
			   "openai: a header that the provider replaces");
	check_int(wire.nheaders, 3, "openai: nothing else");
}

static void
test_anthropic_prompt(void)
{
	MrRequest	request = prompt_request("hi");
	MrEndpoint	endpoint = make_endpoint();

	check_text(build_body("anthropic", &request, &endpoint),
			   "{\"model\":\"m-1\",\"max_tokens\":4096,\"messages\":"
			   "[{\"role\":\"user\",\"content\":\"hi\"}]}",
			   "anthropic: a prompt");
	request.system = "Be brief.";
	endpoint.max_output_tokens = 1024;
	check_text(build_body("anthropic", &request, &endpoint),
			   "{\"model\":\"m-1\",\"max_tokens\":1024,"
			   "\"system\":\"Be brief.\",\"messages\":"
			   "[{\"role\":\"user\",\"content\":\"hi\"}]}",
			   "anthropic: system text and a small model");
	request.max_tokens = 9;
	check(strstr(build_body("anthropic", &request, &endpoint),
				 "\"max_tokens\":9,") != NULL, "anthropic: max_tokens");
}

static void
test_anthropic_options(void)
{
	static const char *const stop[] = {"END", NULL};
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.stop = stop;
	request.has_seed = true;
	request.temperature = 1.5;
	endpoint.capabilities |= MR_CAPABILITY_SAMPLING;
	check_text(build_body("anthropic", &request, &endpoint),
			   "{\"model\":\"m-1\",\"max_tokens\":4096,\"messages\":"
			   "[{\"role\":\"user\",\"content\":\"p\"}],"
			   "\"temperature\":1,\"stop_sequences\":[\"END\"]}",
			   "anthropic: stop, capped temperature, no seed");
}

static void
test_anthropic_headers(void)
{
	static const char *const own[] = {"anthropic-version: 2030-01-01", NULL};
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();
	MrWireRequest wire;

	mr_dialect_find("anthropic")->build(&request, &endpoint, "k", &wire);
	check_text(wire.url, "https://api.example.com/v1/messages",
			   "anthropic: the URL");
	check_text(header_value(&wire, "x-api-key"), "k", "anthropic: the key");
	check_text(header_value(&wire, "anthropic-version"), "2023-06-01",
			   "anthropic: the version");
	endpoint.headers = own;
	mr_dialect_find("anthropic")->build(&request, &endpoint, NULL, &wire);
	check_text(header_value(&wire, "anthropic-version"), "2030-01-01",
			   "anthropic: the provider's version");
	check_text(header_value(&wire, "x-api-key"), NULL,
			   "anthropic: no key, no header");
}

static void
test_anthropic_turns(void)
{
	check_text(build_messages("[{\"role\":\"user\",\"content\":\"a\"},"
							  "{\"role\":\"user\",\"content\":\"b\"},"
							  "{\"role\":\"assistant\",\"content\":\"c\"},"
							  "{\"role\":\"assistant\",\"content\":\"\"},"
							  "{\"role\":\"user\",\"content\":\"d\"}]"),
			   "\"messages\":[{\"role\":\"user\",\"content\":["
			   "{\"type\":\"text\",\"text\":\"a\"},"
			   "{\"type\":\"text\",\"text\":\"b\"}]},"
			   "{\"role\":\"assistant\",\"content\":["
			   "{\"type\":\"text\",\"text\":\"c\"}]},"
			   "{\"role\":\"user\",\"content\":["
			   "{\"type\":\"text\",\"text\":\"d\"}]}]}",
			   "anthropic: roles alternate, empty text is left out");
	check_text(build_messages("[]"), "\"messages\":[]}",
			   "anthropic: no messages");
}

static void
test_anthropic_system(void)
{
	check_text(build_messages("[{\"role\":\"system\",\"content\":\"s\"}]"),
			   "\"system\":\"s\",\"messages\":[]}",
			   "anthropic: one system message");
	check_text(build_messages("[{\"role\":\"system\",\"content\":\"s\"},"
							  "{\"role\":\"user\",\"content\":\"u\"},"
							  "{\"role\":\"developer\",\"content\":"
							  "[{\"type\":\"text\",\"text\":\"d\","
							  "\"cache_control\":{\"type\":\"ephemeral\"}}"
							  "]}]"),
			   "\"system\":[{\"type\":\"text\",\"text\":\"s\"},"
			   "{\"type\":\"text\",\"text\":\"d\","
			   "\"cache_control\":{\"type\":\"ephemeral\"}}],"
			   "\"messages\":[{\"role\":\"user\",\"content\":["
			   "{\"type\":\"text\",\"text\":\"u\"}]}]}",
			   "anthropic: system messages are lifted out");
}

static void
test_anthropic_tool_turns(void)
{
	check_text(build_messages("[{\"role\":\"assistant\",\"content\":null,"
							  "\"tool_calls\":[{\"id\":\"t1\","
							  "\"type\":\"function\",\"function\":"
							  "{\"name\":\"f\",\"arguments\":"
							  "\"{\\\"n\\\": 12345678901234567890}\"}},"
							  "{\"id\":\"t2\",\"function\":{\"name\":\"g\","
							  "\"arguments\":\"oops\"}}]},"
							  "{\"role\":\"tool\",\"tool_call_id\":\"t1\","
							  "\"content\":\"42\"},"
							  "{\"role\":\"tool\",\"tool_call_id\":\"t2\","
							  "\"content\":[{\"type\":\"text\","
							  "\"text\":\"r\"}]}]"),
			   "\"messages\":[{\"role\":\"assistant\",\"content\":["
			   "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\","
			   "\"input\":{\"n\": 12345678901234567890}},"
			   "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\","
			   "\"input\":{\"arguments\":\"oops\"}}]},"
			   "{\"role\":\"user\",\"content\":["
			   "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
			   "\"content\":\"42\"},"
			   "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\","
			   "\"content\":[{\"type\":\"text\",\"text\":\"r\"}]}]}]}",
			   "anthropic: tool calls and results");
}

static void
test_anthropic_thinking(void)
{
	check_text(build_messages("[{\"role\":\"assistant\",\"content\":\"c\","
							  "\"thinking_blocks\":[{\"type\":\"thinking\","
							  "\"thinking\":\"t\",\"signature\":\"s\"}]}]"),
			   "\"messages\":[{\"role\":\"assistant\",\"content\":["
			   "{\"type\":\"thinking\",\"thinking\":\"t\","
			   "\"signature\":\"s\"},"
			   "{\"type\":\"text\",\"text\":\"c\"}]}]}",
			   "anthropic: thinking goes back unchanged, first");
}

static void
test_anthropic_parts(void)
{
	check_text(build_messages("[{\"role\":\"user\",\"content\":["
							  "{\"type\":\"text\",\"text\":\"\"},"
							  "{\"type\":\"image_url\",\"image_url\":{\"url\":"
							  "\"data:image/png;base64,QUJD\"}},"
							  "{\"type\":\"image_url\",\"image_url\":{\"url\":"
							  "\"https://h/i.png\"}},"
							  "{\"type\":\"file\",\"file\":{\"file_data\":"
							  "\"data:application/pdf;base64,QQ==\"}},"
							  "{\"type\":\"own\",\"x\":1}]}]"),
			   "\"messages\":[{\"role\":\"user\",\"content\":["
			   "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
			   "\"media_type\":\"image/png\",\"data\":\"QUJD\"}},"
			   "{\"type\":\"image\",\"source\":{\"type\":\"url\","
			   "\"url\":\"https://h/i.png\"}},"
			   "{\"type\":\"document\",\"source\":{\"type\":\"base64\","
			   "\"media_type\":\"application/pdf\",\"data\":\"QQ==\"}},"
			   "{\"type\":\"own\",\"x\":1}]}]}",
			   "anthropic: images, files and unknown parts");
}

static void
test_anthropic_tools(void)
{
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.tools_json = "[{\"type\":\"function\",\"function\":{"
		"\"name\":\"f\",\"description\":\"d\",\"strict\":true,"
		"\"parameters\":{\"type\":\"object\"}}},"
		"{\"type\":\"function\",\"function\":{\"name\":\"g\"}},"
		"{\"type\":\"web_search\",\"name\":\"w\"}]";
	request.tool_choice_json = "\"required\"";
	check_text(strstr(build_body("anthropic", &request, &endpoint),
					  "\"tools\""),
			   "\"tools\":[{\"name\":\"f\",\"description\":\"d\","
			   "\"input_schema\":{\"type\":\"object\"},\"strict\":true},"
			   "{\"name\":\"g\",\"input_schema\":{\"type\":\"object\","
			   "\"properties\":{}}},"
			   "{\"type\":\"web_search\",\"name\":\"w\"}],"
			   "\"tool_choice\":{\"type\":\"any\"}}",
			   "anthropic: tools");
	request.tool_choice_json = "{\"type\":\"function\","
		"\"function\":{\"name\":\"f\"}}";
	check(strstr(build_body("anthropic", &request, &endpoint),
				 "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}"),
		  "anthropic: a chosen tool");
	request.tool_choice_json = "\"none\"";
	check(strstr(build_body("anthropic", &request, &endpoint),
				 "\"tool_choice\":{\"type\":\"none\"}}"),
		  "anthropic: no tool");
}

static void
test_anthropic_output(void)
{
	MrRequest	request = prompt_request("p");
	MrEndpoint	endpoint = make_endpoint();

	request.response_format_json = "{\"type\":\"json_schema\","
		"\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}";
	check_text(strstr(build_body("anthropic", &request, &endpoint),
					  "\"output_config\""),
			   "\"output_config\":{\"format\":{\"type\":\"json_schema\","
			   "\"schema\":{\"type\":\"object\"}}}}", "anthropic: a schema");
	request.reasoning_effort = "minimal";
	check_text(strstr(build_body("anthropic", &request, &endpoint),
					  "\"output_config\""),
			   "\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":"
			   "\"json_schema\",\"schema\":{\"type\":\"object\"}}}}",
			   "anthropic: effort and a schema");
	request.response_format_json = "{\"type\":\"json_object\"}";
	request.reasoning_effort = "none";
	check(strstr(build_body("anthropic", &request, &endpoint),
				 "output_config") == NULL,
		  "anthropic: what has no counterpart is left out");
}

/*
 * anthropic.c
 *	  The dialect of Anthropic's Messages API.
 *
 * PROVIDERS.md section 2 has the format.  anthropic_request.c translates
 * messages and tools; this file holds the rest and reads replies.
 */
#include "postgres.h"

#include <math.h>

#include "provider/anthropic.h"

#define ANTHROPIC_VERSION "2023-06-01"

/* max_tokens is required; this is sent when the caller set no limit. */
#define DEFAULT_MAX_TOKENS 4096

typedef struct StopRow
{
	const char *word;
	MrFinishReason finish;
} StopRow;

static const StopRow stop_rows[] = {
	{"end_turn", MR_FINISH_STOP},
	{"max_tokens", MR_FINISH_LENGTH},
	{"stop_sequence", MR_FINISH_STOP},
	{"tool_use", MR_FINISH_TOOL_CALLS},
	{"pause_turn", MR_FINISH_STOP},
	{"refusal", MR_FINISH_CONTENT_FILTER},
	{"model_context_window_exceeded", MR_FINISH_LENGTH},
};

static void build(const MrRequest *request, const MrEndpoint *endpoint,
				  const char *secret, MrWireRequest *wire);
static void write_prompt(MrBody *body, const MrRequest *request);
static void write_sampling(MrBody *body, const MrRequest *request);
static int	choose_max_tokens(const MrRequest *request,
							  const MrEndpoint *endpoint);
static bool parse(const MrWireReply *wire, const MrRequest *request,
				  MrReply *reply, MrFailure *failure);
static bool read_usage(const MrJson *usage, MrUsage *counts);
static MrFinishReason read_finish(const char *word);
static bool read_content(const MrWireReply *wire, const MrJson *root,
						 MrReply *reply, MrFailure *failure);
static const char *join_text(const MrJson *content);
static bool has_block(const MrJson *content, const char *type);
static bool is_type(const MrJson *block, const char *type);
static char *print_message(const MrJson *content, const MrReply *reply);
static void print_tool_calls(StringInfo out, const MrJson *content);
static void print_tool_call(StringInfo out, const MrJson *block);
static void print_thinking(StringInfo out, const MrJson *content);

const MrDialect mr_dialect_anthropic = {
	.name = "anthropic",
	.build = build,
	.parse = parse,
};

static void
build(const MrRequest *request, const MrEndpoint *endpoint,
	  const char *secret, MrWireRequest *wire)
{
	MrBody		body;

	mr_wire_begin(wire, request, endpoint, "/messages");
	mr_wire_header(wire, endpoint, "anthropic-version", ANTHROPIC_VERSION);
	if (secret != NULL)
		mr_wire_header(wire, endpoint, "x-api-key", secret);
	mr_wire_endpoint_headers(wire, endpoint);

	mr_body_begin(&body, &wire->body, request, endpoint->upstream_name);
	mr_body_int64(&body, "max_tokens", choose_max_tokens(request, endpoint));
	if (request->messages_json != NULL)
		mr_anthropic_write_messages(&body, request);
	else
		write_prompt(&body, request);
	if (endpoint->capabilities & MR_CAPABILITY_SAMPLING)
		write_sampling(&body, request);
	mr_body_strings(&body, "stop_sequences", request->stop);
	mr_anthropic_write_tools(&body, request);
	mr_anthropic_write_output(&body, request);
	mr_body_end(&body);
}

static void
write_prompt(MrBody *body, const MrRequest *request)
{
	mr_body_string(body, "system", request->system);
	mr_body_field(body, "messages");
	appendStringInfoString(body->out, "[{\"role\":\"user\",\"content\":");
	mr_json_append_text(body->out, request->prompt, request->prompt_bytes);
	appendStringInfoString(body->out, "}]");
}

/* OpenAI's temperature goes up to 2, Anthropic's to 1. */
static void
write_sampling(MrBody *body, const MrRequest *request)
{
	if (!isnan(request->temperature))
		mr_body_double(body, "temperature", Min(request->temperature, 1.0));
	mr_body_double(body, "top_p", request->top_p);
}

static int
choose_max_tokens(const MrRequest *request, const MrEndpoint *endpoint)
{
	if (request->max_tokens > 0)
		return request->max_tokens;
	if (endpoint->max_output_tokens > 0)
		return Min(endpoint->max_output_tokens, DEFAULT_MAX_TOKENS);
	return DEFAULT_MAX_TOKENS;
}

static bool
parse(const MrWireReply *wire, const MrRequest *request, MrReply *reply,
	  MrFailure *failure)
{
	const MrJson *root;

	if (!mr_wire_succeeded(wire, reply, failure, &root))
		return false;
	reply->upstream_model = mr_wire_word(mr_json_get_string(root, "model"));
	reply->upstream_id = mr_wire_word(mr_json_get_string(root, "id"));
	reply->finish = read_finish(mr_json_get_string(root, "stop_reason"));
	reply->has_usage = read_usage(mr_json_get(root, "usage"), &reply->usage);
	if (!reply->has_usage)
		memset(&reply->usage, 0, sizeof(reply->usage));

	if (!read_content(wire, root, reply, failure))
		return false;
	if (request->messages_json != NULL)
		reply->message_json = print_message(mr_json_get(root, "content"),
											reply);
	return true;
}

/* False when a count is missing or absurd; cached tokens come on top. */
static bool
read_usage(const MrJson *usage, MrUsage *counts)
{
	counts->input_uncached = -1;
	counts->output = -1;
	if (!mr_usage_count(usage, "input_tokens", &counts->input_uncached) ||
		!mr_usage_count(usage, "cache_read_input_tokens",
						&counts->cache_read) ||
		!mr_usage_count(usage, "cache_creation_input_tokens",
						&counts->cache_write) ||
		!mr_usage_count(usage, "output_tokens", &counts->output) ||
		!mr_usage_count(usage, "output_tokens_details.thinking_tokens",
						&counts->reasoning) ||
		counts->input_uncached < 0 || counts->output < 0)
		return false;
	counts->reasoning = Min(counts->reasoning, counts->output);
	return true;
}

static MrFinishReason
read_finish(const char *word)
{
	for (size_t i = 0; word != NULL && i < lengthof(stop_rows); i++)
	{
		if (strcmp(stop_rows[i].word, word) == 0)
			return stop_rows[i].finish;
	}
	return MR_FINISH_UNKNOWN;
}

/*
 * An empty array of blocks is an answer: the model had nothing to add, or the
 * length limit was spent on thought.  A refusal without text is none.
 */
static bool
read_content(const MrWireReply *wire, const MrJson *root, MrReply *reply,
			 MrFailure *failure)
{
	const MrJson *content = mr_json_get(root, "content");
	const char *reason = mr_json_get_string(root, "stop_details.explanation");

	if (!mr_json_is_array(content))
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   "the reply has no content", failure);
	reply->content = join_text(content);
	reply->content_bytes = strlen(reply->content);
	if (reply->content_bytes > 0)
		return true;
	if (has_block(content, "tool_use"))
	{
		reply->content = NULL;
		return true;
	}
	if (reply->finish == MR_FINISH_CONTENT_FILTER)
		return mr_wire_refused(wire, MR_FAILURE_CONTENT_FILTER,
							   reason ? reason : "the model refused",
							   failure);
	if (reply->finish == MR_FINISH_UNKNOWN)
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   "the reply has no content", failure);
	return true;
}

/* The text blocks in one; a lone block is not copied. */
static const char *
join_text(const MrJson *content)
{
	const char *only = "";
	int			nblocks = 0;
	StringInfoData text;

	for (const MrJson *block = mr_json_first(content); block != NULL;
		 block = mr_json_next(block))
	{
		const char *piece = mr_json_get_string(block, "text");

		if (!is_type(block, "text") || piece == NULL)
			continue;
		if (++nblocks == 1)
		{
			only = piece;
			continue;
		}
		if (nblocks == 2)
		{
			initStringInfo(&text);
			appendStringInfoString(&text, only);
		}
		appendStringInfoString(&text, piece);
	}
	return nblocks > 1 ? text.data : only;
}

static bool
has_block(const MrJson *content, const char *type)
{
	for (const MrJson *block = mr_json_first(content); block != NULL;
		 block = mr_json_next(block))
	{
		if (is_type(block, type))
			return true;
	}
	return false;
}

static bool
is_type(const MrJson *block, const char *type)
{
	const char *word = mr_json_get_string(block, "type");

	return word != NULL && strcmp(word, type) == 0;
}

/* The blocks as OpenAI's assistant message. */
static char *
print_message(const MrJson *content, const MrReply *reply)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"role\":\"assistant\",\"content\":");
	if (reply->content != NULL)
		mr_json_append_text(&out, reply->content, reply->content_bytes);
	else
		appendStringInfoString(&out, "null");
	print_tool_calls(&out, content);
	print_thinking(&out, content);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
print_tool_calls(StringInfo out, const MrJson *content)
{
	bool		first = true;

	for (const MrJson *block = mr_json_first(content); block != NULL;
		 block = mr_json_next(block))
	{
		if (!is_type(block, "tool_use"))
			continue;
		appendStringInfoString(out, first ? ",\"tool_calls\":[" : ",");
		print_tool_call(out, block);
		first = false;
	}
	if (!first)
		appendStringInfoChar(out, ']');
}

static void
print_tool_call(StringInfo out, const MrJson *block)
{
	const char *id = mr_json_get_string(block, "id");
	const char *name = mr_json_get_string(block, "name");
	const MrJson *input = mr_json_get(block, "input");

	appendStringInfoString(out, "{\"id\":");
	mr_json_append_string(out, id != NULL ? id : "");
	appendStringInfoString(out, ",\"type\":\"function\",\"function\":{"
						   "\"name\":");
	mr_json_append_string(out, name != NULL ? name : "");
	appendStringInfoString(out, ",\"arguments\":");
	mr_json_append_string(out, input != NULL ? mr_json_print(input) : "{}");
	appendStringInfoString(out, "}}");
}

/*
 * Thinking blocks have to be sent back unchanged in the next turn; clients
 * pass the member on with the message and the request's half restores it.
 */
static void
print_thinking(StringInfo out, const MrJson *content)
{
	bool		first = true;

	for (const MrJson *block = mr_json_first(content); block != NULL;
		 block = mr_json_next(block))
	{
		if (!is_type(block, "thinking") &&
			!is_type(block, "redacted_thinking"))
			continue;
		appendStringInfoString(out, first ? ",\"thinking_blocks\":[" : ",");
		mr_json_append(out, block);
		first = false;
	}
	if (!first)
		appendStringInfoChar(out, ']');
}

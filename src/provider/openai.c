/*
 * openai.c
 *	  The dialect of OpenAI's Chat Completions, which most hosts speak.
 *
 * PROVIDERS.md section 1 has the format; section 5 what other hosts make of
 * it.  Messages, tools and the like are passed on word for word.
 */
#include "postgres.h"

#include <math.h>

#include "provider/dialect.h"

/* A reported cost above this, in USD, is no cost. */
#define REPORTED_COST_MAX_USD 1e6

typedef struct FinishRow
{
	const char *word;
	MrFinishReason finish;
} FinishRow;

static const FinishRow finish_rows[] = {
	{"stop", MR_FINISH_STOP},
	{"length", MR_FINISH_LENGTH},
	{"tool_calls", MR_FINISH_TOOL_CALLS},
	{"content_filter", MR_FINISH_CONTENT_FILTER},
	{"function_call", MR_FINISH_TOOL_CALLS},
	{"end_turn", MR_FINISH_STOP},
	{"eos", MR_FINISH_STOP},
	{"max_tokens", MR_FINISH_LENGTH},
	{"model_length", MR_FINISH_LENGTH},
	{"safety", MR_FINISH_CONTENT_FILTER},
};

/* Finish reasons that mean the host gave up in the middle. */
static const char *const broken_off[] = {
	"error", "insufficient_system_resource"
};

/* MiniMax reports failures in base_resp of a reply with status 200. */
typedef struct BaseRespRow
{
	int64		code;
	MrFailureKind kind;
} BaseRespRow;

static const BaseRespRow base_resp_rows[] = {
	{1002, MR_FAILURE_RATE_LIMIT},
	{1004, MR_FAILURE_AUTH},
	{1008, MR_FAILURE_QUOTA},
	{1026, MR_FAILURE_CONTENT_FILTER},
	{1027, MR_FAILURE_CONTENT_FILTER},
	{1039, MR_FAILURE_CONTEXT_LENGTH},
	{2013, MR_FAILURE_BAD_REQUEST},
	{2049, MR_FAILURE_AUTH},
};

static void build(const MrRequest *request, const MrEndpoint *endpoint,
				  const char *secret, MrWireRequest *wire);
static void write_messages(MrBody *body, const MrRequest *request);
static void write_message(StringInfo out, const char *role,
						  const char *text, size_t bytes);
static void write_limits(MrBody *body, const MrRequest *request,
						 const MrEndpoint *endpoint);
static bool parse(const MrWireReply *wire, const MrRequest *request,
				  MrReply *reply, MrFailure *failure);
static bool base_resp_failed(const MrWireReply *wire, const MrJson *root,
							 MrFailure *failure);
static void read_usage(const MrJson *usage, MrReply *reply);
static bool read_token_counts(const MrJson *usage, MrUsage *counts);
static bool read_choice(const MrWireReply *wire, const MrJson *choice,
						MrReply *reply, MrFailure *failure);
static bool has_no_content(const MrWireReply *wire, const MrJson *choice,
						   MrReply *reply, MrFailure *failure);
static bool was_broken_off(const MrJson *choice);
static MrFinishReason read_finish(const char *word);
static const char *read_content(const MrJson *content);
static char *print_message(const MrJson *message, const MrReply *reply);

const MrDialect mr_dialect_openai = {
	.name = "openai",
	.build = build,
	.parse = parse,
};

static void
build(const MrRequest *request, const MrEndpoint *endpoint,
	  const char *secret, MrWireRequest *wire)
{
	MrBody		body;

	mr_wire_begin(wire, request, endpoint, "/chat/completions");
	if (secret != NULL)
		mr_wire_header(wire, endpoint, "Authorization",
					   psprintf("Bearer %s", secret));
	mr_wire_endpoint_headers(wire, endpoint);

	mr_body_begin(&body, &wire->body, request, endpoint->upstream_name);
	write_messages(&body, request);
	write_limits(&body, request, endpoint);
	mr_body_string(&body, "reasoning_effort", request->reasoning_effort);
	mr_body_json(&body, "tools", request->tools_json);
	mr_body_json(&body, "tool_choice", request->tool_choice_json);
	mr_body_json(&body, "response_format", request->response_format_json);
	mr_body_end(&body);
}

static void
write_messages(MrBody *body, const MrRequest *request)
{
	if (request->messages_json != NULL)
	{
		mr_body_json(body, "messages", request->messages_json);
		return;
	}

	mr_body_field(body, "messages");
	appendStringInfoChar(body->out, '[');
	if (request->system != NULL)
	{
		write_message(body->out, "system", request->system,
					  strlen(request->system));
		appendStringInfoChar(body->out, ',');
	}
	write_message(body->out, "user", request->prompt, request->prompt_bytes);
	appendStringInfoChar(body->out, ']');
}

static void
write_message(StringInfo out, const char *role, const char *text,
			  size_t bytes)
{
	appendStringInfoString(out, "{\"role\":\"");
	appendStringInfoString(out, role);
	appendStringInfoString(out, "\",\"content\":");
	mr_json_append_text(out, text, bytes);
	appendStringInfoChar(out, '}');
}

static void
write_limits(MrBody *body, const MrRequest *request,
			 const MrEndpoint *endpoint)
{
	const char *field = endpoint->max_tokens_field;

	if (request->max_tokens > 0)
		mr_body_int64(body, field != NULL ? field : "max_tokens",
					  request->max_tokens);
	if (endpoint->capabilities & MR_CAPABILITY_SAMPLING)
	{
		mr_body_double(body, "temperature", request->temperature);
		mr_body_double(body, "top_p", request->top_p);
	}
	mr_body_strings(body, "stop", request->stop);
	if (request->has_seed)
		mr_body_int64(body, "seed", request->seed);
}

static bool
parse(const MrWireReply *wire, const MrRequest *request, MrReply *reply,
	  MrFailure *failure)
{
	const MrJson *root;
	const MrJson *choice;

	if (!mr_wire_succeeded(wire, reply, failure, &root))
		return false;
	reply->upstream_model = mr_wire_word(mr_json_get_string(root, "model"));
	reply->upstream_id = mr_wire_word(mr_json_get_string(root, "id"));
	read_usage(mr_json_get(root, "usage"), reply);

	if (base_resp_failed(wire, root, failure))
		return false;
	choice = mr_json_get(root, "choices.0");
	if (!mr_json_is_object(choice))
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   "the reply has no choices", failure);
	if (!read_choice(wire, choice, reply, failure))
		return false;
	if (request->messages_json != NULL)
		reply->message_json = print_message(mr_json_get(choice, "message"),
											reply);
	return true;
}

static bool
base_resp_failed(const MrWireReply *wire, const MrJson *root,
				 MrFailure *failure)
{
	const MrJson *base_resp = mr_json_get(root, "base_resp");
	const char *message = mr_json_get_string(base_resp, "status_msg");
	MrFailureKind kind = MR_FAILURE_SERVER;
	int64		code;

	if (!mr_json_get_int64(base_resp, "status_code", &code) || code == 0)
		return false;
	for (size_t i = 0; i < lengthof(base_resp_rows); i++)
	{
		if (base_resp_rows[i].code == code)
			kind = base_resp_rows[i].kind;
	}
	mr_wire_refused(wire, kind, message ? message : "", failure);
	failure->code = psprintf(INT64_FORMAT, code);
	return true;
}

/*
 * Usage as PROVIDERS.md section 0 defines it, and OpenRouter's cost.
 */
static void
read_usage(const MrJson *usage, MrReply *reply)
{
	MrUsage		counts = {0};
	double		cost;

	if (mr_json_get_double(usage, "cost", &cost) &&
		cost >= 0 && cost <= REPORTED_COST_MAX_USD)
		reply->reported_cost_usd = cost;

	reply->has_usage = read_token_counts(usage, &counts);
	if (reply->has_usage)
		reply->usage = counts;
}

/*
 * False when a count is missing or absurd.
 *
 * Cached tokens are part of prompt_tokens; DeepSeek and Moonshot name them at
 * the top of usage.  What total_tokens holds beyond prompt and completion is
 * thought that the host bills but leaves out of completion_tokens (xAI,
 * Gemini's OpenAI endpoint).
 */
static bool
read_token_counts(const MrJson *usage, MrUsage *counts)
{
	int64		prompt = -1;
	int64		completion = -1;
	int64		total = 0;
	int64		hit = 0;

	if (!mr_usage_count(usage, "prompt_tokens", &prompt) ||
		!mr_usage_count(usage, "completion_tokens", &completion) ||
		!mr_usage_count(usage, "total_tokens", &total) ||
		!mr_usage_count(usage, "cached_tokens", &counts->cache_read) ||
		!mr_usage_count(usage, "prompt_cache_hit_tokens", &hit) ||
		!mr_usage_count(usage, "prompt_tokens_details.cached_tokens",
						&counts->cache_read) ||
		!mr_usage_count(usage, "prompt_tokens_details.cache_write_tokens",
						&counts->cache_write) ||
		!mr_usage_count(usage, "completion_tokens_details.reasoning_tokens",
						&counts->reasoning) ||
		prompt < 0 || completion < 0)
		return false;

	counts->cache_read = Min(Max(counts->cache_read, hit), prompt);
	counts->cache_write = Min(counts->cache_write,
							  prompt - counts->cache_read);
	counts->input_uncached = prompt - counts->cache_read -
		counts->cache_write;
	counts->output = Max(completion, total - prompt);
	counts->reasoning = Max(counts->reasoning, counts->output - completion);
	counts->reasoning = Min(counts->reasoning, counts->output);
	return true;
}

static bool
read_choice(const MrWireReply *wire, const MrJson *choice, MrReply *reply,
			MrFailure *failure)
{
	const MrJson *message = mr_json_get(choice, "message");

	if (mr_json_is_object(mr_json_get(choice, "error")))
		return mr_wire_failed(wire, choice, failure);
	if (was_broken_off(choice))
		return mr_wire_refused(wire, MR_FAILURE_TRUNCATED,
							   "the provider broke the reply off", failure);
	if (!mr_json_is_object(message))
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   "the reply has no message", failure);

	reply->finish = read_finish(mr_json_get_string(choice, "finish_reason"));
	reply->content = read_content(mr_json_get(message, "content"));
	if (reply->content != NULL)
		reply->content_bytes = strlen(reply->content);
	if (reply->content_bytes > 0 ||
		mr_json_first(mr_json_get(message, "tool_calls")) != NULL)
		return true;
	return has_no_content(wire, choice, reply, failure);
}

/*
 * An empty string is an answer; so is nothing at all when the length limit
 * was spent on thought.
 */
static bool
has_no_content(const MrWireReply *wire, const MrJson *choice, MrReply *reply,
			   MrFailure *failure)
{
	const char *refusal = mr_json_get_string(choice, "message.refusal");

	if (refusal != NULL && refusal[0] != '\0')
		return mr_wire_refused(wire, MR_FAILURE_CONTENT_FILTER, refusal,
							   failure);
	if (reply->finish == MR_FINISH_CONTENT_FILTER)
		return mr_wire_refused(wire, MR_FAILURE_CONTENT_FILTER,
							   "the content filter left no content", failure);
	if (reply->content == NULL && reply->finish == MR_FINISH_LENGTH &&
		mr_json_is_null(mr_json_get(choice, "message.content")))
		reply->content = "";
	if (reply->content != NULL)
		return true;
	return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
						   "the reply has no content", failure);
}

static bool
was_broken_off(const MrJson *choice)
{
	const char *word = mr_json_get_string(choice, "finish_reason");

	for (size_t i = 0; word != NULL && i < lengthof(broken_off); i++)
	{
		if (strcmp(broken_off[i], word) == 0)
			return true;
	}
	return false;
}

static MrFinishReason
read_finish(const char *word)
{
	for (size_t i = 0; word != NULL && i < lengthof(finish_rows); i++)
	{
		if (pg_strcasecmp(finish_rows[i].word, word) == 0)
			return finish_rows[i].finish;
	}
	return MR_FINISH_UNKNOWN;
}

/* A string, or the joined text of an array of parts; else NULL. */
static const char *
read_content(const MrJson *content)
{
	StringInfoData text;

	if (!mr_json_is_array(content))
		return mr_json_string(content);

	initStringInfo(&text);
	for (const MrJson *part = mr_json_first(content); part != NULL;
		 part = mr_json_next(part))
	{
		const char *piece = mr_json_get_string(part, "text");

		if (piece != NULL)
			appendStringInfoString(&text, piece);
	}
	return text.data;
}

/* The message as it came, with role and content in their plain form. */
static char *
print_message(const MrJson *message, const MrReply *reply)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"role\":\"assistant\",\"content\":");
	if (reply->content != NULL)
		mr_json_append_text(&out, reply->content, reply->content_bytes);
	else
		appendStringInfoString(&out, "null");
	for (const MrJson *member = mr_json_first(message); member != NULL;
		 member = mr_json_next(member))
	{
		const char *key = mr_json_key(member);

		if (strcmp(key, "role") == 0 || strcmp(key, "content") == 0)
			continue;
		appendStringInfoChar(&out, ',');
		mr_json_append_string(&out, key);
		appendStringInfoChar(&out, ':');
		mr_json_append(&out, member);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

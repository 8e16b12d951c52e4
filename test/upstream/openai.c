/*
 * openai.c: the OpenAI Chat Completions dialect, and its model list.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conn.h"

/* The limits that the rate-limit headers speak of. */
#define LIMIT_REQUESTS 10000
#define LIMIT_TOKENS 2000000

static bool
read_limit(Ask *ask, const char *name, ApiError *error)
{
	const cJSON *limit = cJSON_GetObjectItemCaseSensitive(ask->json, name);

	if (limit == NULL || cJSON_IsNull(limit))
		return true;
	if (!cJSON_IsNumber(limit) || limit->valuedouble < 1 ||
		limit->valuedouble > 1e9)
		return ask_refuse(error, "the token limit must be a positive integer",
						  name, "\"integer_below_min_value\"");
	ask->max_tokens = limit->valuedouble;
	return true;
}

static bool
read_chat(Ask *ask, const cJSON *json, ApiError *error)
{
	static const char *const roles[] = {
		"system", "developer", "user", "assistant", "tool", "function", NULL
	};
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(json,
															"stream_options");

	ask->include_usage =
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options,
													  "include_usage"));
	if (!ask_read_messages(ask, roles, error) || !ask_read_stream(ask, error))
		return false;
	if (options != NULL && !cJSON_IsNull(options) && !ask->stream)
		return ask_refuse(error, "stream_options is only allowed when stream "
						  "is true", "stream_options", NULL);
	return read_limit(ask, "max_tokens", error) &&
		read_limit(ask, "max_completion_tokens", error);
}

/* Request id, time taken and rate limits. */
void
openai_write_headers(Buf *out, const Exchange *exchange)
{
	uint64_t	limit = LIMIT_REQUESTS;
	uint64_t	used = exchange->model ? exchange->model->stats.in_flight : 0;

	if (exchange->config != NULL && exchange->config->max_in_flight > 0)
		limit = (uint64_t) exchange->config->max_in_flight;
	buf_printf(out, "x-request-id: req_%016" PRIx64 "\r\n"
			   "openai-processing-ms: %" PRIu64 "\r\n"
			   "openai-version: 2020-10-01\r\n"
			   "x-ratelimit-limit-requests: %" PRIu64 "\r\n"
			   "x-ratelimit-limit-tokens: %d\r\n"
			   "x-ratelimit-remaining-requests: %" PRIu64 "\r\n"
			   "x-ratelimit-remaining-tokens: %" PRIu64 "\r\n"
			   "x-ratelimit-reset-requests: 6ms\r\n"
			   "x-ratelimit-reset-tokens: 1s\r\n",
			   exchange->serial, exchange->delay_us / 1000, limit,
			   LIMIT_TOKENS, used < limit ? limit - used : 0,
			   LIMIT_TOKENS - exchange->input_tokens % LIMIT_TOKENS);
}

/* What is usual for a status. */
typedef struct ErrorRow
{
	int			status;
	const char *type;
	const char *code;
	const char *message;
} ErrorRow;

static const ErrorRow error_rows[] = {
	{400, "invalid_request_error", "null", "the request is invalid"},
	{401, "invalid_request_error", "\"invalid_api_key\"",
	"Incorrect API key provided"},
	{402, "insufficient_quota", "\"insufficient_credits\"",
	"Insufficient credits"},
	{403, "permission_error", "null", "You are not allowed to do this"},
	{404, "invalid_request_error", "\"model_not_found\"", "not found"},
	{408, "timeout_error", "null", "Request timed out"},
	{409, "conflict_error", "null", "The request conflicts with another"},
	{413, "invalid_request_error", "\"request_too_large\"",
	"The request is too large"},
	{422, "invalid_request_error", "null", "The request cannot be processed"},
	{429, "rate_limit_error", "\"rate_limit_exceeded\"",
	"Rate limit reached"},
	{503, "service_unavailable_error", "\"overloaded\"",
	"The engine is currently overloaded, please try again later"},
	{0, "server_error", "null",
	"The server had an error while processing your request"},
};

/* Writes the error object, with what is usual where the error leaves it. */
void
openai_write_error(Buf *out, const Exchange *exchange, const ApiError *error)
{
	const ErrorRow *row = error_rows;
	ErrorRow	quota = {429, "insufficient_quota", "\"insufficient_quota\"",
	"You exceeded your current quota, please check your plan"};

	(void) exchange;
	while (row->status != 0 && row->status != error->status)
		row++;
	if (error->quota)
		row = &quota;
	buf_puts(out, "{\"error\":{\"message\":\"");
	buf_json(out, error->message ? error->message : row->message,
			 strlen(error->message ? error->message : row->message));
	buf_puts(out, "\",\"type\":\"");
	buf_json(out, error->type ? error->type : row->type,
			 strlen(error->type ? error->type : row->type));
	buf_puts(out, "\",\"param\":");
	buf_printf(out, error->param ? "\"%s\"" : "null", error->param);
	buf_printf(out, ",\"code\":%s}}", error->code ? error->code : row->code);
}

/* Usage in OpenAI's counting. */
cJSON *
openai_make_usage(const Exchange *exchange, uint64_t output_tokens)
{
	cJSON	   *usage = cJSON_CreateObject();
	cJSON	   *details;

	cJSON_AddNumberToObject(usage, "prompt_tokens",
							(double) exchange->input_tokens);
	if (exchange->dialect->generates)
		cJSON_AddNumberToObject(usage, "completion_tokens",
								(double) output_tokens);
	cJSON_AddNumberToObject(usage, "total_tokens",
							(double) (exchange->input_tokens + output_tokens));
	if (!exchange->dialect->generates)
		return usage;
	details = cJSON_AddObjectToObject(usage, "prompt_tokens_details");
	cJSON_AddNumberToObject(details, "cached_tokens", 0);
	details = cJSON_AddObjectToObject(usage, "completion_tokens_details");
	cJSON_AddNumberToObject(details, "reasoning_tokens", 0);
	return usage;
}

static void
write_open(Buf *out, const Exchange *exchange, const Ask *ask)
{
	(void) ask;
	buf_printf(out, "{\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":"
			   "\"chat.completion\",\"created\":%" PRId64 ",\"model\":\"",
			   exchange->serial, exchange->created);
	buf_append(out, exchange->name.data, exchange->name.len);
	buf_puts(out, "\",\"choices\":[");
	if (exchange->shape == REPLY_EMPTY)
		return;
	buf_puts(out, "{\"index\":0,\"message\":{\"role\":\"assistant\","
			 "\"content\":");
	if (exchange->shape == REPLY_NULL)
		return;
	buf_puts(out, "\"");
	buf_json(out, exchange->text.data, exchange->text.len);
}

static void
write_close(Buf *out, const Exchange *exchange)
{
	if (exchange->shape == REPLY_NULL)
		buf_puts(out, "null");
	else if (exchange->shape == REPLY_TEXT)
		buf_puts(out, "\"");
	if (exchange->shape != REPLY_EMPTY)
		buf_printf(out, ",\"refusal\":null},\"logprobs\":null,"
				   "\"finish_reason\":\"%s\"}",
				   exchange->cut_by_limit ? "length" : "stop");
	buf_puts(out, "]");
	if (exchange->usage.len > 0)
	{
		buf_puts(out, ",\"usage\":");
		buf_append(out, exchange->usage.data, exchange->usage.len);
	}
	buf_puts(out, "}");
}

static void
open_chunk(Buf *out, const Exchange *exchange)
{
	buf_printf(out, "data: {\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":"
			   "\"chat.completion.chunk\",\"created\":%" PRId64
			   ",\"model\":\"", exchange->serial, exchange->created);
	buf_append(out, exchange->name.data, exchange->name.len);
	buf_puts(out, "\",\"choices\":[");
}

static void
close_chunk(Buf *out, const Exchange *exchange)
{
	buf_puts(out, exchange->include_usage ? "],\"usage\":null}\n\n"
			 : "]}\n\n");
}

static void
stream_open(Buf *out, const Exchange *exchange)
{
	open_chunk(out, exchange);
	if (exchange->shape != REPLY_EMPTY)
		buf_printf(out, "{\"index\":0,\"delta\":{\"role\":\"assistant\","
				   "\"content\":%s},\"logprobs\":null,"
				   "\"finish_reason\":null}",
				   exchange->shape == REPLY_NULL ? "null" : "\"\"");
	close_chunk(out, exchange);
}

static void
stream_piece(Buf *out, const Exchange *exchange, const char *text, size_t len)
{
	open_chunk(out, exchange);
	buf_puts(out, "{\"index\":0,\"delta\":{\"content\":\"");
	buf_json(out, text, len);
	buf_puts(out, "\"},\"logprobs\":null,\"finish_reason\":null}");
	close_chunk(out, exchange);
}

static void
stream_close(Buf *out, const Exchange *exchange)
{
	open_chunk(out, exchange);
	if (exchange->shape != REPLY_EMPTY)
		buf_printf(out, "{\"index\":0,\"delta\":{},\"logprobs\":null,"
				   "\"finish_reason\":\"%s\"}",
				   exchange->cut_by_limit ? "length" : "stop");
	close_chunk(out, exchange);
	if (exchange->include_usage && exchange->usage.len > 0)
	{
		open_chunk(out, exchange);
		buf_puts(out, "],\"usage\":");
		buf_append(out, exchange->usage.data, exchange->usage.len);
		buf_puts(out, "}\n\n");
	}
	buf_puts(out, "data: [DONE]\n\n");
}

static void
stream_error(Buf *out, const Exchange *exchange)
{
	ApiError	error = {.status = 500};

	buf_puts(out, "data: ");
	openai_write_error(out, exchange, &error);
	buf_puts(out, "\n\n");
}

const Dialect dialect_openai = {
	.name = "openai",
	.generates = true,
	.read = read_chat,
	.write_headers = openai_write_headers,
	.write_error = openai_write_error,
	.make_usage = openai_make_usage,
	.write_open = write_open,
	.write_close = write_close,
	.stream_open = stream_open,
	.stream_piece = stream_piece,
	.stream_close = stream_close,
	.stream_error = stream_error,
};

/* Writes the list of models under a prefix. */
void
openai_write_models(Buf *out, const char *prefix, size_t prefix_len)
{
	const char *name;
	ModelCursor cursor = {0};

	buf_puts(out, "{\"object\":\"list\",\"data\":[");
	while ((name = model_next_name(&cursor, prefix, prefix_len)) != NULL)
	{
		if (out->data[out->len - 1] != '[')
			buf_puts(out, ",");
		buf_puts(out, "{\"id\":\"");
		buf_json_clean(out, name, strlen(name));
		buf_puts(out, "\",\"object\":\"model\",\"created\":1780000000,"
				 "\"owned_by\":\"upstream\"}");
	}
	buf_puts(out, "]}");
}

/*
 * anthropic.c: the Anthropic Messages dialect, and its model list.
 */
#include <inttypes.h>
#include <string.h>

#include "conn.h"

/* The limits that the rate-limit headers speak of. */
#define LIMIT_REQUESTS 4000
#define LIMIT_TOKENS 2000000

static bool
read_messages(Ask *ask, const cJSON *json, ApiError *error)
{
	static const char *const roles[] = {"user", "assistant", NULL};
	const cJSON *limit = cJSON_GetObjectItemCaseSensitive(json, "max_tokens");

	if (limit == NULL)
		return ask_refuse(error, "max_tokens: Field required", NULL, NULL);
	if (!cJSON_IsNumber(limit) || limit->valuedouble < 1 ||
		limit->valuedouble > 1e9)
		return ask_refuse(error, "max_tokens: must be a positive integer",
						  NULL, NULL);
	ask->max_tokens = limit->valuedouble;
	return ask_read_messages(ask, roles, error) && ask_read_stream(ask, error);
}

static void
write_limit(Buf *out, const char *name, uint64_t limit, uint64_t used)
{
	char		reset[40];
	struct tm	parts;
	time_t		when = time(NULL) + 1;

	gmtime_r(&when, &parts);
	strftime(reset, sizeof(reset), "%Y-%m-%dT%H:%M:%SZ", &parts);
	buf_printf(out, "anthropic-ratelimit-%s-limit: %" PRIu64 "\r\n"
			   "anthropic-ratelimit-%s-remaining: %" PRIu64 "\r\n"
			   "anthropic-ratelimit-%s-reset: %s\r\n",
			   name, limit, name, used < limit ? limit - used : 0, name,
			   reset);
}

static void
write_headers(Buf *out, const Exchange *exchange)
{
	uint64_t	limit = LIMIT_REQUESTS;
	uint64_t	used = exchange->model ? exchange->model->stats.in_flight : 0;

	if (exchange->config != NULL && exchange->config->max_in_flight > 0)
		limit = (uint64_t) exchange->config->max_in_flight;
	buf_printf(out, "request-id: req_%016" PRIx64 "\r\n", exchange->serial);
	write_limit(out, "requests", limit, used);
	write_limit(out, "tokens", LIMIT_TOKENS,
				exchange->input_tokens + exchange->output_tokens);
	write_limit(out, "input-tokens", LIMIT_TOKENS, exchange->input_tokens);
	write_limit(out, "output-tokens", LIMIT_TOKENS, exchange->output_tokens);
}

/* What is usual for a status. */
typedef struct ErrorRow
{
	int			status;
	const char *type;
	const char *message;
} ErrorRow;

static const ErrorRow error_rows[] = {
	{400, "invalid_request_error", "the request is invalid"},
	{401, "authentication_error", "invalid x-api-key"},
	{402, "billing_error", "Your credit balance is too low"},
	{403, "permission_error", "You are not allowed to do this"},
	{404, "not_found_error", "not found"},
	{413, "request_too_large", "Request exceeds the maximum size"},
	{429, "rate_limit_error", "This request would exceed your rate limit"},
	{504, "timeout_error", "The request timed out"},
	{529, "overloaded_error", "Overloaded"},
	{0, "api_error", "Internal server error"},
};

static void
write_error(Buf *out, const Exchange *exchange, const ApiError *error)
{
	const ErrorRow *row = error_rows;

	while (row->status != 0 && row->status != error->status)
		row++;
	buf_puts(out, "{\"type\":\"error\",\"error\":{");
	if (error->quota || error->code != NULL)
		buf_printf(out, "\"details\":{\"error_code\":%s},",
				   error->code ? error->code
				   : "\"enforced_spend_limit_reached\"");
	buf_puts(out, "\"type\":\"");
	buf_json(out, error->type ? error->type : row->type,
			 strlen(error->type ? error->type : row->type));
	buf_puts(out, "\",\"message\":\"");
	buf_json(out, error->message ? error->message : row->message,
			 strlen(error->message ? error->message : row->message));
	buf_printf(out, "\"},\"request_id\":\"req_%016" PRIx64 "\"}",
			   exchange->serial);
}

static cJSON *
make_usage(const Exchange *exchange, uint64_t output_tokens)
{
	cJSON	   *usage = cJSON_CreateObject();

	cJSON_AddNumberToObject(usage, "input_tokens",
							(double) exchange->input_tokens);
	cJSON_AddNumberToObject(usage, "cache_creation_input_tokens", 0);
	cJSON_AddNumberToObject(usage, "cache_read_input_tokens", 0);
	cJSON_AddNumberToObject(usage, "output_tokens", (double) output_tokens);
	cJSON_AddStringToObject(usage, "service_tier", "standard");
	return usage;
}

/* The message up to its content, which follows. */
static void
open_message(Buf *out, const Exchange *exchange)
{
	buf_printf(out, "{\"id\":\"msg_%016" PRIx64 "\",\"type\":\"message\","
			   "\"role\":\"assistant\",\"model\":\"", exchange->serial);
	buf_append(out, exchange->name.data, exchange->name.len);
	buf_puts(out, "\",\"content\":");
}

static const char *
stop_reason(const Exchange *exchange)
{
	return exchange->cut_by_limit ? "max_tokens" : "end_turn";
}

static void
write_open(Buf *out, const Exchange *exchange, const Ask *ask)
{
	(void) ask;
	open_message(out, exchange);
	if (exchange->shape != REPLY_TEXT)
		return;
	buf_puts(out, "[{\"type\":\"text\",\"text\":\"");
	buf_json(out, exchange->text.data, exchange->text.len);
}

static void
write_close(Buf *out, const Exchange *exchange)
{
	static const char *const ends[] = {"\"}]", "[]", "null"};

	buf_printf(out, "%s,\"stop_reason\":\"%s\",\"stop_sequence\":null",
			   ends[exchange->shape], stop_reason(exchange));
	if (exchange->usage.len > 0)
	{
		buf_puts(out, ",\"usage\":");
		buf_append(out, exchange->usage.data, exchange->usage.len);
	}
	buf_puts(out, "}");
}

static void
stream_open(Buf *out, const Exchange *exchange)
{
	buf_puts(out, "event: message_start\n"
			 "data: {\"type\":\"message_start\",\"message\":");
	open_message(out, exchange);
	buf_puts(out, "[],\"stop_reason\":null,\"stop_sequence\":null");
	if (exchange->usage_start.len > 0)
	{
		buf_puts(out, ",\"usage\":");
		buf_append(out, exchange->usage_start.data,
				   exchange->usage_start.len);
	}
	buf_puts(out, "}}\n\n");
	if (exchange->shape == REPLY_TEXT)
		buf_puts(out, "event: content_block_start\n"
				 "data: {\"type\":\"content_block_start\",\"index\":0,"
				 "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
	buf_puts(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

static void
stream_piece(Buf *out, const Exchange *exchange, const char *text, size_t len)
{
	(void) exchange;
	buf_puts(out, "event: content_block_delta\n"
			 "data: {\"type\":\"content_block_delta\",\"index\":0,"
			 "\"delta\":{\"type\":\"text_delta\",\"text\":\"");
	buf_json(out, text, len);
	buf_puts(out, "\"}}\n\n");
}

static void
stream_close(Buf *out, const Exchange *exchange)
{
	if (exchange->shape == REPLY_TEXT)
		buf_puts(out, "event: content_block_stop\n"
				 "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
	buf_printf(out, "event: message_delta\n"
			   "data: {\"type\":\"message_delta\",\"delta\":{"
			   "\"stop_reason\":\"%s\",\"stop_sequence\":null}",
			   stop_reason(exchange));
	if (exchange->usage.len > 0)
	{
		buf_puts(out, ",\"usage\":");
		buf_append(out, exchange->usage.data, exchange->usage.len);
	}
	buf_puts(out, "}\n\nevent: message_stop\n"
			 "data: {\"type\":\"message_stop\"}\n\n");
}

static void
stream_error(Buf *out, const Exchange *exchange)
{
	ApiError	error = {.status = 529};

	buf_puts(out, "event: error\ndata: ");
	write_error(out, exchange, &error);
	buf_puts(out, "\n\n");
}

const Dialect dialect_anthropic = {
	.name = "anthropic",
	.generates = true,
	.read = read_messages,
	.write_headers = write_headers,
	.write_error = write_error,
	.make_usage = make_usage,
	.write_open = write_open,
	.write_close = write_close,
	.stream_open = stream_open,
	.stream_piece = stream_piece,
	.stream_close = stream_close,
	.stream_error = stream_error,
};

static void
write_edge(Buf *out, const char *member, const char *name)
{
	buf_printf(out, ",\"%s\":", member);
	if (name == NULL)
	{
		buf_puts(out, "null");
		return;
	}
	buf_puts(out, "\"");
	buf_json_clean(out, name, strlen(name));
	buf_puts(out, "\"");
}

/* Writes the list of models under a prefix. */
void
anthropic_write_models(Buf *out, const char *prefix, size_t prefix_len)
{
	ModelCursor cursor = {0};
	const char *first = NULL;
	const char *last = NULL;
	const char *name;

	buf_puts(out, "{\"data\":[");
	while ((name = model_next_name(&cursor, prefix, prefix_len)) != NULL)
	{
		if (first == NULL)
			first = name;
		else
			buf_puts(out, ",");
		last = name;
		buf_puts(out, "{\"type\":\"model\",\"id\":\"");
		buf_json_clean(out, name, strlen(name));
		buf_puts(out, "\",\"display_name\":\"");
		buf_json_clean(out, name, strlen(name));
		buf_puts(out, "\",\"created_at\":\"2026-05-28T00:00:00Z\"}");
	}
	buf_puts(out, "],\"has_more\":false");
	write_edge(out, "first_id", first);
	write_edge(out, "last_id", last);
	buf_puts(out, "}");
}

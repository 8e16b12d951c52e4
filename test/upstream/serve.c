/*
 * serve.c: serves one request to a model: read, find the model, admit, choose
 * a fault, build the answer, let it leave after the latency.
 *
 * The whole answer is decided when the request arrives; only filler and the
 * events of a stream are made while it is being sent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conn.h"
#include "content.h"
#include "last.h"
#include "rng.h"
#include "stats.h"
#include "stream.h"

static bool read_request(Conn *conn, Ask *ask, ApiError *error);
static bool admit(Conn *conn, const Ask *ask, ApiError *error);
static void answer_ask(Conn *conn, const Ask *ask);
static void build_reply(Conn *conn, const Ask *ask);

/* Empties the exchange for a new request; its buffers are kept. */
static void
start_exchange(Exchange *exchange, const Dialect *dialect)
{
	static uint64_t serial;
	Buf			kept[] = {exchange->name, exchange->text, exchange->usage,
	exchange->usage_start, exchange->body, exchange->tail};

	memset(exchange, 0, sizeof(*exchange));
	for (int i = 0; i < 6; i++)
		buf_clear(&kept[i]);
	exchange->name = kept[0];
	exchange->text = kept[1];
	exchange->usage = kept[2];
	exchange->usage_start = kept[3];
	exchange->body = kept[4];
	exchange->tail = kept[5];
	exchange->dialect = dialect;
	exchange->serial = rng_mix(model_seed() ^ ++serial);
	exchange->created = (int64_t) time(NULL);
	exchange->truncate_at = exchange->error_at = exchange->cut_at = -1;
}

/* Gives back the exchange's buffers. */
void
exchange_free(Exchange *exchange)
{
	buf_free(&exchange->name);
	buf_free(&exchange->text);
	buf_free(&exchange->usage);
	buf_free(&exchange->usage_start);
	buf_free(&exchange->body);
	buf_free(&exchange->tail);
}

/* Serves the request of a connection, under a provider's prefix. */
void
serve_request(Conn *conn, const Dialect *dialect, const char *prefix,
			  size_t prefix_len)
{
	Exchange   *exchange = &conn->exchange;
	Ask			ask = {.max_tokens = ASK_NO_LIMIT};
	ApiError	error = {0};

	stats_totals.requests++;
	last_record(conn);
	start_exchange(exchange, dialect);
	if (!read_request(conn, &ask, &error))
	{
		stats_totals.bad_requests++;
		serve_error(conn, &error, NULL);
	}
	else if ((exchange->model = model_find(prefix, prefix_len,
										   ask.model)) == NULL)
	{
		error = (ApiError)
		{
			.status = 404, .message = "the model does not "
				"exist or you do not have access to it", .param = "model"
		};
		stats_totals.unknown_model++;
		serve_error(conn, &error, NULL);
	}
	else if (!admit(conn, &ask, &error))
	{
		exchange->model->stats.refused++;
		serve_error(conn, &error, NULL);
	}
	else
		answer_ask(conn, &ask);
	conn_answer_after(conn, exchange->delay_us);
	ask_free(&ask);
}

static bool
read_request(Conn *conn, Ask *ask, ApiError *error)
{
	const Dialect *dialect = conn->exchange.dialect;

	if (!ask_parse(ask, conn->in.data + conn->req.head_len,
				   conn->req.body_len, error))
		return false;
	if (dialect == &dialect_anthropic && conn->req.anthropic_version.len == 0)
		return ask_refuse(error, "anthropic-version: header is required",
						  NULL, NULL);
	return ask_read_model(ask, error) && dialect->read(ask, ask->json, error);
}

static void
note_request_id(Conn *conn)
{
	ModelStats *stats = &conn->exchange.model->stats;
	Span		id = conn->req.client_request_id;
	char		made[24];

	if (id.len == 0)
		id = conn->req.request_id;
	if (id.len > 0)
		stats_note_id(stats, conn->in.data + id.at, id.len);
	else
		stats_note_id(stats, made,
					  (size_t) snprintf(made, sizeof(made), "gen-%016" PRIx64,
										conn->exchange.serial));
}

/* Whether the request carries the model's key, in either dialect's header. */
static bool
has_key(const Conn *conn)
{
	const char *key = conn->exchange.config->api_key;
	Span		bearer = conn->req.authorization;

	if (key == NULL)
		return true;
	if (conn->req.api_key.len == strlen(key) &&
		memcmp(conn->in.data + conn->req.api_key.at, key, strlen(key)) == 0)
		return true;
	return bearer.len == strlen(key) + 7 &&
		strncasecmp(conn->in.data + bearer.at, "Bearer ", 7) == 0 &&
		memcmp(conn->in.data + bearer.at + 7, key, strlen(key)) == 0;
}

/* Counts the request in and checks the key and the model's limit. */
static bool
admit(Conn *conn, const Ask *ask, ApiError *error)
{
	Exchange   *exchange = &conn->exchange;
	Model	   *model = exchange->model;
	ModelStats *stats = &model->stats;
	double		limit = model->config->max_in_flight;

	model->refs++;
	exchange->config = model->config;
	exchange->config->refs++;
	exchange->n = model->drawn++;
	buf_json_clean(&exchange->name, ask->model, strlen(ask->model));
	stats->received++;
	stats->in_flight++;
	if (stats->in_flight > stats->max_in_flight)
		stats->max_in_flight = stats->in_flight;
	if (exchange->config->request_ids)
		note_request_id(conn);
	if (!has_key(conn))
	{
		error->status = 401;
		return false;
	}
	if (limit > 0 && (double) stats->in_flight > limit)
	{
		error->status = 429;
		return false;
	}
	return true;
}

/* Milliseconds until the answer, or the first event of a stream, leaves. */
static double
draw_delay_ms(const Exchange *exchange, const Fault *fault)
{
	const ModelConfig *config = exchange->config;
	const Model *model = exchange->model;
	double		ms;

	if (fault != NULL && fault->delay_ms >= 0)
		return fault->delay_ms;
	if (fault != NULL && fault->kind->at_once)
		return 0;
	if (exchange->stream && config->has_ttft)
		return latency_draw(&config->ttft, model->seed, exchange->n, RNG_TTFT);
	ms = latency_draw(&config->latency, model->seed, exchange->n,
					  RNG_LATENCY);
	if (!exchange->stream && config->tokens_per_second > 0)
		ms += (double) exchange->output_tokens * 1000 /
			config->tokens_per_second;
	return ms;
}

static void
answer_ask(Conn *conn, const Ask *ask)
{
	Exchange   *exchange = &conn->exchange;
	const ModelConfig *config = exchange->config;
	const Fault *fault = fault_choose(config->faults, config->fault_count,
									  exchange->model->seed, exchange->n,
									  ask->prompt, ask->prompt_len);

	exchange->stream = ask->stream;
	exchange->include_usage = ask->include_usage;
	exchange->input_tokens = content_tokens(ask->text_bytes);
	if (exchange->dialect->generates)
		content_build(exchange, ask);
	exchange->delay_us = (uint64_t) (draw_delay_ms(exchange, fault) * 1000);
	if (fault != NULL)
	{
		exchange->faulted = true;
		exchange->model->stats.faulted++;
	}
	if (fault != NULL && fault->kind->stage == FAULT_REPLACES)
	{
		fault->kind->apply(conn, fault);
		return;
	}
	if (fault != NULL && fault->kind->stage == FAULT_SHAPES)
		fault->kind->apply(conn, fault);
	build_reply(conn, ask);
	if (fault != NULL && fault->kind->stage == FAULT_SENDS)
		fault->kind->apply(conn, fault);
}

/* A number of tokens, under its name in either dialect. */
static double
count_of(const cJSON *usage, const char *name, const char *other_name)
{
	const cJSON *count = cJSON_GetObjectItemCaseSensitive(usage, name);

	if (count == NULL)
		count = cJSON_GetObjectItemCaseSensitive(usage, other_name);
	return cJSON_IsNumber(count) ? count->valuedouble : 0;
}

/* Writes the usage object, with the configuration's members over it. */
static void
write_usage(Buf *out, const Exchange *exchange, uint64_t output_tokens)
{
	const ModelConfig *config = exchange->config;
	cJSON	   *usage;
	const cJSON *member;
	char	   *text;

	if (config->usage_missing || exchange->usage_missing)
		return;
	usage = exchange->dialect->make_usage(exchange, output_tokens);
	cJSON_ArrayForEach(member, config->usage)
	{
		cJSON_DeleteItemFromObjectCaseSensitive(usage, member->string);
		cJSON_AddItemToObject(usage, member->string,
							  cJSON_Duplicate(member, true));
	}
	if (config->report_cost)
		cJSON_AddNumberToObject(usage, "cost",
								(count_of(usage, "prompt_tokens",
										  "input_tokens") *
								 config->input_price +
								 count_of(usage, "completion_tokens",
										  "output_tokens") *
								 config->output_price) / 1e6);
	text = cJSON_PrintUnformatted(usage);
	buf_puts(out, text);
	cJSON_free(text);
	cJSON_Delete(usage);
}

/* Makes the next part of a reply with much filler. */
static bool
produce_filler(Conn *conn)
{
	Exchange   *exchange = &conn->exchange;
	uint64_t	left = exchange->pad - exchange->pad_sent;
	size_t		len = left < FILL_BYTES ? (size_t) left : FILL_BYTES;
	const char *fill = answer_fill(exchange->pad_sent);

	exchange->pad_sent += len;
	if (len > 0 && exchange->chunked)
		answer_chunk(&conn->answer, fill, len);
	else if (len > 0)
		buf_append(&conn->answer.out, fill, len);
	else if (exchange->tail.len > 0)
	{
		if (exchange->chunked)
		{
			answer_chunk(&conn->answer, exchange->tail.data,
						 exchange->tail.len);
			answer_last_chunk(&conn->answer);
		}
		else
			buf_append(&conn->answer.out, exchange->tail.data,
					   exchange->tail.len);
		exchange->tail.len = 0;
	}
	else
		return false;
	return true;
}

/* Leaves only the first part of body, filler and tail. */
static void
truncate_reply(Exchange *exchange)
{
	uint64_t	keep = (uint64_t) ((double) exchange->body_bytes *
								   exchange->truncate_at);
	uint64_t	before_tail = exchange->body.len + exchange->pad;

	exchange->body_bytes = keep;
	exchange->tail.len = keep > before_tail ? (size_t) (keep - before_tail) : 0;
	if (keep < before_tail)
		exchange->pad = keep > exchange->body.len ?
			keep - exchange->body.len : 0;
	if (keep < exchange->body.len)
		exchange->body.len = (size_t) keep;
}

static void
build_plain(Conn *conn, const Ask *ask, const Buf *headers)
{
	Exchange   *exchange = &conn->exchange;
	int64_t		length;

	exchange->dialect->write_open(&exchange->body, exchange, ask);
	exchange->dialect->write_close(&exchange->tail, exchange);
	exchange->body_bytes = exchange->body.len + exchange->pad +
		exchange->tail.len;
	if (exchange->truncate_at >= 0)
		truncate_reply(exchange);
	if (exchange->cut_at >= 0)
		conn->answer.cut_left = (uint64_t) ((double) exchange->body_bytes *
											exchange->cut_at);
	length = (int64_t) exchange->body_bytes + (int64_t) exchange->length_delta;
	answer_head(&conn->answer, 200, ANSWER_JSON,
				exchange->chunked ? ANSWER_CHUNKED : length < 0 ? 0 : length,
				headers);
	if (exchange->chunked)
		answer_chunk(&conn->answer, exchange->body.data, exchange->body.len);
	else
		buf_append(&conn->answer.out, exchange->body.data,
				   exchange->body.len);
	if (exchange->pad == 0 && !exchange->chunked)
		buf_append(&conn->answer.out, exchange->tail.data,
				   exchange->tail.len);
	else
		conn->answer.produce = produce_filler;
}

static void
build_reply(Conn *conn, const Ask *ask)
{
	Exchange   *exchange = &conn->exchange;
	Buf			headers = {0};

	write_usage(&exchange->usage, exchange, exchange->output_tokens);
	exchange->dialect->write_headers(&headers, exchange);
	if (exchange->stream && exchange->dialect->stream_open != NULL)
	{
		write_usage(&exchange->usage_start, exchange, 1);
		stream_start(conn, &headers);
	}
	else if (exchange->error_at >= 0)
	{
		ApiError	error = {.status = 500};

		exchange->dialect->write_error(&exchange->body, exchange, &error);
		answer_body(&conn->answer, 200, ANSWER_JSON, &headers,
					exchange->body.data, exchange->body.len);
	}
	else
		build_plain(conn, ask, &headers);
	buf_free(&headers);
}

/* Answers with an error in the dialect's form; headers may be NULL. */
void
serve_error(Conn *conn, const ApiError *error, const Buf *headers)
{
	Exchange   *exchange = &conn->exchange;
	Buf			all = {0};

	exchange->failed = true;
	exchange->dialect->write_headers(&all, exchange);
	if (headers != NULL)
		buf_append(&all, headers->data, headers->len);
	exchange->body.len = 0;
	exchange->dialect->write_error(&exchange->body, exchange, error);
	answer_body(&conn->answer, error->status, ANSWER_JSON, &all,
				exchange->body.data, exchange->body.len);
	buf_free(&all);
}

/* The exchange is over; nothing happens if none was under way. */
void
serve_ended(Conn *conn, Outcome outcome)
{
	Exchange   *exchange = &conn->exchange;
	Model	   *model = exchange->model;

	if (model == NULL)
		return;
	exchange->model = NULL;
	model->stats.in_flight--;
	if (outcome == OUTCOME_ABANDONED)
		model->stats.abandoned++;
	if (outcome == OUTCOME_ANSWERED)
	{
		model->stats.answered++;
		if (!exchange->failed && !exchange->faulted)
			model->stats.ok++;
	}
	model_config_unref(exchange->config);
	model_unref(model);
}

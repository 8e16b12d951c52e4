/*
 * faultkinds.c: what each kind of fault does to an answer, one row for each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "rng.h"

#define DEFAULT_GARBAGE_BYTES 1024
#define DEFAULT_DEEP_ARRAYS 100000
#define DEFAULT_HUGE_BYTES 1e9
#define DEFAULT_BODY_RATE 100
#define DEFAULT_HEAD_RATE 50
#define GARBAGE_MAX_BYTES (16 * 1024 * 1024)
#define RATE_MIN 0.1

static double
given(double value, double otherwise)
{
	return value >= 0 ? value : otherwise;
}

/* Replaces the answer by a body of any type with status 200. */
static void
answer_instead(Conn *conn, const char *type, const void *body, size_t len)
{
	Buf			headers = {0};

	conn->exchange.failed = true;
	conn->exchange.dialect->write_headers(&headers, &conn->exchange);
	answer_body(&conn->answer, 200, type, &headers, body, len);
	buf_free(&headers);
}

static void
write_retry_headers(Buf *out, const Fault *fault)
{
	char		date[40];

	if (fault->retry_after != NULL)
		buf_printf(out, "retry-after: %s\r\n", fault->retry_after);
	if (fault->retry_after_date_in >= 0)
	{
		http_format_date(date, sizeof(date),
						 time(NULL) + (time_t) fault->retry_after_date_in);
		buf_printf(out, "retry-after: %s\r\n", date);
	}
	if (fault->retry_after_ms >= 0)
		buf_printf(out, "retry-after-ms: %.0f\r\n", fault->retry_after_ms);
	if (fault->should_retry != NULL)
		buf_printf(out, "x-should-retry: %s\r\n", fault->should_retry);
}

static void
apply_status(Conn *conn, const Fault *fault)
{
	char	   *code = fault->code ? cJSON_PrintUnformatted(fault->code) : NULL;
	ApiError	error = {
		.status = (int) given(fault->status, fault->quota ? 429 : 500),
		.type = fault->type, .code = code, .message = fault->message,
		.quota = fault->quota
	};
	Buf			headers = {0};

	write_retry_headers(&headers, fault);
	if (fault->body == NULL)
		serve_error(conn, &error, &headers);
	else
	{
		conn->exchange.failed = true;
		conn->exchange.dialect->write_headers(&headers, &conn->exchange);
		answer_body(&conn->answer, error.status, ANSWER_JSON, &headers,
					fault->body, strlen(fault->body));
	}
	buf_free(&headers);
	free(code);
}

static void
apply_refuse(Conn *conn, const Fault *fault)
{
	(void) fault;
	conn->answer.end = END_RESET;
	conn->answer.cut = true;
	conn->answer.cut_end = END_RESET;
}

static void
apply_close(Conn *conn, const Fault *fault)
{
	(void) fault;
	conn->answer.cut = true;
	conn->answer.cut_end = END_CLOSE;
}

static void
apply_hang(Conn *conn, const Fault *fault)
{
	(void) fault;
	conn->answer.cut = true;
	conn->answer.cut_end = END_HANG;
}

static void
apply_garbage(Conn *conn, const Fault *fault)
{
	size_t		len = (size_t) fmin(given(fault->bytes,
										  DEFAULT_GARBAGE_BYTES),
									GARBAGE_MAX_BYTES);
	char	   *bytes = mem_alloc(len + 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char) rng_draw(conn->exchange.model->seed,
								   conn->exchange.n ^ i << 32, RNG_GARBAGE);
	if (fault->raw)
	{
		buf_append(&conn->answer.out, bytes, len);
		conn->answer.end = END_CLOSE;
	}
	else
		answer_instead(conn, ANSWER_JSON, bytes, len);
	free(bytes);
}

static void
apply_html(Conn *conn, const Fault *fault)
{
	static const char page[] =
		"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
		"<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
		"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

	(void) fault;
	answer_instead(conn, "text/html", page, sizeof(page) - 1);
}

static void
apply_deep_json(Conn *conn, const Fault *fault)
{
	size_t		depth = (size_t) given(fault->depth, DEFAULT_DEEP_ARRAYS);
	char	   *body = mem_alloc(depth * 2);

	memset(body, '[', depth);
	memset(body + depth, ']', depth);
	answer_instead(conn, ANSWER_JSON, body, depth * 2);
	free(body);
}

static void
apply_empty_body(Conn *conn, const Fault *fault)
{
	(void) fault;
	answer_instead(conn, ANSWER_JSON, "", 0);
}

static void
apply_redirect(Conn *conn, const Fault *fault)
{
	Buf			headers = {0};

	conn->exchange.failed = true;
	conn->exchange.dialect->write_headers(&headers, &conn->exchange);
	buf_printf(&headers, "Location: %s\r\n",
			   fault->location ? fault->location : "/v1/elsewhere");
	answer_body(&conn->answer, (int) given(fault->status, 302), NULL,
				&headers, "", 0);
	buf_free(&headers);
}

static void
apply_wrong_length(Conn *conn, const Fault *fault)
{
	conn->exchange.length_delta = fault->delta != 0 ? fault->delta : 16;
	if (conn->exchange.length_delta > 0)
		conn->answer.end = END_CLOSE;
}

static void
apply_truncated_json(Conn *conn, const Fault *fault)
{
	conn->exchange.truncate_at = fmin(given(fault->at, 0.5), 1);
}

static void
apply_huge(Conn *conn, const Fault *fault)
{
	conn->exchange.chunked = true;
	conn->exchange.pad = (uint64_t) given(fault->bytes, DEFAULT_HUGE_BYTES);
}

/* Puts bytes into the middle of the text, where a character ends. */
static void
insert_bytes(Exchange *exchange, const char *bytes, size_t len)
{
	size_t		middle = utf8_cut(exchange->text.data, exchange->text.len,
								  exchange->text.len / 2);

	buf_reserve(&exchange->text, len);
	memmove(exchange->text.data + middle + len, exchange->text.data + middle,
			exchange->text.len - middle);
	memcpy(exchange->text.data + middle, bytes, len);
	exchange->text.len += len;
}

static void
apply_invalid_utf8(Conn *conn, const Fault *fault)
{
	(void) fault;
	insert_bytes(&conn->exchange, "\xff\xc3(\xed\xa0\x80", 6);
}

static void
apply_nul(Conn *conn, const Fault *fault)
{
	(void) fault;
	insert_bytes(&conn->exchange, "", 1);
}

static void
empty_reply(Conn *conn, ReplyShape shape)
{
	conn->exchange.shape = shape;
	conn->exchange.text.len = 0;
	conn->exchange.pad = 0;
	conn->exchange.output_tokens = 0;
}

static void
apply_empty_choices(Conn *conn, const Fault *fault)
{
	(void) fault;
	empty_reply(conn, REPLY_EMPTY);
}

static void
apply_null_content(Conn *conn, const Fault *fault)
{
	(void) fault;
	empty_reply(conn, REPLY_NULL);
}

static void
apply_usage_missing(Conn *conn, const Fault *fault)
{
	(void) fault;
	conn->exchange.usage_missing = true;
}

static void
apply_stream_error(Conn *conn, const Fault *fault)
{
	conn->exchange.error_at = fmin(given(fault->at, 0.5), 1);
}

static void
apply_headers_hang(Conn *conn, const Fault *fault)
{
	(void) fault;
	conn->answer.cut = true;
	conn->answer.cut_left = 0;
	conn->answer.cut_end = END_HANG;
}

/* Below 1, `at` is a share of the body; from 1 it is bytes. */
static void
apply_cut(Conn *conn, const Fault *fault)
{
	double		at = given(fault->at, 0.5);

	conn->answer.cut = true;
	conn->answer.cut_end = fault->reset ? END_RESET : END_CLOSE;
	conn->answer.cut_left = at < 1 ? UINT64_MAX : (uint64_t) at;
	if (at < 1)
		conn->exchange.cut_at = at;
}

static void
apply_drip(Conn *conn, const Fault *fault)
{
	conn->answer.bytes_per_second =
		fmax(given(fault->bytes_per_second, DEFAULT_BODY_RATE), RATE_MIN);
}

static void
apply_slow_headers(Conn *conn, const Fault *fault)
{
	conn->answer.bytes_per_second =
		fmax(given(fault->bytes_per_second, DEFAULT_HEAD_RATE), RATE_MIN);
	conn->answer.slow_head = true;
}

/* The answer is whole, and usually says nothing of the close. */
static void
apply_close_after(Conn *conn, const Fault *fault)
{
	conn->answer.end = END_CLOSE;
	conn->answer.quiet = !fault->announce;
}

static const FaultKind kinds[] = {
	{"status", FAULT_REPLACES, false, apply_status},
	{"refuse", FAULT_REPLACES, true, apply_refuse},
	{"close", FAULT_REPLACES, true, apply_close},
	{"hang", FAULT_REPLACES, true, apply_hang},
	{"garbage", FAULT_REPLACES, false, apply_garbage},
	{"html", FAULT_REPLACES, false, apply_html},
	{"deep_json", FAULT_REPLACES, false, apply_deep_json},
	{"empty_body", FAULT_REPLACES, false, apply_empty_body},
	{"redirect", FAULT_REPLACES, false, apply_redirect},
	{"wrong_length", FAULT_SHAPES, false, apply_wrong_length},
	{"cut", FAULT_SHAPES, false, apply_cut},
	{"truncated_json", FAULT_SHAPES, false, apply_truncated_json},
	{"huge", FAULT_SHAPES, false, apply_huge},
	{"invalid_utf8", FAULT_SHAPES, false, apply_invalid_utf8},
	{"nul", FAULT_SHAPES, false, apply_nul},
	{"empty_choices", FAULT_SHAPES, false, apply_empty_choices},
	{"null_content", FAULT_SHAPES, false, apply_null_content},
	{"usage_missing", FAULT_SHAPES, false, apply_usage_missing},
	{"stream_error", FAULT_SHAPES, false, apply_stream_error},
	{"close_after", FAULT_SHAPES, false, apply_close_after},
	{"headers_hang", FAULT_SENDS, false, apply_headers_hang},
	{"drip", FAULT_SENDS, false, apply_drip},
	{"slow_headers", FAULT_SENDS, false, apply_slow_headers},
};

/* The kind with this name, or NULL. */
const FaultKind *
fault_find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

/*
 * http.c: an incremental HTTP/1.1 request reader, safe for pipelining.
 *
 * A request lies at the start of the input buffer.  A chunked body is decoded
 * in place, so the body always follows the head; bytes after raw_len belong
 * to the next request.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http.h"

typedef struct HeaderSlot
{
	const char *name;
	size_t		offset;
} HeaderSlot;

static const HeaderSlot header_slots[] = {
	{"authorization", offsetof(Request, authorization)},
	{"x-api-key", offsetof(Request, api_key)},
	{"x-client-request-id", offsetof(Request, client_request_id)},
	{"x-request-id", offsetof(Request, request_id)},
	{"anthropic-version", offsetof(Request, anthropic_version)},
	{"content-length", offsetof(Request, content_length)},
	{"transfer-encoding", offsetof(Request, transfer_encoding)},
	{"connection", offsetof(Request, connection)},
	{"expect", offsetof(Request, expect)},
};

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

static HttpParse read_head(Request *req, const Buf *in);
static HttpParse read_chunks(Request *req, Buf *in);

static HttpParse
bad(Request *req, int status)
{
	req->bad_status = status;
	return HTTP_BAD;
}

/*
 * Reads what the buffer holds so far.  Call again with the same request when
 * more has come; zero the request before the first call.
 */
HttpParse
http_parse(Request *req, Buf *in)
{
	if (req->head_len == 0)
	{
		HttpParse	result = read_head(req, in);

		if (result != HTTP_READY)
			return result;
	}
	if (req->chunked)
		return read_chunks(req, in);
	if (in->len - req->head_len < req->want_len)
		return HTTP_MORE;
	req->body_len = req->want_len;
	req->raw_len = req->head_len + req->want_len;
	return HTTP_READY;
}

/* Whether the span is this text, letter case aside. */
bool
span_is(const Buf *in, Span span, const char *text)
{
	return span.len == strlen(text) &&
		strncasecmp(in->data + span.at, text, span.len) == 0;
}

static bool
span_contains(const Buf *in, Span span, const char *word)
{
	size_t		len = strlen(word);

	for (size_t i = 0; i + len <= span.len; i++)
	{
		if (strncasecmp(in->data + span.at + i, word, len) == 0)
			return true;
	}
	return false;
}

static Span
make_span(const Buf *in, const char *from, const char *to)
{
	Span		span = {(uint32_t) (from - in->data), (uint32_t) (to - from)};

	return span;
}

/* Splits "POST /path?query HTTP/1.1". */
static bool
read_request_line(Request *req, const Buf *in, const char *line,
				  const char *end)
{
	const char *space = memchr(line, ' ', (size_t) (end - line));
	const char *path = space ? space + 1 : end;
	const char *path_end = memchr(path, ' ', (size_t) (end - path));
	const char *query;

	if (space == NULL || path_end == NULL || path_end == path ||
		end - path_end != 9 || memcmp(path_end, " HTTP/1.", 8) != 0)
		return false;
	req->method = make_span(in, line, space);
	query = memchr(path, '?', (size_t) (path_end - path));
	req->path = make_span(in, path, query ? query : path_end);
	if (query != NULL)
		req->query = make_span(in, query + 1, path_end);
	req->keep_alive = path_end[8] == '1';
	return true;
}

static bool
read_header_line(Request *req, const Buf *in, const char *line,
				 const char *end)
{
	const char *colon = memchr(line, ':', (size_t) (end - line));
	const char *value;
	size_t		name_len;

	if (colon == NULL || colon == line)
		return false;
	name_len = (size_t) (colon - line);
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (size_t i = 0; i < LENGTH_OF(header_slots); i++)
	{
		if (strlen(header_slots[i].name) == name_len &&
			strncasecmp(line, header_slots[i].name, name_len) == 0)
			*(Span *) ((char *) req + header_slots[i].offset) =
				make_span(in, value, end);
	}
	return true;
}

/* Draws the length and the connection's fate from the headers. */
static HttpParse
read_framing(Request *req, const Buf *in)
{
	uint64_t	length = 0;

	if (span_contains(in, req->connection, "close"))
		req->keep_alive = false;
	else if (span_contains(in, req->connection, "keep-alive"))
		req->keep_alive = true;
	req->continue_due = span_is(in, req->expect, "100-continue");
	if (req->transfer_encoding.len > 0)
	{
		if (!span_is(in, req->transfer_encoding, "chunked"))
			return bad(req, 501);
		req->chunked = true;
		return HTTP_READY;
	}
	for (uint32_t i = 0; i < req->content_length.len; i++)
	{
		char		digit = in->data[req->content_length.at + i];

		if (digit < '0' || digit > '9')
			return bad(req, 400);
		length = length * 10 + (uint64_t) (digit - '0');
		if (length > HTTP_BODY_MAX_BYTES)
			return bad(req, 413);
	}
	req->want_len = (size_t) length;
	return HTTP_READY;
}

/* Reads the lines of a head whose last line ends before `end`. */
static bool
read_lines(Request *req, const Buf *in, size_t end)
{
	size_t		at = 0;

	while (at < end)
	{
		const char *line = in->data + at;
		const char *stop = memmem(line, end - at, "\r\n", 2);

		if (stop == NULL)
			return false;
		if (at == 0)
		{
			if (!read_request_line(req, in, line, stop))
				return false;
			req->headers = make_span(in, stop + 2, in->data + end);
		}
		else if (!read_header_line(req, in, line, stop))
			return false;
		at = (size_t) (stop + 2 - in->data);
	}
	return true;
}

static HttpParse
read_head(Request *req, const Buf *in)
{
	size_t		from = req->scan > 3 ? req->scan - 3 : 0;
	const char *end = in->len > from ?
		memmem(in->data + from, in->len - from, "\r\n\r\n", 4) : NULL;

	req->scan = in->len;
	if (end == NULL)
		return in->len > HTTP_HEAD_MAX_BYTES ? bad(req, 431) : HTTP_MORE;
	req->head_len = (size_t) (end + 4 - in->data);
	req->scan = req->head_len;
	if (!read_lines(req, in, req->head_len - 2))
		return bad(req, 400);
	return read_framing(req, in);
}

/* Reads one line of the chunk framing; gives 1 for more, 0 done, -1 bad. */
static int
read_chunk_line(Request *req, const Buf *in)
{
	const char *line = in->data + req->scan;
	const char *end = memmem(line, in->len - req->scan, "\r\n", 2);
	size_t		size = 0;
	size_t		digits = 0;

	if (end == NULL)
		return in->len - req->scan > 4096 ? -1 : 1;
	req->scan += (size_t) (end + 2 - line);
	if (req->phase == CHUNK_DATA_END)
	{
		req->phase = CHUNK_SIZE;
		return end == line ? 0 : -1;
	}
	if (req->phase == CHUNK_TRAILER)
	{
		if (end == line)
			req->raw_len = req->scan;
		return 0;
	}
	for (; digits < 8 && line + digits < end &&
		 isxdigit((unsigned char) line[digits]); digits++)
	{
		char		c = line[digits];

		size = size * 16 + (size_t) (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	if (digits == 0 || (line + digits < end && line[digits] != ';' &&
						line[digits] != ' '))
		return -1;
	req->chunk_left = size;
	req->phase = size > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return 0;
}

static HttpParse
read_chunks(Request *req, Buf *in)
{
	while (req->raw_len == 0)
	{
		size_t		there = in->len - req->scan;
		size_t		take = req->chunk_left < there ? req->chunk_left : there;
		int			result;

		if (req->phase != CHUNK_DATA)
		{
			result = read_chunk_line(req, in);
			if (result != 0)
				return result < 0 ? bad(req, 400) : HTTP_MORE;
			if (req->body_len + req->chunk_left > HTTP_BODY_MAX_BYTES)
				return bad(req, 413);
			continue;
		}
		if (take == 0)
			return HTTP_MORE;
		memmove(in->data + req->head_len + req->body_len,
				in->data + req->scan, take);
		req->body_len += take;
		req->scan += take;
		req->chunk_left -= take;
		if (req->chunk_left == 0)
			req->phase = CHUNK_DATA_END;
	}
	return HTTP_READY;
}

typedef struct Reason
{
	int			status;
	const char *text;
} Reason;

/* The reason phrase of a status. */
const char *
http_reason(int status)
{
	static const Reason reasons[] = {
		{200, "OK"}, {201, "Created"}, {204, "No Content"},
		{301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
		{307, "Temporary Redirect"}, {308, "Permanent Redirect"},
		{400, "Bad Request"}, {401, "Unauthorized"},
		{402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
		{405, "Method Not Allowed"}, {408, "Request Timeout"},
		{409, "Conflict"}, {413, "Content Too Large"},
		{422, "Unprocessable Content"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"},
		{502, "Bad Gateway"}, {503, "Service Unavailable"},
		{504, "Gateway Timeout"}, {529, "Site Overloaded"},
	};

	for (size_t i = 0; i < LENGTH_OF(reasons); i++)
	{
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Status";
}

/* Writes a time as an HTTP date. */
void
http_format_date(char *out, size_t size, time_t when)
{
	struct tm	parts;

	gmtime_r(&when, &parts);
	strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

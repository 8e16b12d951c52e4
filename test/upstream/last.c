/*
 * last.c: keeps the last requests that reached a provider's endpoint, so that
 * tests can look at what was sent.
 *
 * A ring of LAST_REQUESTS entries; of a body at most LAST_BODY_BYTES are kept.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "conn.h"
#include "last.h"

typedef struct LastRequest
{
	Buf			line;			/* "POST /v1/embeddings" */
	Buf			headers;
	Buf			body;
	size_t		body_bytes;		/* before the cut */
} LastRequest;

static LastRequest ring[LAST_REQUESTS];
static uint64_t recorded;

/* Keeps the request of the connection. */
void
last_record(const Conn *conn)
{
	LastRequest *last = &ring[recorded++ % LAST_REQUESTS];
	const Request *req = &conn->req;
	size_t		path_len = req->path.len +
		(req->query.len > 0 ? req->query.len + 1 : 0);

	last->line.len = last->headers.len = last->body.len = 0;
	buf_append(&last->line, conn->in.data + req->method.at, req->method.len);
	buf_puts(&last->line, " ");
	buf_append(&last->line, conn->in.data + req->path.at, path_len);
	buf_append(&last->headers, conn->in.data + req->headers.at,
			   req->headers.len);
	last->body_bytes = req->body_len;
	buf_append(&last->body, conn->in.data + req->head_len,
			   req->body_len < LAST_BODY_BYTES ? req->body_len
			   : LAST_BODY_BYTES);
}

/* Writes the headers as an object whose names are in lower case. */
static void
write_headers(Buf *out, const Buf *headers)
{
	const char *line = headers->data;
	const char *end = headers->data + headers->len;

	while (line < end)
	{
		const char *stop = memmem(line, (size_t) (end - line), "\r\n", 2);
		const char *colon;

		if (stop == NULL)
			stop = end;
		colon = memchr(line, ':', (size_t) (stop - line));
		if (line != headers->data)
			buf_puts(out, ",");
		buf_puts(out, "\"");
		for (const char *c = line; c < colon; c++)
		{
			char		low = (char) tolower((unsigned char) *c);

			buf_json_clean(out, &low, 1);
		}
		buf_puts(out, "\":\"");
		for (colon++; colon < stop && *colon == ' ';)
			colon++;
		buf_json_clean(out, colon, (size_t) (stop - colon));
		buf_puts(out, "\"");
		line = stop + 2;
	}
}

static void
write_request(Buf *out, const LastRequest *last)
{
	const char *space = memchr(last->line.data, ' ', last->line.len);
	size_t		method_len = (size_t) (space - last->line.data);

	buf_puts(out, "{\"method\":\"");
	buf_json_clean(out, last->line.data, method_len);
	buf_puts(out, "\",\"path\":\"");
	buf_json_clean(out, space + 1, last->line.len - method_len - 1);
	buf_puts(out, "\",\"headers\":{");
	write_headers(out, &last->headers);
	buf_printf(out, "},\"body_bytes\":%zu,\"body\":\"", last->body_bytes);
	buf_json_clean(out, last->body.data, last->body.len);
	buf_puts(out, "\"}");
}

/* Writes at most count requests as a JSON array, the newest first. */
void
last_write(Buf *out, int count)
{
	uint64_t	kept = recorded < LAST_REQUESTS ? recorded : LAST_REQUESTS;

	buf_puts(out, "[");
	for (uint64_t i = 0; i < kept && i < (uint64_t) count; i++)
	{
		if (i > 0)
			buf_puts(out, ",");
		write_request(out, &ring[(recorded - 1 - i) % LAST_REQUESTS]);
	}
	buf_puts(out, "]");
}

/* Forgets the requests and gives back their memory. */
void
last_forget(void)
{
	for (int i = 0; i < LAST_REQUESTS; i++)
	{
		buf_free(&ring[i].line);
		buf_free(&ring[i].headers);
		buf_free(&ring[i].body);
	}
	recorded = 0;
}

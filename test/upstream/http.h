/*
 * http.h: reading HTTP/1.1 requests from a buffer.
 */
#ifndef UPSTREAM_HTTP_H
#define UPSTREAM_HTTP_H

#include <time.h>

#include "buf.h"

#define HTTP_HEAD_MAX_BYTES (64 * 1024)
#define HTTP_BODY_MAX_BYTES (64 * 1024 * 1024)

/* A part of the input buffer; it stays right when the buffer moves. */
typedef struct Span
{
	uint32_t	at;
	uint32_t	len;
} Span;

typedef enum HttpParse
{
	HTTP_MORE = 0,				/* not all there yet */
	HTTP_READY,
	HTTP_BAD					/* bad_status says why */
} HttpParse;

typedef enum ChunkPhase
{
	CHUNK_SIZE = 0,
	CHUNK_DATA,
	CHUNK_DATA_END,
	CHUNK_TRAILER
} ChunkPhase;

typedef struct Request
{
	Span		method;
	Span		path;
	Span		query;
	Span		headers;		/* all header lines */
	Span		authorization;
	Span		api_key;
	Span		client_request_id;
	Span		request_id;
	Span		anthropic_version;
	Span		content_length;
	Span		transfer_encoding;
	Span		connection;
	Span		expect;

	size_t		head_len;		/* 0 until the head is whole */
	size_t		body_len;		/* body bytes decoded so far */
	size_t		raw_len;		/* input bytes it takes, once ready */
	size_t		want_len;		/* of a body with Content-Length */
	bool		chunked;
	bool		keep_alive;
	bool		continue_due;	/* the client waits for 100 Continue */
	int			bad_status;

	size_t		scan;			/* input read so far */
	size_t		chunk_left;
	ChunkPhase	phase;
} Request;

HttpParse	http_parse(Request *req, Buf *in);
bool		span_is(const Buf *in, Span span, const char *text);
const char *http_reason(int status);
void		http_format_date(char *out, size_t size, time_t when);

#endif

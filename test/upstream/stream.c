/*
 * stream.c: sends a reply as server-sent events, made as they leave.
 *
 * Every event is one HTTP chunk.  Without a pace many events are made at a
 * time; with tokens_per_second each waits for its turn.
 */
#include <string.h>

#include "conn.h"
#include "stream.h"

/* A long reply is not cut into more pieces than this. */
#define PIECES_MAX 1000
#define MAKE_BYTES (64 * 1024)

static Buf	event;				/* the event that is being made */

static bool produce_events(Conn *conn);
static void make_event(Exchange *exchange);
static void make_piece(Exchange *exchange);

/* Writes the head and the first events. */
void
stream_start(Conn *conn, const Buf *headers)
{
	Exchange   *exchange = &conn->exchange;
	double		tps = exchange->config->tokens_per_second;
	uint64_t	total = exchange->text.len + exchange->pad;

	exchange->piece_bytes = (uint64_t) exchange->config->chunk_tokens * 4;
	if (exchange->piece_bytes < total / PIECES_MAX)
		exchange->piece_bytes = total / PIECES_MAX;
	if (exchange->piece_bytes > FILL_BYTES)
		exchange->piece_bytes = FILL_BYTES;
	if (tps > 0)
		exchange->gap_us = (uint64_t) ((double) exchange->piece_bytes / 4 *
									   1e6 / tps);
	answer_head(&conn->answer, 200, "text/event-stream; charset=utf-8",
				ANSWER_CHUNKED, headers);
	conn->answer.produce = produce_events;
	produce_events(conn);
	conn->answer.gap_us = 0;
}

/* Gives back the memory that streams share. */
void
stream_free(void)
{
	buf_free(&event);
}

/* The share of the content that was sent has reached a fraction. */
static bool
has_reached(const Exchange *exchange, double fraction)
{
	double		total = (double) (exchange->text.len + exchange->pad);

	return fraction >= 0 && exchange->step != STREAM_OPEN &&
		(double) exchange->position >= fraction * total;
}

static bool
produce_events(Conn *conn)
{
	Exchange   *exchange = &conn->exchange;
	Answer	   *answer = &conn->answer;
	bool		opening;

	if (exchange->step == STREAM_DONE)
		return false;
	do
	{
		opening = exchange->step == STREAM_OPEN;
		if (has_reached(exchange, exchange->cut_at))
		{
			exchange->step = STREAM_DONE;
			answer->end = answer->cut_end;
			return answer->out.len > 0;
		}
		event.len = 0;
		if (exchange->step == STREAM_PIECES)
			answer->gap_us = exchange->gap_us;
		make_event(exchange);
		answer_chunk(answer, event.data, event.len);
	} while (exchange->step != STREAM_DONE && answer->out.len < MAKE_BYTES &&
			 (exchange->gap_us == 0 || opening ||
			  exchange->step == STREAM_CLOSE));
	if (exchange->step == STREAM_DONE)
		answer_last_chunk(answer);
	return true;
}

/* Makes the next event and moves on. */
static void
make_event(Exchange *exchange)
{
	if (exchange->step == STREAM_OPEN)
	{
		exchange->dialect->stream_open(&event, exchange);
		exchange->step = STREAM_PIECES;
		if (exchange->shape != REPLY_TEXT ||
			exchange->text.len + exchange->pad == 0)
			exchange->step = STREAM_CLOSE;
	}
	else if (has_reached(exchange, exchange->error_at))
	{
		exchange->dialect->stream_error(&event, exchange);
		exchange->step = STREAM_DONE;
	}
	else if (exchange->step == STREAM_PIECES)
		make_piece(exchange);
	else
	{
		exchange->dialect->stream_close(&event, exchange);
		exchange->step = STREAM_DONE;
	}
}

/* Cuts the event's JSON in two, which leaves the events around it whole. */
static void
truncate_event(Exchange *exchange)
{
	event.len /= 2;
	buf_puts(&event, "\n\n");
	exchange->truncate_at = -1;
}

static void
make_piece(Exchange *exchange)
{
	uint64_t	total = exchange->text.len + exchange->pad;
	uint64_t	at = exchange->position;
	uint64_t	len = exchange->piece_bytes;
	bool		truncate = has_reached(exchange, exchange->truncate_at);

	if (at < exchange->text.len)
	{
		const char *text = exchange->text.data + at;
		size_t		left = exchange->text.len - (size_t) at;

		len = utf8_cut(text, left, (size_t) len);
		if (len == 0)
			len = left < 4 ? left : 4;
		exchange->dialect->stream_piece(&event, exchange, text, (size_t) len);
	}
	else
	{
		if (len > total - at)
			len = total - at;
		exchange->dialect->stream_piece(&event, exchange,
										answer_fill(at - exchange->text.len),
										(size_t) len);
	}
	exchange->position += len;
	if (truncate)
		truncate_event(exchange);
	if (exchange->position >= total)
		exchange->step = STREAM_CLOSE;
}

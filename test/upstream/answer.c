/*
 * answer.c: writes HTTP answer heads, bodies and chunks into an answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "http.h"

/* Makes the answer empty; its buffer is kept. */
void
answer_clear(Answer *answer)
{
	Buf			out = answer->out;

	memset(answer, 0, sizeof(*answer));
	answer->out = out;
	buf_clear(&answer->out);
}

/* The present time as an HTTP date, made once a second. */
static const char *
current_date(void)
{
	static char text[40];
	static time_t made;
	time_t		now = time(NULL);

	if (now != made)
	{
		http_format_date(text, sizeof(text), now);
		made = now;
	}
	return text;
}

/*
 * Writes the status line and the headers.  body_bytes is the Content-Length,
 * or ANSWER_CHUNKED; headers are whole lines, or NULL; type may be NULL.
 */
void
answer_head(Answer *answer, int status, const char *type, int64_t body_bytes,
			const Buf *headers)
{
	Buf		   *out = &answer->out;

	buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status,
			   http_reason(status), current_date());
	if (type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", type);
	if (body_bytes < 0)
		buf_puts(out, "Transfer-Encoding: chunked\r\n");
	else
		buf_printf(out, "Content-Length: %" PRId64 "\r\n", body_bytes);
	if (headers != NULL)
		buf_append(out, headers->data, headers->len);
	if ((answer->end == END_CLOSE || answer->end == END_DRAIN) &&
		!answer->quiet)
		buf_puts(out, "Connection: close\r\n");
	buf_puts(out, "\r\n");
	answer->head_left = out->len;
}

/* Writes a whole answer. */
void
answer_body(Answer *answer, int status, const char *type, const Buf *headers,
			const void *body, size_t len)
{
	answer_head(answer, status, type, (int64_t) len, headers);
	buf_append(&answer->out, body, len);
}

/* Writes one chunk of a chunked body; an empty one is left out. */
void
answer_chunk(Answer *answer, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	buf_printf(&answer->out, "%zx\r\n", len);
	buf_append(&answer->out, bytes, len);
	buf_puts(&answer->out, "\r\n");
}

/* Ends a chunked body. */
void
answer_last_chunk(Answer *answer)
{
	buf_puts(&answer->out, "0\r\n\r\n");
}

/* At least FILL_BYTES of filler, as it stands at this place of a content. */
const char *
answer_fill(uint64_t at)
{
	static char fill[FILL_BYTES + FILL_PERIOD];
	static const char period[] =
		"the sea is wide and the ship is small but the winds are with us ";

	_Static_assert(sizeof(period) == FILL_PERIOD + 1, "period of the filler");
	if (fill[0] == '\0')
	{
		for (size_t i = 0; i < sizeof(fill); i++)
			fill[i] = period[i % FILL_PERIOD];
	}
	return fill + at % FILL_PERIOD;
}

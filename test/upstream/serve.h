/*
 * serve.h: one exchange with a model, from its request to its answer's end.
 */
#ifndef UPSTREAM_SERVE_H
#define UPSTREAM_SERVE_H

#include "ask.h"
#include "buf.h"
#include "dialect.h"
#include "fault.h"
#include "http.h"
#include "model.h"

struct Conn;

typedef enum Outcome
{
	OUTCOME_ABANDONED = 0,		/* the client left first */
	OUTCOME_ANSWERED,
	OUTCOME_BROKEN				/* ended early on purpose */
} Outcome;

/* What the reply's content is. */
typedef enum ReplyShape
{
	REPLY_TEXT = 0,
	REPLY_EMPTY,				/* no choice, no content block */
	REPLY_NULL					/* content is null */
} ReplyShape;

typedef enum StreamStep
{
	STREAM_OPEN = 0,
	STREAM_PIECES,
	STREAM_CLOSE,
	STREAM_DONE
} StreamStep;

typedef struct Exchange
{
	Model	   *model;			/* NULL when nothing is under way */
	ModelConfig *config;
	const Dialect *dialect;
	uint64_t	n;				/* the model's requests before this one */
	uint64_t	serial;			/* makes the ids of the answer */
	int64_t		created;		/* Unix time */
	uint64_t	delay_us;
	bool		stream;
	bool		include_usage;
	bool		faulted;
	bool		failed;			/* the answer is not a status 200 */

	/* The reply: text, then pad bytes of filler. */
	Buf			name;			/* the model, escaped for JSON */
	Buf			text;
	uint64_t	pad;
	uint64_t	input_tokens;
	uint64_t	output_tokens;
	bool		cut_by_limit;	/* finish_reason length */
	Buf			usage;			/* a JSON object; empty = not reported */
	Buf			usage_start;	/* the same before the first token */

	/* The body around it. */
	Buf			body;			/* JSON before the filler */
	Buf			tail;			/* JSON after it */
	uint64_t	body_bytes;		/* with filler and tail */
	uint64_t	pad_sent;

	/* What a fault asked for; fractions below 0 are unset. */
	ReplyShape	shape;
	bool		chunked;
	bool		usage_missing;
	double		length_delta;
	double		truncate_at;
	double		error_at;
	double		cut_at;

	/* A stream. */
	StreamStep	step;
	uint64_t	piece_bytes;
	uint64_t	position;		/* in text and filler */
	uint64_t	gap_us;
} Exchange;

void		serve_request(struct Conn *conn, const Dialect *dialect,
						  const char *prefix, size_t prefix_len);
void		serve_ended(struct Conn *conn, Outcome outcome);
void		serve_error(struct Conn *conn, const ApiError *error,
						const Buf *headers);
void		exchange_free(Exchange *exchange);

#endif

/*
 * answer.h: one HTTP answer while it is being sent.
 */
#ifndef UPSTREAM_ANSWER_H
#define UPSTREAM_ANSWER_H

#include "buf.h"

/* What becomes of the connection when the answer has ended. */
typedef enum AnswerEnd
{
	END_KEEP = 0,				/* the next request may come */
	END_CLOSE,
	END_RESET,					/* TCP reset instead of an orderly close */
	END_HANG,					/* silence until the client leaves */
	END_DRAIN					/* close, but first read what still comes */
} AnswerEnd;

struct Conn;

typedef struct Answer
{
	Buf			out;
	size_t		sent;			/* bytes of out that left */
	size_t		head_left;		/* header bytes in out that have not left */
	bool		cut;			/* only cut_left more body bytes leave */
	uint64_t	cut_left;
	AnswerEnd	cut_end;
	double		bytes_per_second;	/* a brake; 0 = none */
	bool		slow_head;		/* it brakes the head, not the body */
	AnswerEnd	end;
	bool		quiet;			/* a close is not announced in the head */

	/*
	 * Appends more to out, or gives false when there is no more.  gap_us is
	 * the pause before what was appended leaves.
	 */
	bool		(*produce) (struct Conn *conn);
	uint64_t	gap_us;
} Answer;

void		answer_clear(Answer *answer);
void		answer_head(Answer *answer, int status, const char *type,
						int64_t body_bytes, const Buf *headers);
void		answer_body(Answer *answer, int status, const char *type,
						const Buf *headers, const void *body, size_t len);
void		answer_chunk(Answer *answer, const void *bytes, size_t len);
void		answer_last_chunk(Answer *answer);
const char *answer_fill(uint64_t at);

#define ANSWER_CHUNKED (-1)
#define ANSWER_JSON "application/json"

/* The filler repeats with this period; it needs no JSON escapes. */
#define FILL_PERIOD 64
#define FILL_BYTES (64 * 1024)

#endif

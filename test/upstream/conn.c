/*
 * conn.c: the life of a connection: read a request, wait, send the answer,
 * and again.
 *
 * Sockets are watched edge-triggered for reading and writing at once, so a
 * request costs no epoll_ctl; `readable` remembers an edge that was not used
 * up.  While an answer is under way nothing is read, which is what keeps the
 * request's spans valid.  A client that closes while its answer is under way
 * has left: the exchange ends there.
 *
 * A closed connection goes to a free list with its buffers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "route.h"

/* How much one connection may move before the others get their turn. */
#define TURN_BYTES (1024 * 1024)
#define READ_BYTES (4 * 1024)
#define READ_BODY_BYTES (256 * 1024)
#define DRAIN_LIMIT_US 2000000

typedef enum Step
{
	STEP_AGAIN = 0,
	STEP_BLOCKED,				/* an event or the timer goes on */
	STEP_GONE					/* the connection was closed */
} Step;

ConnTotals	conn_totals;

static Conn *open_conns;
static Conn *free_conns;

static void conn_ready(Source *source, uint32_t events);
static void timer_fired(Timer *timer);
static void advance(Conn *conn);
static Step read_step(Conn *conn, size_t *budget);
static Step send_step(Conn *conn, size_t *budget);
static Step finish_answer(Conn *conn, AnswerEnd end);

/* Takes over an accepted socket. */
void
conn_open(int fd)
{
	Conn	   *conn = free_conns;

	if (conn != NULL)
		free_conns = conn->next;
	else
		conn = mem_alloc(sizeof(Conn));
	conn->source.ready = conn_ready;
	conn->timer.fire = timer_fired;
	conn->fd = fd;
	conn->state = CONN_READING;
	conn->readable = conn->peer_closed = false;
	memset(&conn->req, 0, sizeof(conn->req));
	conn->prev = NULL;
	conn->next = open_conns;
	if (open_conns != NULL)
		open_conns->prev = conn;
	open_conns = conn;
	conn_totals.opened++;
	conn_totals.open++;
	loop_add(fd, &conn->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void
close_conn(Conn *conn)
{
	serve_ended(conn, OUTCOME_ABANDONED);
	timer_clear(&conn->timer);
	close(conn->fd);
	conn->fd = -1;
	buf_clear(&conn->in);
	answer_clear(&conn->answer);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		open_conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	conn->next = free_conns;
	free_conns = conn;
	conn_totals.open--;
}

static void
reset_conn(Conn *conn)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close_conn(conn);
}

static void
conn_ready(Source *source, uint32_t events)
{
	Conn	   *conn = (Conn *) source;

	if (conn->fd < 0)
		return;
	if (events & EPOLLIN)
		conn->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
	{
		conn->peer_closed = conn->readable = true;
		if (conn->state != CONN_READING && conn->state != CONN_DRAINING)
		{
			close_conn(conn);
			return;
		}
	}
	advance(conn);
}

static void
timer_fired(Timer *timer)
{
	Conn	   *conn = (Conn *) ((char *) timer - offsetof(Conn, timer));

	if (conn->state == CONN_DRAINING && loop_now_us >= conn->drain_until_us)
	{
		close_conn(conn);
		return;
	}
	if (conn->state == CONN_WAITING)
		conn->state = CONN_SENDING;
	advance(conn);
}

/* Reads and drops what the client still sends, until it closes. */
static Step
drain_step(Conn *conn, size_t *budget)
{
	static char waste[READ_BODY_BYTES];
	ssize_t		got = recv(conn->fd, waste, sizeof(waste), 0);

	if (got > 0)
	{
		*budget -= *budget < (size_t) got ? *budget : (size_t) got;
		return STEP_AGAIN;
	}
	if (got < 0 && errno == EAGAIN)
	{
		timer_set(&conn->timer, conn->drain_until_us);
		return STEP_BLOCKED;
	}
	close_conn(conn);
	return STEP_GONE;
}

/* Goes on until the socket or the timer has to be waited for. */
static void
advance(Conn *conn)
{
	size_t		budget = TURN_BYTES;
	Step		step = STEP_AGAIN;

	while (step == STEP_AGAIN)
	{
		if (budget == 0)
		{
			timer_set(&conn->timer, loop_now_us + 1);
			return;
		}
		if (conn->state == CONN_READING)
			step = read_step(conn, &budget);
		else if (conn->state == CONN_SENDING)
			step = send_step(conn, &budget);
		else if (conn->state == CONN_DRAINING)
			step = drain_step(conn, &budget);
		else
			step = STEP_BLOCKED;
	}
}

/* The answer in conn->answer starts to leave after the delay. */
void
conn_answer_after(Conn *conn, uint64_t delay_us)
{
	conn->state = CONN_SENDING;
	if (delay_us > 0)
	{
		conn->state = CONN_WAITING;
		timer_set(&conn->timer, loop_now_us + delay_us);
	}
}

/* Answers a request that is not HTTP as this server reads it. */
static void
answer_bad_request(Conn *conn)
{
	static const char body[] =
		"{\"error\":{\"message\":\"the request could not be read\","
		"\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}";

	answer_clear(&conn->answer);
	conn->answer.end = END_DRAIN;
	answer_body(&conn->answer, conn->req.bad_status, ANSWER_JSON, NULL, body,
				sizeof(body) - 1);
	conn_answer_after(conn, 0);
}

static Step
receive(Conn *conn, size_t *budget)
{
	size_t		room = conn->req.head_len > 0 ? READ_BODY_BYTES : READ_BYTES;
	size_t		unused = conn->in.cap - conn->in.len;
	ssize_t		got;

	if (!conn->readable)
		return STEP_BLOCKED;
	if (unused > room)
		room = unused;
	got = recv(conn->fd, buf_reserve(&conn->in, room), room, 0);
	if (got < 0 && errno == EAGAIN)
	{
		conn->readable = false;
		return STEP_BLOCKED;
	}
	if (got <= 0)
	{
		close_conn(conn);
		return STEP_GONE;
	}
	conn->in.len += (size_t) got;
	if ((size_t) got < room && !conn->peer_closed)
		conn->readable = false;
	*budget -= *budget < (size_t) got ? *budget : (size_t) got;
	return STEP_AGAIN;
}

static Step
read_step(Conn *conn, size_t *budget)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	HttpParse	result = conn->in.len > 0 ?
		http_parse(&conn->req, &conn->in) : HTTP_MORE;

	if (result == HTTP_MORE)
	{
		if (conn->req.continue_due && conn->req.head_len > 0 &&
			conn->in.len == conn->req.head_len)
		{
			conn->req.continue_due = false;
			if (send(conn->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
			{
				close_conn(conn);
				return STEP_GONE;
			}
		}
		return receive(conn, budget);
	}
	if (result == HTTP_BAD)
		answer_bad_request(conn);
	else
	{
		answer_clear(&conn->answer);
		conn->answer.end = conn->req.keep_alive ? END_KEEP : END_CLOSE;
		route_request(conn);
	}
	return STEP_AGAIN;
}

/* Whether what leaves next is braked: the head, or else the body. */
static bool
is_braked(const Answer *answer)
{
	return answer->bytes_per_second > 0 &&
		answer->slow_head == (answer->head_left > 0);
}

/* How many of the unsent bytes may leave now. */
static size_t
allowed_bytes(const Answer *answer)
{
	size_t		len = answer->out.len - answer->sent;
	double		slice = answer->bytes_per_second / 20;

	if (answer->cut && len > answer->head_left &&
		len - answer->head_left > answer->cut_left)
		len = answer->head_left + (size_t) answer->cut_left;
	if (answer->bytes_per_second <= 0)
		return len;
	if (answer->head_left > 0 && len > answer->head_left)
		len = answer->head_left;
	if (is_braked(answer) && len > slice)
		len = slice < 1 ? 1 : (size_t) slice;
	return len;
}

static void
count_sent(Answer *answer, size_t bytes)
{
	size_t		head = bytes < answer->head_left ? bytes : answer->head_left;

	answer->sent += bytes;
	answer->head_left -= head;
	if (answer->cut)
		answer->cut_left -= bytes - head;
}

/* Sends a part of what is in the buffer. */
static Step
send_some(Conn *conn, size_t *budget)
{
	Answer	   *answer = &conn->answer;
	bool		braked = is_braked(answer);
	ssize_t		sent = send(conn->fd, answer->out.data + answer->sent,
							allowed_bytes(answer), MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return STEP_BLOCKED;
	if (sent < 0)
	{
		close_conn(conn);
		return STEP_GONE;
	}
	count_sent(answer, (size_t) sent);
	*budget -= *budget < (size_t) sent ? *budget : (size_t) sent;
	if (!braked)
		return STEP_AGAIN;
	timer_set(&conn->timer, loop_now_us +
			  (uint64_t) ((double) sent * 1e6 / answer->bytes_per_second));
	return STEP_BLOCKED;
}

static Step
send_step(Conn *conn, size_t *budget)
{
	Answer	   *answer = &conn->answer;

	if (conn->timer.slot != 0)
		return STEP_BLOCKED;
	if (answer->cut && answer->cut_left == 0 && answer->head_left == 0)
		return finish_answer(conn, answer->cut_end);
	if (answer->sent < answer->out.len)
		return send_some(conn, budget);
	answer->out.len = answer->sent = 0;
	answer->gap_us = 0;
	if (answer->produce == NULL || !answer->produce(conn))
		return finish_answer(conn, answer->end);
	if (answer->gap_us > 0)
		conn_answer_after(conn, answer->gap_us);
	return STEP_AGAIN;
}

/* Takes the answered request out of the input. */
static void
consume_request(Conn *conn)
{
	size_t		left = conn->in.len - conn->req.raw_len;

	if (left > 0)
		memmove(conn->in.data, conn->in.data + conn->req.raw_len, left);
	else
		buf_clear(&conn->in);
	conn->in.len = left;
	memset(&conn->req, 0, sizeof(conn->req));
	answer_clear(&conn->answer);
}

static Step
finish_answer(Conn *conn, AnswerEnd end)
{
	bool		whole = end == conn->answer.end && !conn->answer.cut &&
		end != END_RESET && end != END_HANG;

	if (end != END_HANG)
		serve_ended(conn, whole ? OUTCOME_ANSWERED : OUTCOME_BROKEN);
	if (end == END_KEEP)
	{
		consume_request(conn);
		conn->state = CONN_READING;
		return STEP_AGAIN;
	}
	if (end == END_HANG && !conn->peer_closed)
	{
		conn->state = CONN_HANGING;
		return STEP_BLOCKED;
	}
	if (end == END_DRAIN)
	{
		shutdown(conn->fd, SHUT_WR);
		conn->state = CONN_DRAINING;
		conn->drain_until_us = loop_now_us + DRAIN_LIMIT_US;
		return STEP_AGAIN;
	}
	if (end == END_RESET)
		reset_conn(conn);
	else
		close_conn(conn);
	return STEP_GONE;
}

/* Closes every connection and gives back all memory. */
void
conn_close_all(void)
{
	while (open_conns != NULL)
		close_conn(open_conns);
	while (free_conns != NULL)
	{
		Conn	   *conn = free_conns;

		free_conns = conn->next;
		buf_free(&conn->in);
		buf_free(&conn->answer.out);
		exchange_free(&conn->exchange);
		free(conn);
	}
}

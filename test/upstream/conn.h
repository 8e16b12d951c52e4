/*
 * conn.h: client connections.
 */
#ifndef UPSTREAM_CONN_H
#define UPSTREAM_CONN_H

#include "answer.h"
#include "http.h"
#include "loop.h"
#include "serve.h"
#include "timer.h"

typedef enum ConnState
{
	CONN_READING = 0,			/* idle, or a request is coming */
	CONN_WAITING,				/* the answer starts, or goes on, by timer */
	CONN_SENDING,
	CONN_HANGING,				/* silent until the client leaves */
	CONN_DRAINING				/* answered; reads on so the answer arrives */
} ConnState;

typedef struct Conn
{
	Source		source;			/* first: the loop gives it back */
	Timer		timer;
	int			fd;
	ConnState	state;
	bool		readable;		/* the socket may hold unread bytes */
	bool		peer_closed;	/* the client will send no more */
	uint64_t	drain_until_us;
	Buf			in;
	Request		req;
	Answer		answer;
	Exchange	exchange;
	struct Conn *prev;
	struct Conn *next;
} Conn;

typedef struct ConnTotals
{
	uint64_t	opened;
	uint64_t	open;
} ConnTotals;

extern ConnTotals conn_totals;

void		conn_open(int fd);
void		conn_answer_after(Conn *conn, uint64_t delay_us);
void		conn_close_all(void);

#endif

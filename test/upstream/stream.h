/*
 * stream.h: replies as server-sent events.
 */
#ifndef UPSTREAM_STREAM_H
#define UPSTREAM_STREAM_H

#include "buf.h"

struct Conn;

void		stream_start(struct Conn *conn, const Buf *headers);
void		stream_free(void);

#endif

/*
 * last.h: the last requests, word for word.
 */
#ifndef UPSTREAM_LAST_H
#define UPSTREAM_LAST_H

#include "buf.h"

struct Conn;

#define LAST_REQUESTS 16
#define LAST_BODY_BYTES (64 * 1024)

void		last_record(const struct Conn *conn);
void		last_write(Buf *out, int count);
void		last_forget(void);

#endif

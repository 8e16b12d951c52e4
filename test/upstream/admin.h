/*
 * admin.h: the endpoints that tests steer and question the server with.
 */
#ifndef UPSTREAM_ADMIN_H
#define UPSTREAM_ADMIN_H

#include "buf.h"

struct Conn;

void		admin_stats(struct Conn *conn);
void		admin_stats_reset(struct Conn *conn);
void		admin_models_put(struct Conn *conn);
void		admin_models_get(struct Conn *conn);
void		admin_models_delete(struct Conn *conn);
void		admin_seed(struct Conn *conn);
void		admin_last(struct Conn *conn);
void		admin_listen(struct Conn *conn);
void		admin_answer(struct Conn *conn, int status, const Buf *body);
void		admin_refuse(struct Conn *conn, int status, const char *message);

#endif

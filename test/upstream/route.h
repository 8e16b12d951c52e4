/*
 * route.h: which endpoint answers a request.
 */
#ifndef UPSTREAM_ROUTE_H
#define UPSTREAM_ROUTE_H

struct Conn;

void		route_request(struct Conn *conn);

#endif

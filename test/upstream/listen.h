/*
 * listen.h: listening sockets.
 */
#ifndef UPSTREAM_LISTEN_H
#define UPSTREAM_LISTEN_H

#include <stdbool.h>

const char *listen_default_address(void);
int			listen_open(const char *address, int port);
bool		listen_close(int port);
void		listen_close_all(void);

#endif

/*
 * idle.h
 *	  Connections that wait for their next request.  Private to src/http.
 */
#ifndef MR_IDLE_H
#define MR_IDLE_H

#include "postgres.h"

#include <curl/curl.h>

extern void mr_idle_init(void);
extern void mr_idle_watch(CURL *easy, curl_socket_t sock);
extern void mr_idle_forget(curl_socket_t sock);
extern void mr_idle_sweep(void);

/* A descriptor that stays open, counted; raises when there is none. */
extern int	mr_http_open_fd(int (*open_one) (void));
extern int	mr_http_open_epoll(void);

#endif							/* MR_IDLE_H */

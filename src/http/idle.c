/*
 * idle.c
 *	  Keeps a connection from being used again once its server has sent
 *	  something that nobody asked for.
 *
 * Such bytes would be taken for the reply to the next request: another
 * user's prompt answered with them, or a request refused that never arrived
 * (many proxies say 408 and close).  libcurl looks for them since version 8
 * only.  So idle sockets stand in an epoll set of their own, and one that has
 * become readable, if only by its end, is replaced by a dead socket under the
 * same number, which libcurl finds and closes.
 *
 * HTTP/2 connections are left out: their servers may send frames at any time,
 * and libcurl reads them.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/fd.h"

#include "http/idle.h"

#define EVENTS_PER_TURN 64

static int	idle_fd = -1;		/* the epoll set */
static int	dead_fd = -1;		/* a socket whose other end is closed */

int
mr_http_open_fd(int (*open_one) (void))
{
	int			fd;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no file descriptor is left for HTTP"),
				 errhint("Raise max_files_per_process.")));
	fd = open_one();
	if (fd < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open a file descriptor for HTTP: %m")));
	}
	return fd;
}

int
mr_http_open_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int
open_dead(void)
{
	int			ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	close(ends[1]);
	return ends[0];
}

/* Makes what this file needs; raises when it cannot. */
void
mr_idle_init(void)
{
	if (idle_fd < 0)
		idle_fd = mr_http_open_fd(mr_http_open_epoll);
	if (dead_fd < 0)
		dead_fd = mr_http_open_fd(open_dead);
}

/* The exchange of easy has ended; its socket may be kept for another. */
void
mr_idle_watch(CURL *easy, curl_socket_t sock)
{
	struct epoll_event event = {.data.fd = sock};
	long		version = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	event.events = EPOLLIN | EPOLLRDHUP;
	if (version < CURL_HTTP_VERSION_2_0)
		epoll_ctl(idle_fd, EPOLL_CTL_ADD, sock, &event);
}

/* The socket is in use again. */
void
mr_idle_forget(curl_socket_t sock)
{
	epoll_ctl(idle_fd, EPOLL_CTL_DEL, sock, NULL);
}

/* Makes dead what must not be used again. */
void
mr_idle_sweep(void)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			nevents;

	do
	{
		nevents = epoll_wait(idle_fd, events, EVENTS_PER_TURN, 0);
		for (int i = 0; i < nevents; i++)
		{
			mr_idle_forget(events[i].data.fd);
			dup3(dead_fd, events[i].data.fd, O_CLOEXEC);
		}
	} while (nevents == EVENTS_PER_TURN);
}

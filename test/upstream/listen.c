/*
 * listen.c: opens and closes listening sockets, and accepts connections.
 *
 * One descriptor is kept in reserve: when the process has no more, it is used
 * to accept and close a waiting connection, so the loop does not spin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "listen.h"

#define LISTENERS_MAX 16
#define LISTEN_BACKLOG 8192
#define ACCEPTS_PER_TURN 256

typedef struct Listener
{
	Source		source;			/* first: the loop gives it back */
	int			fd;
	int			port;			/* 0 = this slot is free */
} Listener;

static Listener listeners[LISTENERS_MAX];
static int	reserve_fd = -1;
static const char *first_address;

static void
drop_waiting(int listen_fd)
{
	int			fd;

	close(reserve_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
accept_waiting(Source *source, uint32_t events)
{
	Listener   *listener = (Listener *) source;
	int			on = 1;

	(void) events;
	for (int i = 0; i < ACCEPTS_PER_TURN && listener->port != 0; i++)
	{
		int			fd = accept4(listener->fd, NULL, NULL,
								 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			drop_waiting(listener->fd);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		conn_open(fd);
	}
}

static int
bind_socket(const char *address, int port)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	int			fd = socket(AF_INET,
							SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			on = 1;

	name.sin_port = htons((uint16_t) port);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, address, &name.sin_addr) == 1 &&
		bind(fd, (struct sockaddr *) &name, sizeof(name)) == 0 &&
		listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The address that the first listener was opened on. */
const char *
listen_default_address(void)
{
	return first_address;
}

/* Listens on a port, or a free one for 0; gives the port, -1 on failure. */
int
listen_open(const char *address, int port)
{
	struct sockaddr_in name;
	socklen_t	len = sizeof(name);
	Listener   *listener = NULL;

	if (reserve_fd < 0)
		reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < LISTENERS_MAX && listener == NULL; i++)
	{
		if (listeners[i].port == 0)
			listener = &listeners[i];
	}
	if (listener == NULL)
		return -1;
	listener->fd = bind_socket(address, port);
	if (listener->fd < 0 ||
		getsockname(listener->fd, (struct sockaddr *) &name, &len) < 0)
		return -1;
	if (first_address == NULL)
		first_address = address;
	listener->port = ntohs(name.sin_port);
	listener->source.ready = accept_waiting;
	loop_add(listener->fd, &listener->source, EPOLLIN);
	return listener->port;
}

/* Stops listening on the port; connections to it are refused from now on. */
bool
listen_close(int port)
{
	for (int i = 0; i < LISTENERS_MAX; i++)
	{
		if (port != 0 && listeners[i].port == port)
		{
			close(listeners[i].fd);
			listeners[i].port = 0;
			return true;
		}
	}
	return false;
}

/* Stops listening everywhere. */
void
listen_close_all(void)
{
	for (int i = 0; i < LISTENERS_MAX; i++)
		listen_close(listeners[i].port);
	if (reserve_fd >= 0)
		close(reserve_fd);
	reserve_fd = -1;
}

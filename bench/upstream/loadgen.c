/*
 * loadgen.c: measures how fast a server on this host answers chat completions
 * over keep-alive connections.
 *
 * All connections are opened first; then each sends a request as soon as its
 * last one is answered, until --requests were sent.  One thread, epoll.  It
 * connects to 127.0.0.1 only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_BYTES (64 * 1024)
#define EVENTS 512

typedef struct Options
{
	int			port;
	int			connections;
	int			requests;
	const char *model;
	int			bytes;
	double		timeout_s;
} Options;

typedef struct Client
{
	int			fd;
	uint64_t	sent_us;		/* 0 = no request is open */
	size_t		got;			/* bytes of the present answer */
	size_t		want;			/* its whole length, 0 until known */
	bool		good;			/* its status is 200 */
	char		head[1024];		/* its start */
} Client;

typedef struct Run
{
	Options		options;
	int			epoll_fd;
	Client	   *clients;
	char	   *request;
	size_t		request_len;
	int			sent;
	int			completed;
	int			errors;
	uint64_t	started_us;
	uint64_t	ended_us;
	uint32_t   *latency_us;
} Run;

static Options read_options(int argc, char **argv);
static void make_request(Run *run);
static void open_clients(Run *run);
static void drive(Run *run);
static void report(const Run *run);

int
main(int argc, char **argv)
{
	Run			run = {.options = read_options(argc, argv)};
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	run.clients = calloc((size_t) run.options.connections, sizeof(Client));
	run.latency_us = calloc((size_t) run.options.requests, sizeof(uint32_t));
	run.epoll_fd = epoll_create1(0);
	make_request(&run);
	open_clients(&run);
	drive(&run);
	report(&run);
	free(run.clients);
	free(run.latency_us);
	free(run.request);
	return run.errors > 0 || run.completed < run.options.requests;
}

static void
fail(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static Options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"connections", required_argument, NULL, 'c'},
		{"requests", required_argument, NULL, 'r'},
		{"model", required_argument, NULL, 'm'},
		{"bytes", required_argument, NULL, 'b'},
		{"timeout", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0}
	};
	Options		options = {0, 64, 10000, "bench", 200, 30};
	int			option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		if (option == 'p')
			options.port = atoi(optarg);
		else if (option == 'c')
			options.connections = atoi(optarg);
		else if (option == 'r')
			options.requests = atoi(optarg);
		else if (option == 'm')
			options.model = optarg;
		else if (option == 'b')
			options.bytes = atoi(optarg);
		else if (option == 't')
			options.timeout_s = atof(optarg);
	}
	if (options.port < 1 || options.connections < 1 || options.requests < 1 ||
		options.bytes < 0)
	{
		fprintf(stderr, "usage: loadgen --port PORT [--connections N] "
				"[--requests N] [--model NAME]\n"
				"               [--bytes PROMPT_BYTES] [--timeout SECONDS]\n");
		exit(2);
	}
	return options;
}

/* Every request is the same: a prompt of --bytes letters. */
static void
make_request(Run *run)
{
	char	   *prompt = calloc(1, (size_t) run->options.bytes + 1);
	char	   *body;
	int			body_len;
	int			len;

	memset(prompt, 'a', (size_t) run->options.bytes);
	body_len = asprintf(&body, "{\"model\":\"%s\",\"messages\":[{\"role\":"
						"\"user\",\"content\":\"%s\"}]}",
						run->options.model, prompt);
	len = asprintf(&run->request, "POST /v1/chat/completions HTTP/1.1\r\n"
				   "Host: 127.0.0.1:%d\r\nAuthorization: Bearer bench\r\n"
				   "Content-Type: application/json\r\n"
				   "Content-Length: %d\r\n\r\n%s",
				   run->options.port, body_len, body);
	if (body_len < 0 || len < 0)
		fail("asprintf");
	run->request_len = (size_t) len;
	free(prompt);
	free(body);
}

static void
open_client(Run *run, Client *client)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	struct epoll_event event = {EPOLLIN | EPOLLRDHUP, {.ptr = client}};
	int			on = 1;

	name.sin_port = htons((uint16_t) run->options.port);
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (client->fd < 0 ||
		connect(client->fd, (struct sockaddr *) &name, sizeof(name)) < 0)
		fail("connect");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
		fail("epoll_ctl");
}

static void
open_clients(Run *run)
{
	for (int i = 0; i < run->options.connections; i++)
		open_client(run, &run->clients[i]);
}

static void
send_request(Run *run, Client *client)
{
	client->got = client->want = 0;
	client->sent_us = 0;
	if (run->sent == run->options.requests)
		return;
	run->sent++;
	client->sent_us = now_us();
	if (send(client->fd, run->request, run->request_len, MSG_NOSIGNAL) !=
		(ssize_t) run->request_len)
		fail("send");
}

/* Reads status and Content-Length once the head is there. */
static void
read_head(Client *client)
{
	size_t		len = client->got < sizeof(client->head) - 1 ? client->got
		: sizeof(client->head) - 1;
	const char *end;
	const char *length;

	client->head[len] = '\0';
	end = strstr(client->head, "\r\n\r\n");
	if (end == NULL)
		return;
	length = strcasestr(client->head, "\r\ncontent-length:");
	client->good = strncmp(client->head, "HTTP/1.1 200", 12) == 0;
	client->want = (size_t) (end + 4 - client->head);
	if (length != NULL && length < end)
		client->want += strtoul(length + 17, NULL, 10);
}

/* The connection ended: its request failed, and another one is opened. */
static void
replace_client(Run *run, Client *client)
{
	close(client->fd);
	if (client->sent_us != 0)
		run->errors++;
	open_client(run, client);
	send_request(run, client);
}

static void
read_answer(Run *run, Client *client)
{
	static char waste[REPLY_BYTES];
	ssize_t		got = recv(client->fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
	{
		replace_client(run, client);
		return;
	}
	if (client->got < sizeof(client->head) - 1)
	{
		size_t		room = sizeof(client->head) - 1 - client->got;

		memcpy(client->head + client->got, waste,
			   (size_t) got < room ? (size_t) got : room);
	}
	client->got += (size_t) got;
	if (client->want == 0)
		read_head(client);
	if (client->want == 0 || client->got < client->want)
		return;
	run->latency_us[run->completed] = (uint32_t) (now_us() - client->sent_us);
	if (client->good)
		run->completed++;
	else
		run->errors++;
	send_request(run, client);
}

/* Sends and reads until every request has ended or the time is up. */
static void
drive(Run *run)
{
	struct epoll_event events[EVENTS];
	uint64_t	limit_us;

	run->started_us = now_us();
	limit_us = run->started_us + (uint64_t) (run->options.timeout_s * 1e6);
	for (int i = 0; i < run->options.connections; i++)
		send_request(run, &run->clients[i]);
	while (run->completed + run->errors < run->options.requests &&
		   now_us() < limit_us)
	{
		int			ready = epoll_wait(run->epoll_fd, events, EVENTS, 100);

		for (int i = 0; i < ready; i++)
			read_answer(run, events[i].data.ptr);
	}
	run->ended_us = now_us();
}

static int
compare_latency(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

static double
percentile_ms(const Run *run, double share)
{
	int			at = (int) (share * (run->completed - 1) + 0.5);

	return run->completed > 0 ? run->latency_us[at] / 1000.0 : 0;
}

static void
report(const Run *run)
{
	double		seconds = (double) (run->ended_us - run->started_us) / 1e6;

	qsort(run->latency_us, (size_t) run->completed, sizeof(uint32_t),
		  compare_latency);
	printf("connections %d completed %d errors %d seconds %.3f "
		   "requests_per_second %.0f p50_ms %.3f p99_ms %.3f max_ms %.3f\n",
		   run->options.connections, run->completed,
		   run->options.requests - run->completed, seconds,
		   run->completed / seconds, percentile_ms(run, 0.5),
		   percentile_ms(run, 0.99), percentile_ms(run, 1));
}

/*
 * main.c: starts the simulated provider from its command line and ends it on
 * SIGTERM or SIGINT.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "conn.h"
#include "last.h"
#include "listen.h"
#include "stream.h"

typedef struct Options
{
	int			port;
	const char *address;
	const char *config;
	const char *pid_file;
	const char *port_file;
	uint64_t	seed;
} Options;

static const char usage[] =
	"usage: upstream --port PORT [--bind ADDRESS] [--config FILE] [--seed N]\n"
	"                [--pidfile FILE] [--portfile FILE]\n"
	"PORT 0 takes a free port. The address is 127.0.0.1 unless --bind is "
	"given.\n";

static void
refuse_options(const char *message)
{
	fprintf(stderr, "upstream: %s\n%s", message, usage);
	exit(2);
}

static uint64_t
read_number(const char *text, uint64_t max)
{
	char	   *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' ||
		value > max)
		refuse_options("a number is out of range");
	return value;
}

static Options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"bind", required_argument, NULL, 'b'},
		{"config", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 's'},
		{"pidfile", required_argument, NULL, 'i'},
		{"portfile", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	Options		options = {.port = -1, .address = "127.0.0.1"};
	int			option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		if (option == 'p')
			options.port = (int) read_number(optarg, 65535);
		else if (option == 'b')
			options.address = optarg;
		else if (option == 'c')
			options.config = optarg;
		else if (option == 's')
			options.seed = read_number(optarg, UINT64_MAX);
		else if (option == 'i')
			options.pid_file = optarg;
		else if (option == 'o')
			options.port_file = optarg;
		else if (option == 'h')
		{
			fputs(usage, stdout);
			exit(0);
		}
		else
			refuse_options("unknown option");
	}
	if (options.port < 0 || optind < argc)
		refuse_options("--port is needed, and nothing but options");
	return options;
}

/* Lets the process hold as many descriptors as it may. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Writes a number to a file that appears whole or not at all. */
static void
write_number_file(const char *path, long number)
{
	char		temporary[4096];
	FILE	   *file;

	if (path == NULL)
		return;
	snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path,
			 (long) getpid());
	file = fopen(temporary, "w");
	if (file == NULL || fprintf(file, "%ld\n", number) < 0 ||
		fclose(file) != 0 || rename(temporary, path) != 0)
		die("cannot write %s: %s", path, strerror(errno));
}

static void
end_on_signal(Source *source, uint32_t events)
{
	(void) source;
	(void) events;
	loop_stop();
}

static int
watch_signals(void)
{
	static Source source = {end_on_signal};
	sigset_t	signals;
	int			fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	loop_add(fd, &source, EPOLLIN);
	return fd;
}

static void
clean_up(const Options *options, int signal_fd)
{
	listen_close_all();
	conn_close_all();
	model_delete_all();
	last_forget();
	stream_free();
	timer_free_all();
	close(signal_fd);
	loop_free();
	if (options->pid_file != NULL)
		unlink(options->pid_file);
	if (options->port_file != NULL)
		unlink(options->port_file);
}

int
main(int argc, char **argv)
{
	Options		options = read_options(argc, argv);
	Problem		problem;
	int			signal_fd;
	int			port;

	raise_file_limit();
	model_set_seed(options.seed);
	if (options.config != NULL && !model_load_file(options.config, &problem))
		die("%s", problem.text);
	loop_init();
	signal_fd = watch_signals();
	port = listen_open(options.address, options.port);
	if (port < 0)
		die("cannot listen on %s port %d: %s", options.address, options.port,
			strerror(errno));
	write_number_file(options.pid_file, getpid());
	write_number_file(options.port_file, port);
	printf("listening on %s port %d\n", options.address, port);
	fflush(stdout);
	loop_run();
	clean_up(&options, signal_fd);
	return 0;
}

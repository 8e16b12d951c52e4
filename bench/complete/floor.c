/*
 * floor.c: the least that a chat completion costs a C program: one libcurl
 * easy handle, set up once and used again, and cJSON for the reply.
 *
 * Each session is a process with a handle and a connection of its own, as a
 * PostgreSQL backend is.  It sends the body of --body, reads the content and
 * the usage from each reply, and sends again at once.  The first request of a
 * session opens the connection and is not counted.
 */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MICROSECONDS 1e6

typedef struct Options
{
	const char *url;
	const char *body_file;
	struct curl_slist *headers;
	int			sessions;
	int			requests;		/* of each session */
} Options;

/* One reply's body; the memory is used again. */
typedef struct Reply
{
	char	   *data;
	size_t		bytes;
	size_t		capacity;
} Reply;

/* What the processes share. */
typedef struct Results
{
	pthread_barrier_t start;
	double		started_us;		/* written by session 0 */
	double		ended_us[];		/* of each session, then each request's time */
} Results;

static void fail(const char *what, const char *why);
static Options read_options(int argc, char **argv);
static Results *share_results(const Options *options);
static void run_session(const Options *options, Results *results,
						int session);
static void wait_sessions(const pid_t *children, int sessions);
static void report(const Options *options, Results *results);

int
main(int argc, char **argv)
{
	Options		options = read_options(argc, argv);
	Results    *results = share_results(&options);
	pid_t	   *children = calloc(options.sessions, sizeof(pid_t));

	for (int i = 0; i < options.sessions; i++)
	{
		children[i] = fork();
		if (children[i] < 0)
			fail("fork", strerror(errno));
		if (children[i] == 0)
		{
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			run_session(&options, results, i);
			_exit(0);
		}
	}
	wait_sessions(children, options.sessions);
	report(&options, results);
	free(children);
	return 0;
}

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(1);
}

static double
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * MICROSECONDS + now.tv_nsec / 1000.0;
}

static int
read_count(const char *text)
{
	char	   *end;
	long		value = strtol(text, &end, 10);

	if (*end != '\0' || value < 1 || value > 100000000)
		fail("not a count", text);
	return (int) value;
}

static Options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"url", required_argument, NULL, 'u'},
		{"body", required_argument, NULL, 'b'},
		{"header", required_argument, NULL, 'h'},
		{"sessions", required_argument, NULL, 's'},
		{"requests", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0}
	};
	Options		options = {.sessions = 1, .requests = 10000};
	int			option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		switch (option)
		{
			case 'u':
				options.url = optarg;
				break;
			case 'b':
				options.body_file = optarg;
				break;
			case 'h':
				options.headers = curl_slist_append(options.headers, optarg);
				break;
			case 's':
				options.sessions = read_count(optarg);
				break;
			case 'r':
				options.requests = read_count(optarg);
				break;
			default:
				exit(1);
		}
	}
	if (options.url == NULL || options.body_file == NULL || optind < argc)
		fail("usage", "floor --url URL --body FILE [--header LINE]... "
			 "[--sessions N] [--requests N]");
	return options;
}

static double *
request_times(const Options *options, Results *results)
{
	return results->ended_us + options->sessions;
}

static Results *
share_results(const Options *options)
{
	size_t		count = (size_t) options->sessions * options->requests;
	size_t		bytes = sizeof(Results) +
		(options->sessions + count) * sizeof(double);
	Results    *results = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
							   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t attributes;

	if (results == MAP_FAILED)
		fail("shared memory", strerror(errno));
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&results->start, &attributes, options->sessions);
	return results;
}

static size_t
receive(char *data, size_t size, size_t count, void *arg)
{
	Reply	   *reply = arg;
	size_t		bytes = size * count;

	if (reply->bytes + bytes > reply->capacity)
	{
		reply->capacity = 2 * (reply->bytes + bytes);
		reply->data = realloc(reply->data, reply->capacity);
		if (reply->data == NULL)
			return 0;
	}
	memcpy(reply->data + reply->bytes, data, bytes);
	reply->bytes += bytes;
	return bytes;
}

static char *
read_body(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *body = NULL;
	size_t		capacity = 0;

	if (file == NULL || getdelim(&body, &capacity, '\0', file) < 1)
		fail(path, "cannot be read");
	fclose(file);
	return body;
}

static CURL *
make_handle(const Options *options, Reply *reply)
{
	CURL	   *easy = curl_easy_init();

	if (easy == NULL)
		fail("libcurl", "no handle");
	curl_easy_setopt(easy, CURLOPT_URL, options->url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, read_body(options->body_file));
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, options->headers);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
	return easy;
}

/* True when the reply has what a caller wants from it. */
static bool
read_reply(const Reply *reply)
{
	cJSON	   *root = cJSON_ParseWithLength(reply->data, reply->bytes);
	cJSON	   *choice = cJSON_GetArrayItem(cJSON_GetObjectItem(root,
																"choices"), 0);
	cJSON	   *content = cJSON_GetObjectItem(cJSON_GetObjectItem(choice,
																  "message"),
											  "content");
	cJSON	   *tokens = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "usage"),
											 "completion_tokens");
	bool		good = cJSON_IsString(content) && cJSON_IsNumber(tokens);

	cJSON_Delete(root);
	return good;
}

static void
send_request(CURL *easy, Reply *reply)
{
	CURLcode	code;
	long		status = 0;

	reply->bytes = 0;
	code = curl_easy_perform(easy);
	if (code != CURLE_OK)
		fail("request", curl_easy_strerror(code));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 || !read_reply(reply))
		fail("reply", "not a chat completion");
}

static void
run_session(const Options *options, Results *results, int session)
{
	Reply		reply = {0};
	CURL	   *easy = make_handle(options, &reply);
	double	   *times = request_times(options, results) +
		(size_t) session * options->requests;
	double		before;

	send_request(easy, &reply);
	pthread_barrier_wait(&results->start);
	before = now_us();
	if (session == 0)
		results->started_us = before;
	for (int i = 0; i < options->requests; i++)
	{
		double		after;

		send_request(easy, &reply);
		after = now_us();
		times[i] = after - before;
		before = after;
	}
	results->ended_us[session] = before;
	curl_easy_cleanup(easy);
	free(reply.data);
}

/* One session that fails ends all: the others would wait for it for ever. */
static void
wait_sessions(const pid_t *children, int sessions)
{
	bool		failed = false;

	for (int i = 0; i < sessions; i++)
	{
		int			status;

		if ((wait(&status) < 0 || status != 0) && !failed)
		{
			failed = true;
			for (int j = 0; j < sessions; j++)
				kill(children[j], SIGTERM);
		}
	}
	if (failed)
		exit(1);
}

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return (left > right) - (left < right);
}

static void
report(const Options *options, Results *results)
{
	size_t		count = (size_t) options->sessions * options->requests;
	double	   *times = request_times(options, results);
	double		ended_us = 0;
	double		sum_us = 0;

	for (int i = 0; i < options->sessions; i++)
		if (results->ended_us[i] > ended_us)
			ended_us = results->ended_us[i];
	for (size_t i = 0; i < count; i++)
		sum_us += times[i];
	qsort(times, count, sizeof(double), compare_doubles);
	printf("sessions %d requests %zu median_us %.1f mean_us %.1f "
		   "p99_us %.1f per_second %.0f\n", options->sessions, count,
		   times[count / 2], sum_us / count, times[count * 99 / 100],
		   count / ((ended_us - results->started_us) / MICROSECONDS));
}

/*
 * blackhole.c
 *	  For LD_PRELOAD: names under .blackhole.test never resolve.
 *
 * getaddrinfo() sleeps for them, as it does when no name server answers.
 * Before it does it adds a line to the file that BLACKHOLE_LOG names.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".blackhole.test"
#define SLEEP_SECONDS 60

typedef int (*Resolve) (const char *node, const char *service,
						const struct addrinfo *hints,
						struct addrinfo **result);

static int
is_black_hole(const char *node)
{
	size_t		length = node ? strlen(node) : 0;

	return length >= strlen(SUFFIX) &&
		strcmp(node + length - strlen(SUFFIX), SUFFIX) == 0;
}

static void
note_entry(void)
{
	const char *path = getenv("BLACKHOLE_LOG");
	int			file;

	if (path == NULL)
		return;
	file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (file < 0)
		return;
	if (write(file, "in\n", 3) != 3)
		abort();
	close(file);
}

int
getaddrinfo(const char *node, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	if (is_black_hole(node))
	{
		unsigned int left = SLEEP_SECONDS;

		note_entry();
		while (left > 0)
			left = sleep(left);
		return EAI_AGAIN;
	}
	return ((Resolve) dlsym(RTLD_NEXT, "getaddrinfo")) (node, service, hints,
														result);
}

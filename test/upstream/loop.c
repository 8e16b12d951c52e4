/*
 * loop.c: waits with epoll for the next socket or timer and calls its owner.
 *
 * A source that is closed while the events of one turn are handed out must
 * stay readable memory until the turn ends: connections go to a free list and
 * listeners are static.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "loop.h"
#include "timer.h"

#define EVENTS_PER_TURN 512

uint64_t	loop_now_us;

static int	epoll_fd = -1;
static bool stopping;
static bool coarse_wait;

static void
read_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	loop_now_us = (uint64_t) now.tv_sec * 1000000 +
		(uint64_t) now.tv_nsec / 1000;
}

/* Makes the loop ready for sources. */
void
loop_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1: %s", strerror(errno));
	read_clock();
}

/* Calls source->ready with the events of fd until fd is closed. */
void
loop_add(int fd, Source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl: %s", strerror(errno));
}

/* Waits until the next timer; to the microsecond where the kernel can. */
static int
wait_events(struct epoll_event *events)
{
	uint64_t	next = timer_next_us();
	uint64_t	wait = next > loop_now_us ? next - loop_now_us : 0;
	struct timespec spec = {(time_t) (wait / 1000000),
	(long) (wait % 1000000) * 1000};
	int			ready;

	if (!coarse_wait)
	{
		ready = epoll_pwait2(epoll_fd, events, EVENTS_PER_TURN,
							 next == UINT64_MAX ? NULL : &spec, NULL);
		if (ready >= 0 || errno != ENOSYS)
			return ready;
		coarse_wait = true;
	}
	if (wait > 60000000)
		wait = 60000000;
	return epoll_wait(epoll_fd, events, EVENTS_PER_TURN,
					  next == UINT64_MAX ? -1 : (int) ((wait + 999) / 1000));
}

/* Serves until loop_stop is called. */
void
loop_run(void)
{
	struct epoll_event events[EVENTS_PER_TURN];

	while (!stopping)
	{
		int			ready = wait_events(events);

		if (ready < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		read_clock();
		for (int i = 0; i < ready; i++)
		{
			Source	   *source = events[i].data.ptr;

			source->ready(source, events[i].events);
		}
		timer_fire_due(loop_now_us);
	}
}

/* The loop ends after the present turn. */
void
loop_stop(void)
{
	stopping = true;
}

/* Gives back the loop's descriptor. */
void
loop_free(void)
{
	close(epoll_fd);
	epoll_fd = -1;
}

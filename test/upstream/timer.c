/*
 * timer.c: a binary heap of one-shot timers, the earliest first.
 */
#include <stdlib.h>

#include "buf.h"
#include "timer.h"

static Timer **heap;			/* heap[1..count] */
static size_t count;
static size_t capacity;

static void
put(Timer *timer, size_t slot)
{
	heap[slot] = timer;
	timer->slot = slot;
}

static void
sift_up(Timer *timer, size_t slot)
{
	while (slot > 1 && heap[slot / 2]->at_us > timer->at_us)
	{
		put(heap[slot / 2], slot);
		slot /= 2;
	}
	put(timer, slot);
}

static void
sift_down(Timer *timer, size_t slot)
{
	for (;;)
	{
		size_t		child = slot * 2;

		if (child > count)
			break;
		if (child < count && heap[child + 1]->at_us < heap[child]->at_us)
			child++;
		if (heap[child]->at_us >= timer->at_us)
			break;
		put(heap[child], slot);
		slot = child;
	}
	put(timer, slot);
}

/* Lets the timer fire once at or after at_us; an earlier setting is undone. */
void
timer_set(Timer *timer, uint64_t at_us)
{
	timer_clear(timer);
	if (count + 1 >= capacity)
	{
		capacity = capacity ? capacity * 2 : 1024;
		heap = realloc(heap, capacity * sizeof(Timer *));
		if (heap == NULL)
			die("out of memory");
	}
	timer->at_us = at_us;
	count++;
	sift_up(timer, count);
}

/* The timer does not fire; nothing happens if it was not set. */
void
timer_clear(Timer *timer)
{
	size_t		slot = timer->slot;
	Timer	   *last;

	if (slot == 0)
		return;
	timer->slot = 0;
	last = heap[count];
	count--;
	if (last == timer)
		return;
	if (slot > 1 && heap[slot / 2]->at_us > last->at_us)
		sift_up(last, slot);
	else
		sift_down(last, slot);
}

/* When the earliest timer is due; UINT64_MAX if none is set. */
uint64_t
timer_next_us(void)
{
	return count > 0 ? heap[1]->at_us : UINT64_MAX;
}

/* Fires what is due.  A timer set meanwhile for later than now_us waits. */
void
timer_fire_due(uint64_t now_us)
{
	while (count > 0 && heap[1]->at_us <= now_us)
	{
		Timer	   *timer = heap[1];

		timer_clear(timer);
		timer->fire(timer);
	}
}

/* Gives back the heap's memory. */
void
timer_free_all(void)
{
	free(heap);
	heap = NULL;
	count = capacity = 0;
}

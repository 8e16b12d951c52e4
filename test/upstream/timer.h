/*
 * timer.h: one-shot timers kept in a heap.
 */
#ifndef UPSTREAM_TIMER_H
#define UPSTREAM_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Timer
{
	uint64_t	at_us;
	size_t		slot;			/* place in the heap, counted from 1; 0 = not
								 * set */
	void		(*fire) (struct Timer *timer);
} Timer;

void		timer_set(Timer *timer, uint64_t at_us);
void		timer_clear(Timer *timer);
uint64_t	timer_next_us(void);
void		timer_fire_due(uint64_t now_us);
void		timer_free_all(void);

#endif

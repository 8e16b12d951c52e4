/*
 * loop.h: the event loop that drives every socket and timer.
 */
#ifndef UPSTREAM_LOOP_H
#define UPSTREAM_LOOP_H

#include <stdint.h>

/* First member of everything that waits on a descriptor. */
typedef struct Source
{
	void		(*ready) (struct Source *source, uint32_t events);
} Source;

extern uint64_t loop_now_us;

void		loop_init(void);
void		loop_add(int fd, Source *source, uint32_t events);
void		loop_run(void);
void		loop_stop(void);
void		loop_free(void);

#endif

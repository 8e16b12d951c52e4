/*
 * clock.h
 *	  The monotonic clock, by which everything that waits is timed.
 */
#ifndef MR_CLOCK_H
#define MR_CLOCK_H

#include "postgres.h"

#include "portability/instr_time.h"

/* Microseconds since some moment in the past. */
static inline int64
mr_now_us(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

#endif							/* MR_CLOCK_H */

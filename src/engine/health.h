/*
 * health.h
 *	  What was measured of each endpoint lately, in shared memory: one truth
 *	  for the whole server (per process when the library is not preloaded).
 */
#ifndef MR_HEALTH_H
#define MR_HEALTH_H

#include "postgres.h"

#include "router/router.h"

extern void mr_health_init(void);
extern void mr_health_read(uint64 endpoint_key, MrObserved *observed);
extern void mr_health_note(uint64 endpoint_key, double first_byte_ms,
						   double latency_ms, int64 output_tokens);

#endif							/* MR_HEALTH_H */

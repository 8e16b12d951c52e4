/*
 * rng.h: draws that depend only on a seed, a counter and a purpose.
 */
#ifndef UPSTREAM_RNG_H
#define UPSTREAM_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a draw is for; the faults of a model take RNG_FAULT, RNG_FAULT + 1... */
enum
{
	RNG_LATENCY = 1,
	RNG_TTFT = 3,
	RNG_GARBAGE = 5,
	RNG_SKILL = 6,
	RNG_FAULT = 16
};

uint64_t	rng_mix(uint64_t x);
uint64_t	rng_hash(uint64_t seed, const void *bytes, size_t len);
uint64_t	rng_draw(uint64_t seed, uint64_t n, uint64_t purpose);
double		rng_unit(uint64_t draw);
double		rng_normal(uint64_t seed, uint64_t n, uint64_t purpose);

#endif

/*
 * rng.c: random draws without state, so the n-th request of a model gets the
 * same draws whatever the other models do.
 *
 * The mixer is the output function of splitmix64 (Steele, Lea and Flood,
 * 2014).
 */
#include <math.h>
#include <string.h>

#include "rng.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* A bijection of 64 bits whose outputs look random. */
uint64_t
rng_mix(uint64_t x)
{
	x += GOLDEN;
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* A hash of the bytes under the seed. */
uint64_t
rng_hash(uint64_t seed, const void *bytes, size_t len)
{
	const char *at = bytes;
	uint64_t	hash = rng_mix(seed ^ (uint64_t) len);

	while (len > 0)
	{
		uint64_t	word = 0;
		size_t		take = len < 8 ? len : 8;

		memcpy(&word, at, take);
		hash = rng_mix(hash ^ word);
		at += take;
		len -= take;
	}
	return hash;
}

/* The draw of request n for one purpose. */
uint64_t
rng_draw(uint64_t seed, uint64_t n, uint64_t purpose)
{
	return rng_mix(rng_mix(seed ^ rng_mix(n)) + purpose * GOLDEN);
}

/* A draw as a number in [0, 1). */
double
rng_unit(uint64_t draw)
{
	return (double) (draw >> 11) * 0x1.0p-53;
}

/* A standard normal number (Box-Muller); it uses purpose and purpose + 1. */
double
rng_normal(uint64_t seed, uint64_t n, uint64_t purpose)
{
	double		u = rng_unit(rng_draw(seed, n, purpose));
	double		v = rng_unit(rng_draw(seed, n, purpose + 1));

	return sqrt(-2.0 * log(1.0 - u)) * cos(2.0 * M_PI * v);
}

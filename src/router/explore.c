/*
 * explore.c
 *	  Exploration: now and then the first candidate is drawn by chance, so that
 *	  what other choices would have given can be estimated without bias.
 *
 * The chance comes in as request->random: the same request gives the same
 * order.
 */
#include "postgres.h"

#include "utils/float.h"

#include "router/internal.h"

static void move_to_front(MrCandidate *candidates, int place);
static double unit_interval(uint64 random);
static uint64 next_random(uint64 random);

/*
 * Fill propensity, the probability to be first, of the sorted candidates;
 * NaN for those that are excluded.  Of n that can serve each has explore / n,
 * and the best one 1 - explore more.  Where a random number was drawn it
 * decides, and may put another one first; the rest keeps its order.
 */
void
mr_explore(const MrRequest *request, MrCandidate *candidates, int ncandidates)
{
	int			count = 0;

	for (int i = 0; i < ncandidates; i++)
	{
		candidates[i].explored = false;
		candidates[i].propensity = get_float8_nan();
		if (candidates[i].excluded_by == MR_EXCLUSION_NONE)
			count++;
	}
	for (int i = 0; i < count; i++)
		candidates[i].propensity = request->explore / count;
	if (count == 0)
		return;
	candidates[0].propensity = Min(candidates[0].propensity + 1 -
								   request->explore, 1);
	if (request->random != 0 &&
		unit_interval(request->random) < request->explore)
		move_to_front(candidates, (int)
					  (unit_interval(next_random(request->random)) * count));
}

static void
move_to_front(MrCandidate *candidates, int place)
{
	MrCandidate drawn = candidates[place];

	if (place == 0)
		return;
	memmove(&candidates[1], &candidates[0], place * sizeof(MrCandidate));
	candidates[0] = drawn;
	candidates[0].explored = true;
}

/* In 0 .. 1, 1 excluded. */
static double
unit_interval(uint64 random)
{
	return (random >> 11) * (1.0 / (UINT64CONST(1) << 53));
}

/* Another number, as good as independent: one step of splitmix64. */
static uint64
next_random(uint64 random)
{
	random += UINT64CONST(0x9E3779B97F4A7C15);
	random = (random ^ (random >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	random = (random ^ (random >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return random ^ (random >> 31);
}

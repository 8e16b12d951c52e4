/*
 * front.c
 *	  Who goes first though the order says otherwise: the best single model
 *	  where the gain over it is unsure, or the model of a pair that a threshold
 *	  picks.
 */
#include "postgres.h"

#include "router/internal.h"

static void prefer_single(const MrRequest *request, const MrBasis *basis,
						  MrCandidate *candidates, int count);
static int	find_single(const MrObjective *objective,
						const MrCandidate *candidates, int count);
static double sure_gain(const MrObjective *objective, const MrBasis *basis,
						const MrCandidate *candidate,
						const MrCandidate *single);
static void prefer_pair(const MrRequest *request, MrCandidate *candidates,
						int count);
static int	find_strong(const MrRequest *request,
						const MrCandidate *candidates, int count);
static int	find_weak(const MrRequest *request,
					  const MrCandidate *candidates, int count, int strong);
static double strong_score(const MrCandidate *strong,
						   const MrCandidate *weak);

/* Puts a candidate first; the others keep their order. */
void
mr_front_move(MrCandidate *candidates, int place, MrFront why)
{
	MrCandidate moved = candidates[place];

	if (place > 0)
	{
		memmove(&candidates[1], &candidates[0], place * sizeof(MrCandidate));
		candidates[0] = moved;
		candidates[0].front = why;
	}
	else if (why == MR_FRONT_STRONG || why == MR_FRONT_WEAK)
		candidates[0].front = why;
}

/*
 * After sorting.  Without a basis (candidates of a decision that is past) the
 * order stands.
 */
void
mr_front_choose(const MrRequest *request, const MrBasis *basis,
				MrCandidate *candidates, int ncandidates)
{
	int			count = 0;

	for (int i = 0; i < ncandidates; i++)
	{
		candidates[i].front = MR_FRONT_ORDER;
		count += candidates[i].excluded_by == MR_EXCLUSION_NONE;
	}
	if (basis == NULL || count < 2)
		return;
	if (!isnan(request->strong_threshold))
		prefer_pair(request, candidates, count);
	else
		prefer_single(request, basis, candidates, count);
}

/* In CurrentMemoryContext: why the first candidate is first. */
const char *
mr_front_reason(const MrRequest *request, const MrCandidate *candidates)
{
	const char *other = candidates[1].endpoint->model;

	if (candidates[0].front == MR_FRONT_SINGLE)
		return psprintf("best single model: the gain of %s is within its error",
						other);
	if (candidates[0].front == MR_FRONT_SURE)
		return psprintf("best as far as sure: the gain of %s over the best single model is within its error",
						other);
	if (candidates[0].front == MR_FRONT_STRONG)
		return psprintf("strong: %.3f against %s reaches the threshold %g",
						strong_score(&candidates[0], &candidates[1]), other,
						request->strong_threshold);
	return psprintf("weak: %.3f for %s is below the threshold %g",
					strong_score(&candidates[1], &candidates[0]), other,
					request->strong_threshold);
}

/* ----------
 * The best single model
 * ----------
 */

/*
 * I8: the candidate with the highest utility when of another's difference in
 * quality from the best single model only that counts which can be relied on.
 * Where the order is not by utility alone, it stands.
 */
static void
prefer_single(const MrRequest *request, const MrBasis *basis,
			  MrCandidate *candidates, int count)
{
	const MrObjective *objective = &request->objective;
	int			single;
	int			best;
	double		best_gain = 0;

	if (objective->floor || objective->quality <= 0 ||
		request->provider.sort != NULL || request->provider.order != NULL)
		return;
	best = single = find_single(objective, candidates, count);
	for (int i = 0; i < count; i++)
	{
		double		gain = sure_gain(objective, basis, &candidates[i],
									 &candidates[single]);

		if (gain > best_gain)
		{
			best_gain = gain;
			best = i;
		}
	}
	if (strcmp(candidates[best].endpoint->model,
			   candidates[0].endpoint->model) != 0)
		mr_front_move(candidates, best,
					  best == single ? MR_FRONT_SINGLE : MR_FRONT_SURE);
}

/* The best by utility if every prompt were a typical one in quality. */
static int
find_single(const MrObjective *objective, const MrCandidate *candidates,
			int count)
{
	int			single = 0;
	double		best = -HUGE_VAL;

	for (int i = 0; i < count; i++)
	{
		const MrCandidate *candidate = &candidates[i];
		double		utility = objective->quality *
			mr_known_quality(candidate->typical_quality)
			+ candidate->cost_term + candidate->latency_term;

		if (utility > best)
		{
			best = utility;
			single = i;
		}
	}
	return single;
}

/* The utility that a candidate gains over the best single model for sure. */
static double
sure_gain(const MrObjective *objective, const MrBasis *basis,
		  const MrCandidate *candidate, const MrCandidate *single)
{
	MrWorth		other = {candidate->quality, candidate->stated_stderr,
	candidate->typical_quality};
	MrWorth		base = {single->quality, single->stated_stderr,
	single->typical_quality};

	return objective->quality * mr_sure_difference(basis->margin,
												   basis->trusted, &other,
												   &base)
		+ candidate->cost_term - single->cost_term
		+ candidate->latency_term - single->latency_term;
}

/* ----------
 * A pair with a threshold, as RouteLLM has it
 * ----------
 */

/*
 * The strong model goes first when its score reaches the threshold, else the
 * weak one; the other is the first fallback.
 */
static void
prefer_pair(const MrRequest *request, MrCandidate *candidates, int count)
{
	int			strong;
	int			weak;
	bool		use_strong;

	mr_front_find_pair(request, candidates, count, &strong, &weak);
	if (strong < 0 || weak < 0)
	{
		if (strong >= 0 || weak >= 0)
			mr_front_move(candidates, Max(strong, weak), MR_FRONT_ORDER);
		return;
	}
	use_strong = strong_score(&candidates[strong], &candidates[weak]) >=
		request->strong_threshold;
	mr_front_move(candidates, use_strong ? weak : strong, MR_FRONT_ORDER);
	if (use_strong)
		mr_front_move(candidates, strong + (strong < weak), MR_FRONT_STRONG);
	else
		mr_front_move(candidates, weak + (weak < strong), MR_FRONT_WEAK);
}

/* Which two a threshold is about; -1 for one that is not there. */
void
mr_front_find_pair(const MrRequest *request, const MrCandidate *candidates,
				   int count, int *strong, int *weak)
{
	*strong = find_strong(request, candidates, count);
	*weak = find_weak(request, candidates, count, *strong);
}

/* The chance that the strong model does better, as far as qualities tell. */
static double
strong_score(const MrCandidate *strong, const MrCandidate *weak)
{
	return (1 + mr_effective_quality(strong) - mr_effective_quality(weak)) / 2;
}

/*
 * The model asked for, else the best over all prompts but for the weak one;
 * -1 = not there.
 */
static int
find_strong(const MrRequest *request, const MrCandidate *candidates,
			int count)
{
	int			found = -1;

	for (int i = 0; i < count; i++)
	{
		if (request->strong != NULL)
		{
			if (strcmp(candidates[i].endpoint->model, request->strong) == 0)
				return i;
		}
		else if (request->weak != NULL &&
				 strcmp(candidates[i].endpoint->model, request->weak) == 0)
			continue;
		else if (found < 0 ||
				 mr_known_quality(candidates[i].typical_quality) >
				 mr_known_quality(candidates[found].typical_quality))
			found = i;
	}
	return found;
}

/* The model asked for, else the cheapest other one that has a price. */
static int
find_weak(const MrRequest *request, const MrCandidate *candidates, int count,
		  int strong)
{
	int			found = -1;

	for (int i = 0; i < count; i++)
	{
		int64		cost = candidates[i].cost_picousd;

		if (request->weak != NULL)
		{
			if (strcmp(candidates[i].endpoint->model, request->weak) == 0)
				return i;
			continue;
		}
		if (strong >= 0 && strcmp(candidates[i].endpoint->model,
								  candidates[strong].endpoint->model) == 0)
			continue;
		if (found < 0 || (cost != MR_COST_UNKNOWN &&
						  (candidates[found].cost_picousd == MR_COST_UNKNOWN ||
						   cost < candidates[found].cost_picousd)))
			found = i;
	}
	return found;
}

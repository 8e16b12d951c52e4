/*
 * select.c
 *	  The order of the candidates: utility, quality floor, provider rules,
 *	  ties.
 *
 * Every term of the utility is on an absolute scale, and the order is total
 * and depends on the two candidates compared only; so adding a candidate never
 * reorders the others (but may move the quality floor of the objectives cost
 * and latency, which is relative to the best candidate).
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"

#include "router/internal.h"

/* Utilities closer than this are a tie; a grid, so that ties are transitive. */
#define UTILITY_GRID	1e6

/* Below this all utilities are one; so that the grid fits an int64. */
#define UTILITY_LEAST	-9e12

#define LATENCY_GRID	1e3		/* microseconds, where latency is the order */

/* Behind everything that has a place. */
#define BUCKET_EXCLUDED INT32_MAX

/* What a candidate is sorted by: smaller comes first. */
typedef struct SortKey
{
	int32		bucket;
	int32		index;			/* in candidates before sorting */
	int64		primary;
} SortKey;

static int	order_candidates(const MrRequest *request,
							 const MrPromptFeatures *features,
							 const MrBasis *basis, MrCandidate *candidates,
							 int ncandidates);
static void fill_utility(const MrObjective *objective,
						 MrCandidate *candidates, int ncandidates);
static double floor_quality(const MrRequest *request,
							const MrCandidate *candidates, int ncandidates);
static void fill_key(const MrRequest *request, double least,
					 const MrCandidate *candidate, SortKey *key);
static int64 primary_key(const MrRequest *request,
						 const MrCandidate *candidate);
static int32 provider_place(MrStrings order, const char *provider);
static int	compare_keys(const SortKey *a, const SortKey *b,
						 const MrCandidate *candidates);
static int	compare_ties(const MrCandidate *a, const MrCandidate *b);
static void apply_order(MrCandidate *candidates, SortKey *keys,
						int ncandidates);
static int	assign_ranks(const MrRequest *request, MrCandidate *candidates,
						 int ncandidates);
static const char *rank_reason(const MrRequest *request,
							   const MrCandidate *candidates, int place,
							   int nchosen);
static const char *order_word(const MrRequest *request);

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE SortKey
#define ST_COMPARE(a, b, candidates) compare_keys(a, b, candidates)
#define ST_COMPARE_ARG_TYPE const MrCandidate
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Predict, exclude, order.  On return the candidates that can serve come
 * first, best first, with rank 1, 2, ...; the excluded ones follow in their
 * former order with rank 0 and excluded_by.  Returns how many can serve.
 * reason is set for the first only; mr_router_explain gives the others.
 *
 * Utility is wq q - wc c - wl l - usd cost with expected quality q, cost in
 * USD, c = clamp(log10(cost / 1e-6 USD) / 6, 0, 1) and
 * l = clamp(log10(latency / 100 ms) / 3, 0, 1); an unknown price has c = 1,
 * and with usd above 0 the utility -Infinity; an unknown quality counts as
 * 0.35.  Equal utilities (to 1e-6) go to the cheaper, then the better, then
 * the faster, then by former order, which is by name.  Objectives with a floor
 * put candidates of less than quality_floor x the best expected quality behind
 * all others.  provider.order puts its providers first, in that order;
 * provider.sort replaces all of that by price, latency or throughput.
 * Before all of them go the best single model where the gain over it is
 * unsure, the choice of a pair by a threshold (both in front.c), and
 * exploration (explore.c).
 */
int
mr_router_decide(const MrRequest *request, const MrPromptFeatures *features,
				 const MrBasis *basis, MrCandidate *candidates,
				 int ncandidates)
{
	MrPrediction prediction;

	mr_prediction_init(&prediction, request, features, basis);
	mr_predict(&prediction, candidates, ncandidates);
	return order_candidates(request, features, basis, candidates,
							ncandidates);
}

/* Only the expectations. */
void
mr_router_expect(const MrRequest *request, const MrPromptFeatures *features,
				 const MrBasis *basis, MrCandidate *candidates,
				 int ncandidates)
{
	MrPrediction prediction;

	mr_prediction_init(&prediction, request, features, basis);
	mr_predict(&prediction, candidates, ncandidates);
}

/*
 * mr_router_decide for candidates that come with their expectations, from a
 * decision that is past; what the prompt was is not known.
 */
int
mr_router_reorder(const MrRequest *request, MrCandidate *candidates,
				  int ncandidates)
{
	MrPromptFeatures unknown = {0};

	return order_candidates(request, &unknown, NULL, candidates, ncandidates);
}

static int
order_candidates(const MrRequest *request, const MrPromptFeatures *features,
				 const MrBasis *basis, MrCandidate *candidates,
				 int ncandidates)
{
	SortKey    *keys = palloc(sizeof(SortKey) * Max(ncandidates, 1));
	double		least;

	fill_utility(&request->objective, candidates, ncandidates);
	for (int i = 0; i < ncandidates; i++)
		candidates[i].excluded_by = mr_limits_check(request, features,
													&candidates[i]);
	least = floor_quality(request, candidates, ncandidates);
	for (int i = 0; i < ncandidates; i++)
	{
		fill_key(request, least, &candidates[i], &keys[i]);
		keys[i].index = i;
	}
	sort_keys(keys, ncandidates, candidates);
	apply_order(candidates, keys, ncandidates);
	pfree(keys);
	mr_front_choose(request, basis, candidates, ncandidates);
	mr_explore(request, candidates, ncandidates);
	return assign_ranks(request, candidates, ncandidates);
}

/*
 * log2 of a positive, finite, normal number to 1e-9, at a third of libm's
 * price: the exponent, and 2 atanh(s) / ln 2 with s = (m - 1) / (m + 1) by its
 * series for the mantissa m in sqrt(1/2)..sqrt(2).
 */
static inline double
fast_log2(double value)
{
	union
	{
		double		number;
		uint64		bits;
	}			mantissa = {.number = value};
	uint64		bits = mantissa.bits - UINT64CONST(0x3FE6A09E667F3BCD);
	int64		exponent = (int64) bits >> 52;
	double		s;
	double		s2;

	mantissa.bits -= (uint64) exponent << 52;
	s = (mantissa.number - 1) / (mantissa.number + 1);
	s2 = s * s;
	return exponent + (2 / M_LN2) * s *
		(1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 / 9))));
}

/*
 * How many decades a ratio is above 1, as a share of decades, in 0..1.
 */
static inline double
scale_log(double ratio, double decades)
{
	return Min(fast_log2(Max(ratio, 1)) * (M_LN2 / M_LN10 / decades), 1);
}

static inline double
scale_cost(int64 cost_picousd)
{
	if (cost_picousd == MR_COST_UNKNOWN)
		return 1;
	return scale_log(cost_picousd * (1 / MR_COST_TERM_ZERO_PICOUSD),
					 MR_COST_TERM_DECADES);
}

static inline double
scale_latency(double latency_ms)
{
	return scale_log(latency_ms * (1 / MR_LATENCY_TERM_ZERO_MS),
					 MR_LATENCY_TERM_DECADES);
}

static void
fill_utility(const MrObjective *objective, MrCandidate *candidates,
			 int ncandidates)
{
	for (int i = 0; i < ncandidates; i++)
		candidates[i].cost_term = objective->cost > 0
			? 0 - objective->cost * scale_cost(candidates[i].cost_picousd) : 0;
	for (int i = 0; objective->usd > 0 && i < ncandidates; i++)
		candidates[i].cost_term -= candidates[i].cost_picousd ==
			MR_COST_UNKNOWN ? get_float8_infinity()
			: objective->usd * mr_cost_usd(candidates[i].cost_picousd);
	for (int i = 0; i < ncandidates; i++)
		candidates[i].latency_term = objective->latency > 0
			? 0 - objective->latency * scale_latency(candidates[i].latency_ms)
			: 0;
	for (int i = 0; i < ncandidates; i++)
	{
		candidates[i].quality_term =
			objective->quality * mr_effective_quality(&candidates[i]);
		candidates[i].utility = candidates[i].quality_term
			+ candidates[i].cost_term + candidates[i].latency_term;
	}
}

/*
 * The quality below which a candidate goes behind the others.
 */
static double
floor_quality(const MrRequest *request, const MrCandidate *candidates,
			  int ncandidates)
{
	double		best = 0;

	if (!request->objective.floor)
		return 0;
	for (int i = 0; i < ncandidates; i++)
		if (candidates[i].excluded_by == MR_EXCLUSION_NONE)
			best = Max(best, mr_effective_quality(&candidates[i]));
	return best * request->objective.quality_floor - 1e-9;
}

static void
fill_key(const MrRequest *request, double least, const MrCandidate *candidate,
		 SortKey *key)
{
	if (candidate->excluded_by != MR_EXCLUSION_NONE)
	{
		key->bucket = BUCKET_EXCLUDED;
		key->primary = 0;
		return;
	}
	key->bucket = 0;
	if (request->provider.sort == NULL)
	{
		if (request->provider.order != NULL)
			key->bucket = 2 * provider_place(request->provider.order,
											 candidate->endpoint->provider);
		if (mr_effective_quality(candidate) < least)
			key->bucket++;
	}
	key->primary = primary_key(request, candidate);
}

static int64
primary_key(const MrRequest *request, const MrCandidate *candidate)
{
	const char *sort = request->provider.sort;

	if (sort == NULL)
		return -(int64) floor(Max(candidate->utility, UTILITY_LEAST) *
							  UTILITY_GRID + 0.5);
	if (strcmp(sort, "latency") == 0)
		return (int64) (candidate->latency_ms * LATENCY_GRID);
	if (strcmp(sort, "throughput") == 0)
		return (int64) (mr_predict_ms_per_token(candidate) * LATENCY_GRID);
	return candidate->cost_picousd == MR_COST_UNKNOWN
		? PG_INT64_MAX : candidate->cost_picousd;
}

/*
 * The place of a provider in a list; behind it when it is not listed.
 */
static int32
provider_place(MrStrings order, const char *provider)
{
	int32		place = 0;

	while (order[place] != NULL && strcmp(order[place], provider) != 0)
		place++;
	return place;
}

static inline int
compare_keys(const SortKey *a, const SortKey *b,
			 const MrCandidate *candidates)
{
	int			order = 0;

	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	if (a->primary != b->primary)
		return a->primary < b->primary ? -1 : 1;
	if (a->bucket != BUCKET_EXCLUDED)
		order = compare_ties(&candidates[a->index], &candidates[b->index]);
	return order != 0 ? order : a->index - b->index;
}

/*
 * Cheaper (an unknown cost last), then better, then faster.
 */
static int
compare_ties(const MrCandidate *a, const MrCandidate *b)
{
	double		quality_a = mr_effective_quality(a);
	double		quality_b = mr_effective_quality(b);

	if (a->cost_picousd != b->cost_picousd)
	{
		if (a->cost_picousd == MR_COST_UNKNOWN)
			return 1;
		if (b->cost_picousd == MR_COST_UNKNOWN)
			return -1;
		return a->cost_picousd < b->cost_picousd ? -1 : 1;
	}
	if (quality_a != quality_b)
		return quality_a > quality_b ? -1 : 1;
	if (a->latency_ms != b->latency_ms)
		return a->latency_ms < b->latency_ms ? -1 : 1;
	return 0;
}

/*
 * Permute the candidates in place as the sorted keys say, cycle by cycle; a
 * key that has been followed points to itself.
 */
static void
apply_order(MrCandidate *candidates, SortKey *keys, int ncandidates)
{
	for (int start = 0; start < ncandidates; start++)
	{
		MrCandidate saved;
		int			hole = start;

		if (keys[start].index == start)
			continue;
		saved = candidates[start];
		while (keys[hole].index != start)
		{
			int			from = keys[hole].index;

			candidates[hole] = candidates[from];
			keys[hole].index = hole;
			hole = from;
		}
		candidates[hole] = saved;
		keys[hole].index = hole;
	}
}

static int
assign_ranks(const MrRequest *request, MrCandidate *candidates,
			 int ncandidates)
{
	int			nchosen = 0;

	for (int i = 0; i < ncandidates; i++)
	{
		MrCandidate *candidate = &candidates[i];

		if (nchosen == 1 && request->provider.no_fallbacks &&
			candidate->excluded_by == MR_EXCLUSION_NONE)
			candidate->excluded_by = MR_EXCLUSION_FALLBACK;
		candidate->reason = NULL;
		candidate->excluded_detail = NULL;
		candidate->rank = 0;
		if (candidate->excluded_by == MR_EXCLUSION_NONE)
			candidate->rank = ++nchosen;
	}
	if (nchosen > 0)
		candidates[0].reason = rank_reason(request, candidates, 0, nchosen);
	return nchosen;
}

/*
 * Fill reason of every candidate with a rank and excluded_detail of the
 * others, in CurrentMemoryContext, after mr_router_decide.
 */
void
mr_router_explain(const MrRequest *request, const MrPromptFeatures *features,
				  MrCandidate *candidates, int ncandidates)
{
	int			nchosen = 0;

	while (nchosen < ncandidates && candidates[nchosen].rank > 0)
		nchosen++;
	for (int i = 0; i < nchosen; i++)
		candidates[i].reason = rank_reason(request, candidates, i, nchosen);
	for (int i = nchosen; i < ncandidates; i++)
		candidates[i].excluded_detail =
			mr_limits_detail(request, features, &candidates[i]);
}

static const char *
rank_reason(const MrRequest *request, const MrCandidate *candidates,
			int place, int nchosen)
{
	const MrCandidate *candidate = &candidates[place];
	const char *word = order_word(request);

	if (candidate->front == MR_FRONT_EXPLORED)
		return psprintf("explored: drawn by chance, not by %s", word);
	if (place == 0 && candidate->front != MR_FRONT_ORDER)
		return mr_front_reason(request, candidates);
	if (request->provider.sort == NULL && request->provider.order != NULL)
	{
		int32		listed = provider_place(request->provider.order,
											candidate->endpoint->provider);

		if (request->provider.order[listed] != NULL)
			return psprintf("provider.order %d, then %s", listed + 1, word);
	}
	if (request->objective.floor && request->provider.sort == NULL &&
		mr_effective_quality(candidate) <
		floor_quality(request, candidates, nchosen))
		return "below the quality floor";
	if (nchosen == 1)
		return "the only candidate";
	if (place == 0)
		return psprintf("best of %d by %s", nchosen, word);
	return psprintf("fallback %d by %s", place, word);
}

static const char *
order_word(const MrRequest *request)
{
	if (request->provider.sort != NULL)
		return request->provider.sort;
	return strchr(request->objective.name, '=') != NULL
		? "weighted utility" : request->objective.name;
}

/*
 * operating.c
 *	  Finding the operating point of a router that meets a target.
 *
 * A setting is written with as few digits as do, and measured as written: who
 * uses it gets what was measured.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "router/internal.h"
#include "router/operating.h"
#include "router/policy.h"

/* Decimals of a threshold: as few as keep it between two scores. */
#define LEAST_DECIMALS	4
#define MOST_DECIMALS	17

/* Weights usd that are tried: their range, and how close it is searched. */
#define LEAST_USD		1e-3
#define USD_ROUNDS		30
#define USD_STEPS		200		/* of a scan */

/* A prompt by how much the strong model is expected to be better. */
typedef struct Place
{
	double		strong_score;
	double		gain;			/* score of strong less that of weak */
} Place;

/* Prompts in the order in which they are sent to the strong model. */
typedef struct Ranking
{
	int			count;
	Place	   *places;
	double		weak_score;		/* mean */
} Ranking;

/* Mean of what the choices at a weight cost and score. */
typedef struct Yield
{
	double		usd;
	double		score;
} Yield;

static void rank_prompts(const MrOutcomes *outcomes, int strong, int weak,
						 Ranking *ranking);
static int	compare_places(const void *a, const void *b);
static bool can_cut(const Ranking *ranking, int strong_calls);
static void write_threshold(const Ranking *ranking, int strong_calls,
							MrOperatingPoint *point);
static void search_usd(const MrPolicyBasis *basis, double usd,
					   MrOperatingPoint *point);
static void write_usd(double weight, MrOperatingPoint *point);
static void trim_zeros(char *number);
static Yield measure(const MrPolicyBasis *basis, double weight);

/* ----------
 * The threshold of a pair
 * ----------
 */

/*
 * The share that is nearest; not found when that is more than the tolerance,
 * or than half a prompt, away.
 */
void
mr_operating_share(const MrOutcomes *outcomes, int strong, int weak,
				   double share, MrOperatingPoint *point)
{
	Ranking		ranking;
	double		wanted = share * outcomes->nprompts;
	double		tolerance = Max(MR_SHARE_TOLERANCE * outcomes->nprompts, 0.5);
	int			below = -1;
	int			above = -1;
	int			nearest;

	rank_prompts(outcomes, strong, weak, &ranking);
	for (int calls = 0; calls <= ranking.count; calls++)
	{
		if (!can_cut(&ranking, calls))
			continue;
		if (calls <= wanted)
			below = calls;
		else if (above < 0)
			above = calls;
	}
	nearest = below < 0 || (above >= 0 && above - wanted < wanted - below) ?
		above : below;
	point->found = fabs(nearest - wanted) <= tolerance + 1e-9;
	point->least = (double) (below < 0 ? above : below) / ranking.count;
	point->most = (double) (above < 0 ? below : above) / ranking.count;
	point->reached = (double) nearest / ranking.count;
	write_threshold(&ranking, nearest, point);
	pfree(ranking.places);
}

void
mr_operating_pair_quality(const MrOutcomes *outcomes, int strong, int weak,
						  double score, MrOperatingPoint *point)
{
	Ranking		ranking;
	double		sum = 0;

	rank_prompts(outcomes, strong, weak, &ranking);
	point->found = false;
	point->least = HUGE_VAL;
	point->most = -HUGE_VAL;
	for (int calls = 0; calls <= ranking.count && !point->found; calls++)
	{
		if (calls > 0)
			sum += ranking.places[calls - 1].gain;
		if (!can_cut(&ranking, calls))
			continue;
		point->reached = ranking.weak_score + sum / ranking.count;
		point->least = Min(point->least, point->reached);
		point->most = Max(point->most, point->reached);
		point->found = point->reached >= score - 1e-9;
		if (point->found)
			write_threshold(&ranking, calls, point);
	}
	pfree(ranking.places);
}

static void
rank_prompts(const MrOutcomes *outcomes, int strong, int weak,
			 Ranking *ranking)
{
	ranking->count = outcomes->nprompts;
	ranking->places = palloc_extended(sizeof(Place) * outcomes->nprompts,
									  MCXT_ALLOC_HUGE);
	ranking->weak_score = 0;
	for (int i = 0; i < outcomes->nprompts; i++)
	{
		size_t		cell = mr_outcomes_cell(outcomes, i, 0);
		const double *quality = outcomes->quality + cell;
		const double *score = outcomes->score + cell;

		ranking->places[i].strong_score =
			(1 + mr_known_quality(quality[strong]) -
			 mr_known_quality(quality[weak])) / 2;
		ranking->places[i].gain = score[strong] - score[weak];
		ranking->weak_score += score[weak] / outcomes->nprompts;
	}
	qsort(ranking->places, ranking->count, sizeof(Place), compare_places);
}

/* The highest first. */
static int
compare_places(const void *a, const void *b)
{
	double		left = ((const Place *) a)->strong_score;
	double		right = ((const Place *) b)->strong_score;

	return left > right ? -1 : left < right;
}

/* Whether a threshold in 0..1 sends that many to the strong model. */
static bool
can_cut(const Ranking *ranking, int strong_calls)
{
	if (strong_calls == 0)
		return ranking->places[0].strong_score < 1;
	return strong_calls == ranking->count ||
		ranking->places[strong_calls].strong_score <
		ranking->places[strong_calls - 1].strong_score;
}

/*
 * About half-way between the last that goes to the strong model and the next.
 */
static void
write_threshold(const Ranking *ranking, int strong_calls,
				MrOperatingPoint *point)
{
	double		upper = strong_calls == 0 ? 1 :
		ranking->places[strong_calls - 1].strong_score;
	double		lower = strong_calls == ranking->count ? 0 :
		ranking->places[strong_calls].strong_score;

	if (strong_calls == ranking->count)
		upper = 0;
	for (int decimals = LEAST_DECIMALS; decimals <= MOST_DECIMALS; decimals++)
	{
		snprintf(point->setting, sizeof(point->setting), "%.*f", decimals,
				 strong_calls == 0 && lower < 1 ? lower + (1 - lower) / 2 :
				 (lower + upper) / 2);
		trim_zeros(point->setting);
		point->value = strtod(point->setting, NULL);
		if ((point->value > lower && point->value <= upper) || upper == 0)
			return;
	}
	snprintf(point->setting, sizeof(point->setting), "%.17g", upper);
	point->value = upper;
}

/* ----------
 * What a dollar must bring
 * ----------
 */

/*
 * The least weight, so the most quality, at which the expected cost of a
 * prompt is no more than usd.  Every expected cost must be known; the weight
 * is not 0, at which models of unknown cost might be chosen.
 */
void
mr_operating_cost(const MrOutcomes *outcomes, double usd,
				  MrOperatingPoint *point)
{
	MrPolicyBasis *basis = mr_policy_basis(outcomes);

	write_usd(LEAST_USD, point);
	point->most = measure(basis, point->value).usd;
	point->least = measure(basis, MR_USD_WEIGHT_MAX).usd;
	point->found = true;
	point->reached = point->most;
	if (point->reached <= usd)
		return;
	if (point->least <= usd)
		search_usd(basis, usd, point);
	else
		point->found = false;
}

/* By halves on a scale of ratios; cost falls as the weight grows. */
static void
search_usd(const MrPolicyBasis *basis, double usd, MrOperatingPoint *point)
{
	double		low = log(LEAST_USD);
	double		high = log(MR_USD_WEIGHT_MAX);

	for (int round = 0; round < USD_ROUNDS; round++)
	{
		double		middle = (low + high) / 2;

		write_usd(exp(middle), point);
		if (measure(basis, point->value).usd <= usd)
			high = middle;
		else
			low = middle;
	}
	write_usd(exp(high), point);
	point->reached = measure(basis, point->value).usd;
	point->found = point->reached <= usd;
}

/*
 * The weight that reaches the score at the lowest cost; false when costs are
 * not known.
 */
bool
mr_operating_quality(const MrOutcomes *outcomes, double score,
					 MrOperatingPoint *point)
{
	MrPolicyBasis *basis = mr_policy_basis(outcomes);
	MrOperatingPoint tried;
	double		first = 1;
	double		last = 1;
	double		least_usd = HUGE_VAL;

	if (basis->expected_usd == NULL)
		return false;
	if (!mr_policy_price_range(basis, &first, &last) || last < first)
		last = first;
	point->found = false;
	point->least = HUGE_VAL;
	point->most = -HUGE_VAL;
	for (int k = -1; k <= USD_STEPS; k++)
	{
		Yield		yield;

		write_usd(k < 0 ? 0 : first * pow(last / first, (double) k /
										  USD_STEPS), &tried);
		yield = measure(basis, tried.value);
		point->least = Min(point->least, yield.score);
		point->most = Max(point->most, yield.score);
		if (yield.score < score - 1e-9 || yield.usd >= least_usd)
			continue;
		least_usd = yield.usd;
		point->found = true;
		strlcpy(point->setting, tried.setting, sizeof(point->setting));
		point->value = tried.value;
		point->reached = yield.score;
	}
	return true;
}

/* Rounded up, to six digits. */
static void
write_usd(double weight, MrOperatingPoint *point)
{
	int			decimals = weight > 0 ? 5 - (int) floor(log10(weight)) : 0;
	double		unit = pow(10, -decimals);

	weight = Min(Max(ceil(weight / unit - 1e-6), 0) * unit,
				 MR_USD_WEIGHT_MAX);
	snprintf(point->setting, sizeof(point->setting), "%.*f",
			 Max(decimals, 0), weight);
	trim_zeros(point->setting);
	point->value = strtod(point->setting, NULL);
}

static void
trim_zeros(char *number)
{
	size_t		length = strlen(number);

	if (strchr(number, '.') == NULL)
		return;
	while (number[length - 1] == '0')
		length--;
	if (number[length - 1] == '.')
		length--;
	number[length] = '\0';
}

static Yield
measure(const MrPolicyBasis *basis, double weight)
{
	const MrOutcomes *outcomes = basis->outcomes;
	Yield		yield = {0, 0};

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < outcomes->nprompts; i++)
	{
		size_t		cell = mr_outcomes_cell(outcomes, i, 0) +
			mr_policy_choose(basis, i, weight);

		yield.usd += basis->cost_usd[cell];
		yield.score += outcomes->score[cell];
	}
	yield.usd /= outcomes->nprompts;
	yield.score /= outcomes->nprompts;
	return yield;
}

int
mr_operating_best_single(const MrOutcomes *outcomes, double *score)
{
	MrPolicyBasis *basis = mr_policy_basis(outcomes);

	*score = basis->model_score[basis->best_single];
	return basis->best_single;
}

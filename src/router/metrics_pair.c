/*
 * metrics_pair.c
 *	  APGR and CPT of a router that sends each prompt to a weak or to a strong
 *	  model.
 *
 * The curve has the share of strong calls as x and the mean score as y.  APGR
 * (average performance gap recovered) is the area between curve and weak
 * model, as a share of the whole gap; CPT (call performance threshold) is the
 * strong share, in %, at which that % of the gap is recovered.
 *
 * Prompts may count more than once or not at all, so that a resampling costs
 * one pass over the sorted prompts.
 */
#include "postgres.h"

#include <math.h>

#include "router/metrics.h"

/* What still counts as reaching a quality. */
#define REACHED		1e-12

/* A prompt while it is being sorted. */
typedef struct SortedPrompt
{
	double		router;
	int			prompt;
} SortedPrompt;

/* Walks the prompts from the lowest router score on. */
typedef struct PairWalk
{
	const MrPairOrder *order;
	const int  *counts;			/* by prompt; NULL = each once */
	int64		total;			/* prompts, each as often as it counts */
	double		strong_sum;		/* over all prompts */
} PairWalk;

static int	compare_prompts(const SortedPrompt *a, const SortedPrompt *b);
static void start_walk(PairWalk *walk, MrPairMetrics *metrics);
static void fill_binned(const PairWalk *walk, int bins,
						MrPairMetrics *metrics);
static void fill_edges(const PairWalk *walk, int bins, double *edges);
static void fill_bin_curve(const PairWalk *walk, int bins,
						   const double *edges, MrPoint *curve);
static void fill_exact(const PairWalk *walk, MrPairMetrics *metrics);
static int	fill_exact_curve(const PairWalk *walk, double weak,
							 MrPoint *curve);
static double recovered(const MrPoint *curve, int n,
						const MrPairMetrics *metrics);
static double share_at(const MrPoint *curve, int n, double quality);
static double first_share_at(const MrPoint *curve, int n, double quality);

#define ST_SORT sort_prompts
#define ST_ELEMENT_TYPE SortedPrompt
#define ST_COMPARE(a, b) compare_prompts(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * The prompts by router score, in the current memory context.  The scores
 * must be finite.
 */
MrPairOrder *
mr_metrics_order_pair(const double *router, const double *weak,
					  const double *strong, int n)
{
	MrPairOrder *order = palloc(sizeof(MrPairOrder));
	SortedPrompt *sorted = palloc(sizeof(SortedPrompt) * Max(n, 1));

	order->n = n;
	order->prompt = palloc(sizeof(int) * Max(n, 1));
	order->router = palloc(sizeof(double) * Max(n, 1));
	order->weak = palloc(sizeof(double) * Max(n, 1));
	order->strong = palloc(sizeof(double) * Max(n, 1));
	for (int i = 0; i < n; i++)
		sorted[i] = (SortedPrompt)
	{
		router[i], i
	};
	sort_prompts(sorted, n);
	for (int i = 0; i < n; i++)
	{
		order->prompt[i] = sorted[i].prompt;
		order->router[i] = sorted[i].router;
		order->weak[i] = weak[sorted[i].prompt];
		order->strong[i] = strong[sorted[i].prompt];
	}
	pfree(sorted);
	return order;
}

static inline int
compare_prompts(const SortedPrompt *a, const SortedPrompt *b)
{
	if (a->router != b->router)
		return a->router < b->router ? -1 : 1;
	return a->prompt - b->prompt;
}

/*
 * All metrics of a pair.  counts[prompt] says how often a prompt counts; NULL
 * is each once.  bins is MR_METRICS_BINS for RouteLLM's numbers.
 */
void
mr_metrics_pair(const MrPairOrder *order, const int *counts, int bins,
				MrPairMetrics *metrics)
{
	PairWalk	walk = {.order = order, .counts = counts};

	*metrics = (MrPairMetrics)
	{
		NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
			NAN, NAN, NAN, NAN, NAN, NAN
	};
	start_walk(&walk, metrics);
	if (walk.total == 0)
		return;
	fill_binned(&walk, bins, metrics);
	fill_exact(&walk, metrics);
}

static inline int
count_of(const PairWalk *walk, int place)
{
	return walk->counts == NULL ? 1 : walk->counts[walk->order->prompt[place]];
}

static void
start_walk(PairWalk *walk, MrPairMetrics *metrics)
{
	double		weak_sum = 0;

	for (int i = 0; i < walk->order->n; i++)
	{
		int			count = count_of(walk, i);

		walk->total += count;
		weak_sum += count * walk->order->weak[i];
		walk->strong_sum += count * walk->order->strong[i];
	}
	if (walk->total == 0)
		return;
	metrics->weak = weak_sum / walk->total;
	metrics->strong = walk->strong_sum / walk->total;
}

/* ----------
 * As RouteLLM: thresholds at quantiles of the router's score
 * ----------
 */

static void
fill_binned(const PairWalk *walk, int bins, MrPairMetrics *metrics)
{
	double	   *edges = palloc(sizeof(double) * (bins + 1));
	MrPoint    *curve = palloc(sizeof(MrPoint) * (bins + 1));
	double		gap = metrics->strong - metrics->weak;

	fill_edges(walk, bins, edges);
	fill_bin_curve(walk, bins, edges, curve);
	metrics->apgr = recovered(curve, bins + 1, metrics);
	metrics->cpt20 = 100 * share_at(curve, bins + 1, metrics->weak + .2 * gap);
	metrics->cpt50 = 100 * share_at(curve, bins + 1, metrics->weak + .5 * gap);
	metrics->cpt80 = 100 * share_at(curve, bins + 1, metrics->weak + .8 * gap);
	pfree(curve);
	pfree(edges);
}

/*
 * The quantiles 0, 1/bins, ..., 1 with linear interpolation, as numpy's.
 */
static void
fill_edges(const PairWalk *walk, int bins, double *edges)
{
	const double *router = walk->order->router;
	int64		seen = 0;		/* prompts up to and with place */
	int			place = -1;

	for (int k = 0; k <= bins; k++)
	{
		double		at = (walk->total - 1) * ((double) k / bins);
		int64		below = (int64) floor(at);
		int			next;

		while (seen <= below)
			seen += count_of(walk, ++place);
		edges[k] = router[place];
		if (seen > below + 1 || below + 1 >= walk->total)
			continue;
		next = place + 1;
		while (count_of(walk, next) == 0)
			next++;
		edges[k] += (at - below) * (router[next] - router[place]);
	}
}

/*
 * A score at the threshold goes to the strong model, but for the last one.
 */
static void
fill_bin_curve(const PairWalk *walk, int bins, const double *edges,
			   MrPoint *curve)
{
	const MrPairOrder *order = walk->order;
	int64		weak_count = 0;
	double		weak_sum = 0;
	double		strong_sum = walk->strong_sum;
	int			place = 0;

	for (int k = 0; k <= bins; k++)
	{
		while (place < order->n && (order->router[place] < edges[k] ||
									(k == bins &&
									 order->router[place] == edges[k])))
		{
			int			count = count_of(walk, place);

			weak_count += count;
			weak_sum += count * order->weak[place];
			strong_sum -= count * order->strong[place];
			place++;
		}
		if (weak_count == walk->total)
			strong_sum = 0;
		curve[bins - k].x = (double) (walk->total - weak_count) / walk->total;
		curve[bins - k].y = (weak_sum + strong_sum) / walk->total;
	}
}

/* ----------
 * Exact: every cut-off
 * ----------
 */

static void
fill_exact(const PairWalk *walk, MrPairMetrics *metrics)
{
	MrPoint    *curve = palloc(sizeof(MrPoint) * (walk->order->n + 1));
	int			n = fill_exact_curve(walk, metrics->weak, curve);
	double		gap = metrics->strong - metrics->weak;
	int			peak = 0;

	metrics->apgr_exact = recovered(curve, n, metrics);
	metrics->cpt20_exact =
		100 * first_share_at(curve, n, metrics->weak + .2 * gap);
	metrics->cpt50_exact =
		100 * first_share_at(curve, n, metrics->weak + .5 * gap);
	metrics->cpt80_exact =
		100 * first_share_at(curve, n, metrics->weak + .8 * gap);
	metrics->share_at_parity = 100 * first_share_at(curve, n, metrics->strong);
	metrics->share_at_95 =
		100 * first_share_at(curve, n, .95 * metrics->strong);
	for (int i = 1; i < n; i++)
		if (curve[i].y > curve[peak].y)
			peak = i;
	metrics->peak_quality = curve[peak].y;
	metrics->peak_share = 100 * curve[peak].x;
	pfree(curve);
}

/*
 * The curve from the highest router score on.  Prompts of equal score are one
 * straight piece: each contributes their mean gain.  Returns the points.
 */
static int
fill_exact_curve(const PairWalk *walk, double weak, MrPoint *curve)
{
	const MrPairOrder *order = walk->order;
	int64		strong_count = 0;
	double		gain = 0;
	int			n = 0;

	curve[n++] = (MrPoint)
	{
		0, weak
	};
	for (int i = order->n - 1; i >= 0; i--)
	{
		int			count = count_of(walk, i);

		strong_count += count;
		gain += count * (order->strong[i] - order->weak[i]);
		if (i > 0 && order->router[i - 1] == order->router[i])
			continue;
		curve[n++] = (MrPoint)
		{
			(double) strong_count / walk->total,
				weak + gain / walk->total
		};
	}
	return n;
}

/* ----------
 * Of any curve
 * ----------
 */

/*
 * The area over the weak model as a share of the gap.
 */
static double
recovered(const MrPoint *curve, int n, const MrPairMetrics *metrics)
{
	double		span = curve[n - 1].x - curve[0].x;
	double		gap = metrics->strong - metrics->weak;
	double		area = 0;

	if (gap * span == 0)
		return NAN;
	for (int i = 1; i < n; i++)
		area += (curve[i].x - curve[i - 1].x) *
			(curve[i].y + curve[i - 1].y) / 2;
	return (area - metrics->weak * span) / (gap * span);
}

/*
 * The share at a quality, as numpy.interp finds it: by binary search, even
 * where the curve falls.
 */
static double
share_at(const MrPoint *curve, int n, double quality)
{
	int			low = 0;
	int			high = n;
	const MrPoint *at;

	if (quality > curve[n - 1].y)
		return curve[n - 1].x;
	if (quality < curve[0].y)
		return curve[0].x;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (quality >= curve[middle].y)
			low = middle + 1;
		else
			high = middle;
	}
	if (low >= n)
		return curve[n - 1].x;
	at = &curve[low - 1];
	if (at[1].y == at[0].y)
		return at[0].x;
	return at[0].x + (at[1].x - at[0].x) * (quality - at[0].y) /
		(at[1].y - at[0].y);
}

/*
 * The least share at which the curve reaches a quality; NaN if it never does.
 */
static double
first_share_at(const MrPoint *curve, int n, double quality)
{
	for (int i = 0; i + 1 < n; i++)
	{
		const MrPoint *at = &curve[i];

		if (at[0].y >= quality - REACHED)
			return at[0].x;
		if (at[1].y >= quality - REACHED)
			return at[0].x + (quality - at[0].y) / (at[1].y - at[0].y) *
				(at[1].x - at[0].x);
	}
	return NAN;
}

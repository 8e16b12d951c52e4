/*
 * metrics.c
 *	  AIQ, cost saved and the oracle: metrics of policies that each have a mean
 *	  cost and a mean quality.
 *
 * AIQ (average improvement in quality, RouterBench) is the mean height of the
 * non-decreasing convex hull of the operating points between the mean costs
 * of the cheapest and of the dearest model.  Left of its cheapest point and
 * right of its dearest the hull is level.
 */
#include "postgres.h"

#include <math.h>

#include "router/metrics.h"

/* What still counts as reaching a quality. */
#define REACHED		1e-12

static int	compare_points(const MrPoint *a, const MrPoint *b);
static bool is_under(const MrPoint *last, const MrPoint *point);
static void fill_saved(const MrManyPoints *points, MrManyMetrics *metrics);
static double saved_at(const MrPoint *points, int n, const MrPoint *best,
					   double percent);
static double interpolate_y(const MrPoint *points, int n, double x);

#define ST_SORT sort_points
#define ST_ELEMENT_TYPE MrPoint
#define ST_COMPARE(a, b) compare_points(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * All metrics of many models.
 */
void
mr_metrics_many(const MrManyPoints *points, MrManyMetrics *metrics)
{
	int			nall = points->nrouter + points->nsingle;
	MrPoint    *all = palloc(sizeof(MrPoint) * nall);
	double		least = points->single[0].x;
	double		most = points->single[0].x;
	double		sum = 0;

	for (int i = 0; i < points->nsingle; i++)
	{
		least = Min(least, points->single[i].x);
		most = Max(most, points->single[i].x);
		sum += points->single[i].y;
		all[i] = points->single[i];
	}
	memcpy(all + points->nsingle, points->router,
		   sizeof(MrPoint) * points->nrouter);

	metrics->aiq = mr_metrics_aiq(points->router, points->nrouter, least, most);
	metrics->aiq_single = mr_metrics_aiq(points->single, points->nsingle,
										 least, most);
	metrics->aiq_with_single = mr_metrics_aiq(all, nall, least, most);
	metrics->aiq_random = most > least ? sum / points->nsingle : NAN;
	metrics->aiq_oracle = mr_metrics_aiq(points->oracle, points->noracle,
										 least, most);
	metrics->aiq_gap_closed = mr_metrics_gap_closed(metrics->aiq,
													metrics->aiq_single,
													metrics->aiq_oracle);
	fill_saved(points, metrics);
	pfree(all);
}

static void
fill_saved(const MrManyPoints *points, MrManyMetrics *metrics)
{
	const MrPoint *best = &points->single[points->best];
	const MrPoint *router = points->router;
	const MrPoint *single = points->single;

	metrics->saved_at_95 = saved_at(router, points->nrouter, best, 95);
	metrics->saved_at_99 = saved_at(router, points->nrouter, best, 99);
	metrics->saved_at_100 = saved_at(router, points->nrouter, best, 100);
	metrics->single_saved_at_95 = saved_at(single, points->nsingle, best, 95);
	metrics->single_saved_at_99 = saved_at(single, points->nsingle, best, 99);
	metrics->single_saved_at_100 =
		saved_at(single, points->nsingle, best, 100);
}

/*
 * How much of the best model's cost is saved at a percentage of its quality.
 */
static double
saved_at(const MrPoint *points, int n, const MrPoint *best, double percent)
{
	if (best->x <= 0)
		return NAN;
	return 100 * (1 - mr_metrics_cost_at(points, n, percent / 100 * best->y) /
				  best->x);
}

/*
 * 0 = as good as the best single model, 1 = as the oracle.
 */
double
mr_metrics_gap_closed(double quality, double best, double oracle)
{
	return oracle == best ? NAN : (quality - best) / (oracle - best);
}

/*
 * A quantile of ascending numbers with linear interpolation, as numpy's.
 */
double
mr_metrics_quantile(const double *sorted, int n, double quantile)
{
	double		at = (n - 1) * quantile;
	int			below = (int) floor(at);

	if (n == 0)
		return NAN;
	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

/* ----------
 * The hull
 * ----------
 */

/*
 * The upper hull of the points, concave and rising, from the cheapest point
 * on.  hull has room for n points; returns how many there are.
 */
int
mr_metrics_hull(const MrPoint *points, int n, MrPoint *hull)
{
	MrPoint    *sorted = palloc(sizeof(MrPoint) * Max(n, 1));
	int			nhull = 0;
	int			nrising = 0;

	memcpy(sorted, points, sizeof(MrPoint) * n);
	sort_points(sorted, n);
	for (int i = 0; i < n; i++)
	{
		if (i > 0 && compare_points(&sorted[i - 1], &sorted[i]) == 0)
			continue;
		while (nhull >= 2 && is_under(&hull[nhull - 1], &sorted[i]))
			nhull--;
		hull[nhull++] = sorted[i];
	}
	for (int i = 0; i < nhull; i++)
		if (nrising == 0 || hull[i].y > hull[nrising - 1].y)
			hull[nrising++] = hull[i];
	pfree(sorted);
	return nrising;
}

static inline int
compare_points(const MrPoint *a, const MrPoint *b)
{
	if (a->x != b->x)
		return a->x < b->x ? -1 : 1;
	if (a->y != b->y)
		return a->y < b->y ? -1 : 1;
	return 0;
}

/*
 * Is the last point of a hull not above the line from the one before it to a
 * new point?
 */
static bool
is_under(const MrPoint *last, const MrPoint *point)
{
	const MrPoint *before = last - 1;

	return (last->y - before->y) * (point->x - before->x) <=
		(point->y - before->y) * (last->x - before->x);
}

/*
 * The mean height of the hull from least_cost to most_cost; NaN when that is
 * no range, or there are no points.
 */
double
mr_metrics_aiq(const MrPoint *points, int n, double least_cost,
			   double most_cost)
{
	MrPoint    *hull;
	MrPoint		from;
	MrPoint		to;
	double		area = 0;

	if (n == 0 || !(most_cost > least_cost))
		return NAN;
	hull = palloc(sizeof(MrPoint) * n);
	n = mr_metrics_hull(points, n, hull);
	from = (MrPoint)
	{
		least_cost, interpolate_y(hull, n, least_cost)
	};
	for (int i = 0; i <= n; i++)
	{
		if (i < n && (hull[i].x <= least_cost || hull[i].x >= most_cost))
			continue;
		to.x = i < n ? hull[i].x : most_cost;
		to.y = interpolate_y(hull, n, to.x);
		area += (to.x - from.x) * (from.y + to.y) / 2;
		from = to;
	}
	pfree(hull);
	return area / (most_cost - least_cost);
}

/*
 * The height of a hull, level beyond its ends.  Of several points with the
 * same cost the last counts.
 */
static double
interpolate_y(const MrPoint *points, int n, double x)
{
	int			low = 0;
	int			high = n;
	const MrPoint *at;

	if (x < points[0].x)
		return points[0].y;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (x >= points[middle].x)
			low = middle + 1;
		else
			high = middle;
	}
	if (low >= n)
		return points[n - 1].y;
	at = &points[low - 1];
	return at[0].y + (at[1].y - at[0].y) * (x - at[0].x) / (at[1].x - at[0].x);
}

/*
 * What a quality costs on the hull; NaN where the hull never reaches it.
 */
double
mr_metrics_cost_at(const MrPoint *points, int n, double quality)
{
	MrPoint    *hull = palloc(sizeof(MrPoint) * Max(n, 1));
	double		cost = NAN;

	n = mr_metrics_hull(points, n, hull);
	if (n > 0 && quality <= hull[0].y)
		cost = hull[0].x;
	else if (n > 0 && quality <= hull[n - 1].y + REACHED)
	{
		int			i = 1;

		while (i < n && hull[i].y <= quality)
			i++;
		cost = i == n ? hull[n - 1].x : hull[i - 1].x +
			(hull[i].x - hull[i - 1].x) * (quality - hull[i - 1].y) /
			(hull[i].y - hull[i - 1].y);
	}
	pfree(hull);
	return cost;
}

/* ----------
 * The oracle
 * ----------
 */

/*
 * How much cost counts at one of the oracle's operating points, in quality
 * per mean cost of the dearest model: 0, then 1e-4 to 1e4.
 */
double
mr_metrics_oracle_weight(int point)
{
	return point == 0 ? 0 : pow(10, -4 + 8 * (point - 1) / 60.0);
}

/*
 * The model that the oracle picks for a prompt, given what each scores and
 * costs: the best score less weight x cost / most_cost.  At weight 0 equal
 * scores go to the cheaper.  cost may be NULL.
 */
int
mr_metrics_oracle_pick(const double *score, const double *cost, int nmodels,
					   double weight, double most_cost)
{
	bool		by_cost = cost != NULL && weight == 0;
	int			pick = 0;
	double		best = -INFINITY;

	for (int m = 0; m < nmodels; m++)
	{
		double		utility = score[m];

		if (cost != NULL && weight != 0)
			utility -= weight * cost[m] / most_cost;
		if (utility > best ||
			(utility == best && by_cost && cost[m] < cost[pick]))
		{
			pick = m;
			best = utility;
		}
	}
	return pick;
}

/*
 * policy.c
 *	  What each policy of an evaluation picks for each prompt: the router over
 *	  a sweep of operating points, and what it must beat.
 *
 * Of two models the router picks the strong one where
 * (1 + expected quality of strong - that of weak) / 2 reaches a threshold; the
 * sweep takes the thresholds at which 100, 95, ..., 0 % of the prompts do.  Of
 * more models it picks the highest expected quality - lambda x expected cost;
 * the sweep goes from the lambda at which the first prompts leave their best
 * model to the one at which all but the last have come to their cheapest.
 * Where the router has a guard, that choice stands only when it exceeds the
 * best single model, by the router's own means, by more than the margin: as in
 * front.c.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "router/internal.h"
#include "router/metrics.h"
#include "router/policy.h"

/* The share of prompts that the sweep leaves beyond each end. */
#define SWEEP_TAIL		0.01

/* A model that may be chosen for a prompt instead of the best single one. */
typedef struct MrChoice
{
	int			prompt;
	int			model;
	int			single;
} MrChoice;

static void fill_model_means(MrPolicyBasis *basis);
static void fill_costs(MrPolicyBasis *basis);
static void fill_expected_costs(MrPolicyBasis *basis);
static double *known_means(const MrOutcomes *outcomes, const double *cells);
static double *complete_cells(const MrOutcomes *outcomes, const double *cells,
							  const double *means);
static void fill_pair(MrPolicyBasis *basis);
static int	sweep_pair(const MrPolicyBasis *basis, MrEvaluationRow *rows);
static int	sweep_prices(const MrPolicyBasis *basis, MrEvaluationRow *rows);
static void turning_points_of(const MrPolicyBasis *basis, int prompt,
							  double *first, double *last);
static MrEvaluationRow *add_row(MrEvaluationRow *row, MrPolicy policy,
								const char *point, int model);
static void pick_strong(const MrPolicyBasis *basis,
						const MrEvaluationRow *row, int *picks);
static double sure_gain(const MrPolicyBasis *basis, const MrGuard *guard,
						MrChoice choice, double lambda);
static double cost_term(const MrPolicyBasis *basis, int prompt, int model,
						double lambda);
static int	pick_single(const MrPolicyBasis *basis, const MrGuard *guard,
						int prompt, double lambda);
static double utility_of(const MrPolicyBasis *basis, int prompt, int model,
						 double lambda);
static int	pick_by_utility(const MrPolicyBasis *basis, int prompt,
							double lambda);
static bool wins_tie(const MrPolicyBasis *basis, int prompt, int model,
					 int other);
static int	compare_numbers(const double *a, const double *b);

#define ST_SORT sort_numbers
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) compare_numbers(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* ----------
 * What is decided by
 * ----------
 */

/*
 * For outcomes of at least one prompt and one model; in the current memory
 * context, and it points into the outcomes.
 */
MrPolicyBasis *
mr_policy_basis(const MrOutcomes *outcomes)
{
	MrPolicyBasis *basis = palloc0(sizeof(MrPolicyBasis));

	basis->outcomes = outcomes;
	fill_model_means(basis);
	fill_costs(basis);
	fill_expected_costs(basis);
	basis->strong = -1;
	basis->weak = -1;
	if (outcomes->nmodels == 2)
		fill_pair(basis);
	return basis;
}

static void
fill_model_means(MrPolicyBasis *basis)
{
	const MrOutcomes *outcomes = basis->outcomes;

	basis->model_score = known_means(outcomes, outcomes->score);
	basis->best_single = 0;
	for (int m = 1; m < outcomes->nmodels; m++)
		if (basis->model_score[m] > basis->model_score[basis->best_single])
			basis->best_single = m;
}

/*
 * What policies are said to cost: what the calls did, or else what they are
 * expected to.
 */
static void
fill_costs(MrPolicyBasis *basis)
{
	const MrOutcomes *outcomes = basis->outcomes;
	const double *cells = outcomes->cost_usd != NULL ? outcomes->cost_usd :
		outcomes->expected_cost_usd;

	basis->cheapest = -1;
	if (cells != NULL)
	{
		basis->model_usd = known_means(outcomes, cells);
		basis->cost_usd = complete_cells(outcomes, cells, basis->model_usd);
	}
	if (basis->cost_usd == NULL)
		return;
	basis->cost_source = outcomes->cost_usd != NULL ?
		MR_COST_SOURCE_EVALS : MR_COST_SOURCE_EXPECTED;
	basis->cheapest = 0;
	for (int m = 1; m < outcomes->nmodels; m++)
		if (basis->model_usd[m] < basis->model_usd[basis->cheapest])
			basis->cheapest = m;
}

/*
 * A cell whose cost the router does not know is expected to cost what the
 * model does on average.
 */
static void
fill_expected_costs(MrPolicyBasis *basis)
{
	const MrOutcomes *outcomes = basis->outcomes;

	if (basis->cost_usd == NULL)
		return;
	if (basis->cost_source == MR_COST_SOURCE_EXPECTED)
		basis->expected_usd = basis->cost_usd;
	else if (outcomes->expected_cost_usd != NULL)
		basis->expected_usd = complete_cells(outcomes,
											 outcomes->expected_cost_usd,
											 basis->model_usd);
	else
	{
		size_t		cells = mr_outcomes_cell(outcomes, outcomes->nprompts, 0);

		basis->expected_usd = palloc_extended(sizeof(double) * cells,
											  MCXT_ALLOC_HUGE);
		for (size_t i = 0; i < cells; i++)
			basis->expected_usd[i] = basis->model_usd[i % outcomes->nmodels];
	}
}

/*
 * The mean of each model's known cells; NaN where there is none.
 */
static double *
known_means(const MrOutcomes *outcomes, const double *cells)
{
	int			nmodels = outcomes->nmodels;
	double	   *means = palloc0(sizeof(double) * nmodels);
	int		   *known = palloc0(sizeof(int) * nmodels);

	for (int i = 0; i < outcomes->nprompts; i++)
	{
		const double *row = cells + mr_outcomes_cell(outcomes, i, 0);

		for (int m = 0; m < nmodels; m++)
		{
			if (isnan(row[m]))
				continue;
			means[m] += row[m];
			known[m]++;
		}
	}
	for (int m = 0; m < nmodels; m++)
		means[m] = known[m] == 0 ? NAN : means[m] / known[m];
	pfree(known);
	return means;
}

/*
 * The cells with the model's mean in place of NaN; NULL when a mean is not
 * known either.
 */
static double *
complete_cells(const MrOutcomes *outcomes, const double *cells,
			   const double *means)
{
	size_t		ncells = mr_outcomes_cell(outcomes, outcomes->nprompts, 0);
	double	   *complete;

	for (int m = 0; m < outcomes->nmodels; m++)
		if (isnan(means[m]))
			return NULL;
	complete = palloc_extended(sizeof(double) * ncells, MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < ncells; i++)
		complete[i] = isnan(cells[i]) ? means[i % outcomes->nmodels] : cells[i];
	return complete;
}

static void
fill_pair(MrPolicyBasis *basis)
{
	int			nprompts = basis->outcomes->nprompts;

	basis->strong = basis->best_single;
	basis->weak = 1 - basis->strong;
	basis->strong_score = palloc_extended(sizeof(double) * nprompts,
										  MCXT_ALLOC_HUGE);
	for (int i = 0; i < nprompts; i++)
		basis->strong_score[i] =
			(1 + mr_policy_expected_quality(basis, i, basis->strong) -
			 mr_policy_expected_quality(basis, i, basis->weak)) / 2;
}

/*
 * An unknown quality counts as it does in a decision.
 */
double
mr_policy_expected_quality(const MrPolicyBasis *basis, int prompt, int model)
{
	return mr_known_quality(basis->outcomes->quality[mr_outcomes_cell
													 (basis->outcomes, prompt,
													  model)]);
}

/* ----------
 * The rows
 * ----------
 */

/*
 * Names the operating points, at most MR_EVALUATION_MAX_ROWS.  Returns how
 * many there are; nsweep is how many of them, the first ones, are the
 * router's.
 */
int
mr_policy_fill_rows(const MrPolicyBasis *basis, MrEvaluationRow *rows,
					int *nsweep)
{
	const MrOutcomes *outcomes = basis->outcomes;
	int			n = 0;

	add_row(&rows[n++], MR_POLICY_ROUTER, "quality", -1)->setting =
		basis->strong >= 0 ? NAN : 0;
	if (basis->strong >= 0)
		n += sweep_pair(basis, rows + n);
	else if (basis->expected_usd != NULL)
		n += sweep_prices(basis, rows + n);
	*nsweep = n;

	add_row(&rows[n++], MR_POLICY_RANDOM, "random", -1);
	add_row(&rows[n++], MR_POLICY_BEST_SINGLE,
			outcomes->models[basis->best_single], basis->best_single);
	if (basis->cheapest >= 0)
		add_row(&rows[n++], MR_POLICY_CHEAPEST,
				outcomes->models[basis->cheapest], basis->cheapest);
	add_row(&rows[n++], MR_POLICY_ORACLE, "oracle", -1);
	for (int m = 0; m < outcomes->nmodels; m++)
		add_row(&rows[n++], MR_POLICY_SINGLE, outcomes->models[m], m);
	return n;
}

static MrEvaluationRow *
add_row(MrEvaluationRow *row, MrPolicy policy, const char *point, int model)
{
	*row = (MrEvaluationRow)
	{
		.policy = policy, .point = point,
			.setting = NAN, .model = model
	};
	return row;
}

static int
sweep_pair(const MrPolicyBasis *basis, MrEvaluationRow *rows)
{
	int			nprompts = basis->outcomes->nprompts;
	double	   *sorted = palloc_extended(sizeof(double) * nprompts,
										 MCXT_ALLOC_HUGE);

	memcpy(sorted, basis->strong_score, sizeof(double) * nprompts);
	sort_numbers(sorted, nprompts);
	for (int k = 0; k <= MR_EVALUATION_STEPS; k++)
	{
		double		weak_share = (double) k / MR_EVALUATION_STEPS;

		add_row(&rows[k], MR_POLICY_ROUTER,
				psprintf("strong_share=%.2f", 1 - weak_share), -1)->setting =
			k == MR_EVALUATION_STEPS ?
			nextafter(sorted[nprompts - 1], INFINITY) :
			mr_metrics_quantile(sorted, nprompts, weak_share);
	}
	pfree(sorted);
	return MR_EVALUATION_STEPS + 1;
}

static int
sweep_prices(const MrPolicyBasis *basis, MrEvaluationRow *rows)
{
	double		first;
	double		last;
	int			steps = MR_EVALUATION_STEPS;

	if (!mr_policy_price_range(basis, &first, &last))
		return 0;
	if (last <= first)
		steps = 1;
	for (int k = 0; k < steps; k++)
	{
		double		lambda = k == 0 ? first :
			first * pow(last / first, (double) k / (steps - 1));
		int			decimals = Max(3 - (int) floor(log10(lambda)), 0);

		add_row(&rows[k], MR_POLICY_ROUTER, psprintf("lambda=%.*f", decimals, lambda),
				-1)->setting = lambda;
	}
	return steps;
}

/*
 * The lambdas between which nearly all prompts change models; false when none
 * ever does.
 */
bool
mr_policy_price_range(const MrPolicyBasis *basis, double *first, double *last)
{
	int			nprompts = basis->outcomes->nprompts;
	double	   *firsts = palloc_extended(sizeof(double) * nprompts,
										 MCXT_ALLOC_HUGE);
	double	   *lasts = palloc_extended(sizeof(double) * nprompts,
										MCXT_ALLOC_HUGE);
	int			n = 0;

	for (int i = 0; i < nprompts; i++)
	{
		turning_points_of(basis, i, &firsts[n], &lasts[n]);
		if (firsts[n] > 0 && isfinite(firsts[n]) && isfinite(lasts[n]))
			n++;
	}
	sort_numbers(firsts, n);
	sort_numbers(lasts, n);
	*first = mr_metrics_quantile(firsts, n, SWEEP_TAIL);
	*last = mr_metrics_quantile(lasts, n, 1 - SWEEP_TAIL);
	pfree(lasts);
	pfree(firsts);
	return n > 0;
}

/*
 * The lambda at which a prompt leaves its best model, and the one at which it
 * comes to its cheapest; 0 when the best is the cheapest.
 */
static void
turning_points_of(const MrPolicyBasis *basis, int prompt, double *first,
				  double *last)
{
	const MrOutcomes *outcomes = basis->outcomes;
	const double *usd = basis->expected_usd +
		mr_outcomes_cell(outcomes, prompt, 0);
	int			best = pick_by_utility(basis, prompt, 0);
	int			cheapest = pick_by_utility(basis, prompt, INFINITY);
	double		best_quality = mr_policy_expected_quality(basis, prompt, best);
	double		least_quality = mr_policy_expected_quality(basis, prompt,
														   cheapest);

	*first = 0;
	*last = 0;
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		double		quality = mr_policy_expected_quality(basis, prompt, m);

		if (usd[m] < usd[best])
		{
			double		lambda = (best_quality - quality) /
				(usd[best] - usd[m]);

			*first = *first == 0 ? lambda : Min(*first, lambda);
		}
		if (usd[m] > usd[cheapest])
			*last = Max(*last, (quality - least_quality) /
						(usd[m] - usd[cheapest]));
	}
}

static inline int
compare_numbers(const double *a, const double *b)
{
	return *a < *b ? -1 : *a > *b;
}

/* ----------
 * The picks
 * ----------
 */

/*
 * The model that a row's policy picks for each prompt.  Random picks none: it
 * is the mean over all models, and has no picks.
 */
void
mr_policy_pick(const MrPolicyBasis *basis, const MrEvaluationRow *row,
			   int *picks)
{
	const MrOutcomes *outcomes = basis->outcomes;

	CHECK_FOR_INTERRUPTS();
	if (row->policy == MR_POLICY_ROUTER && basis->strong >= 0 &&
		!isnan(row->setting))
	{
		pick_strong(basis, row, picks);
		return;
	}
	for (int i = 0; i < outcomes->nprompts; i++)
	{
		size_t		cell = mr_outcomes_cell(outcomes, i, 0);

		if (row->model >= 0)
			picks[i] = row->model;
		else if (row->policy == MR_POLICY_ORACLE)
			picks[i] = mr_metrics_oracle_pick(outcomes->score + cell,
											  basis->cost_usd == NULL ? NULL :
											  basis->cost_usd + cell,
											  outcomes->nmodels, 0, 0);
		else
			picks[i] = mr_policy_choose(basis, i, isnan(row->setting) ? 0 :
										row->setting);
	}
}

static void
pick_strong(const MrPolicyBasis *basis, const MrEvaluationRow *row,
			int *picks)
{
	for (int i = 0; i < basis->outcomes->nprompts; i++)
		picks[i] = basis->strong_score[i] >= row->setting ?
			basis->strong : basis->weak;
}

/*
 * What route() chooses with objective quality=1,usd=lambda: the model that
 * gains most over the best single one for sure.
 */
int
mr_policy_choose(const MrPolicyBasis *basis, int prompt, double lambda)
{
	const MrOutcomes *outcomes = basis->outcomes;
	const MrGuard *guard;
	int			single;
	int			best;
	double		best_gain = 0;

	if (outcomes->guards == NULL)
		return pick_by_utility(basis, prompt, lambda);
	guard = &outcomes->guards[outcomes->guard == NULL ? 0 :
							  outcomes->guard[prompt]];
	best = single = pick_single(basis, guard, prompt, lambda);
	for (int m = 0; m < outcomes->nmodels; m++)
	{
		double		gain = sure_gain(basis, guard,
									 (MrChoice) {prompt, m, single}, lambda);

		if (gain > best_gain)
		{
			best_gain = gain;
			best = m;
		}
	}
	return best;
}

static double
sure_gain(const MrPolicyBasis *basis, const MrGuard *guard, MrChoice choice,
		  double lambda)
{
	const MrOutcomes *outcomes = basis->outcomes;
	size_t		cell = mr_outcomes_cell(outcomes, choice.prompt, 0);
	MrWorth		other = {outcomes->quality[cell + choice.model],
		outcomes->quality_stderr[cell + choice.model],
	guard->typical_quality[choice.model]};
	MrWorth		base = {outcomes->quality[cell + choice.single],
		outcomes->quality_stderr[cell + choice.single],
	guard->typical_quality[choice.single]};

	return mr_sure_difference(guard->margin, guard->trusted, &other, &base)
		+ cost_term(basis, choice.prompt, choice.model, lambda)
		- cost_term(basis, choice.prompt, choice.single, lambda);
}

/* What the cost of a model takes from its utility. */
static double
cost_term(const MrPolicyBasis *basis, int prompt, int model, double lambda)
{
	return utility_of(basis, prompt, model, lambda)
		- mr_policy_expected_quality(basis, prompt, model);
}

/*
 * The best model if the prompt were a typical one in quality; of equal ones
 * the better for the prompt.
 */
static int
pick_single(const MrPolicyBasis *basis, const MrGuard *guard, int prompt,
			double lambda)
{
	int			single = 0;
	double		best = -INFINITY;
	double		best_here = -INFINITY;

	for (int m = 0; m < basis->outcomes->nmodels; m++)
	{
		double		here = utility_of(basis, prompt, m, lambda);
		double		utility = here -
			mr_policy_expected_quality(basis, prompt, m) +
			mr_known_quality(guard->typical_quality[m]);

		if (utility > best || (utility == best && here > best_here))
		{
			single = m;
			best = utility;
			best_here = here;
		}
	}
	return single;
}

static double
utility_of(const MrPolicyBasis *basis, int prompt, int model, double lambda)
{
	double		quality = mr_policy_expected_quality(basis, prompt, model);

	if (lambda <= 0)
		return quality;
	return quality - lambda *
		basis->expected_usd[mr_outcomes_cell(basis->outcomes, prompt, model)];
}

/*
 * The highest expected quality less lambda x expected cost; at an infinite
 * lambda, the lowest cost.
 */
static int
pick_by_utility(const MrPolicyBasis *basis, int prompt, double lambda)
{
	const MrOutcomes *outcomes = basis->outcomes;
	size_t		cell = mr_outcomes_cell(outcomes, prompt, 0);
	int			pick = 0;
	double		best = -INFINITY;

	for (int m = 0; m < outcomes->nmodels; m++)
	{
		double		utility = isinf(lambda) ? -basis->expected_usd[cell + m] :
			utility_of(basis, prompt, m, lambda);

		if (utility > best ||
			(utility == best && wins_tie(basis, prompt, m, pick)))
		{
			pick = m;
			best = utility;
		}
	}
	return pick;
}

/*
 * Of equal utilities the cheaper wins, then the better, then by name.
 */
static bool
wins_tie(const MrPolicyBasis *basis, int prompt, int model, int other)
{
	const MrOutcomes *outcomes = basis->outcomes;
	size_t		cell = mr_outcomes_cell(outcomes, prompt, 0);
	double		quality = mr_policy_expected_quality(basis, prompt, model);
	double		other_quality = mr_policy_expected_quality(basis, prompt,
														   other);

	if (basis->expected_usd != NULL &&
		basis->expected_usd[cell + model] != basis->expected_usd[cell + other])
		return basis->expected_usd[cell + model] <
			basis->expected_usd[cell + other];
	if (quality != other_quality)
		return quality > other_quality;
	return strcmp(outcomes->models[model], outcomes->models[other]) < 0;
}

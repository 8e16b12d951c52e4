/*
 * pairs.c
 *	  Turns comparisons of two models into scores of both.
 *
 * Bradley and Terry: P(a beats b) = 1 / (1 + exp(s_b - s_a)) with a strength s
 * for each model, found by minorisation-maximisation (Hunter 2004) with one
 * half win and one half loss against an average model added to each, which
 * keeps a model that never lost finite.  A model's quality is its chance
 * against an average of the others.  In a comparison the winner's score is its
 * quality plus half of what the win was above its chance, the loser's its
 * quality less that; so a model's scores average to its quality, and what is
 * left tells on which prompts it does better.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#include "router/pairs.h"

#define ROUNDS		200
#define CLOSE		1e-10		/* change of all strengths that ends it */

static double *find_strengths(const MrEvals *evals);
static double *find_qualities(const MrEvals *evals, const double *strength);
static int64 fill_prompt(const MrEvals *evals, const double *strength,
						 const double *quality, int64 pair);
static double chance_of(const double *strength, int winner, int loser);

/*
 * Gives the prompts of pairs their cells; a cell that was scored stays as it
 * is.
 */
void
mr_pairs_to_cells(MrEvals *evals)
{
	MemoryContext saved = MemoryContextSwitchTo(evals->context);
	double	   *strength;
	double	   *quality;

	if (evals->npairs > 0)
	{
		strength = find_strengths(evals);
		quality = find_qualities(evals, strength);
		for (int64 i = 0; i < evals->npairs;)
			i = fill_prompt(evals, strength, quality, i);
		pfree(strength);
		pfree(quality);
	}
	MemoryContextSwitchTo(saved);
}

/* exp(s) of each model, their logarithms averaging to 0. */
static double *
find_strengths(const MrEvals *evals)
{
	int			nmodels = evals->nmodels;
	double	   *strength = palloc(sizeof(double) * nmodels);
	double	   *wins = palloc(sizeof(double) * nmodels);
	double	   *weight = palloc(sizeof(double) * nmodels);

	for (int m = 0; m < nmodels; m++)
	{
		strength[m] = 1;
		wins[m] = 0.5;
	}
	for (int64 i = 0; i < evals->npairs; i++)
		wins[evals->pairs[i].winner]++;
	for (int round = 0; round < ROUNDS; round++)
	{
		double		moved = 0;
		double		level = 0;

		for (int m = 0; m < nmodels; m++)
			weight[m] = 1 / (strength[m] + 1);
		for (int64 i = 0; i < evals->npairs; i++)
		{
			const MrEvalPair *pair = &evals->pairs[i];
			double		share = 1 / (strength[pair->winner]
									 + strength[pair->loser]);

			weight[pair->winner] += share;
			weight[pair->loser] += share;
		}
		for (int m = 0; m < nmodels; m++)
			level += log(wins[m] / weight[m]) / nmodels;
		for (int m = 0; m < nmodels; m++)
		{
			double		next = wins[m] / weight[m] / exp(level);

			moved += fabs(log(next / strength[m]));
			strength[m] = next;
		}
		if (moved < CLOSE)
			break;
	}
	pfree(wins);
	pfree(weight);
	return strength;
}

static double
chance_of(const double *strength, int winner, int loser)
{
	return strength[winner] / (strength[winner] + strength[loser]);
}

static double *
find_qualities(const MrEvals *evals, const double *strength)
{
	int			nmodels = evals->nmodels;
	double	   *quality = palloc(sizeof(double) * nmodels);

	for (int m = 0; m < nmodels; m++)
	{
		double		sum = 0;

		for (int other = 0; other < nmodels; other++)
			if (other != m)
				sum += chance_of(strength, m, other);
		quality[m] = nmodels > 1 ? sum / (nmodels - 1) : 0.5;
	}
	return quality;
}

static const MrEvalCell *
find_cell(const MrEvalPrompt *prompt, int model)
{
	for (int j = 0; j < prompt->ncells; j++)
		if (prompt->cells[j].model == model)
			return &prompt->cells[j];
	return NULL;
}

/*
 * The cells of one prompt from its pairs, which stand together; the index of
 * the next prompt's first pair.
 */
static int64
fill_prompt(const MrEvals *evals, const double *strength,
			const double *quality, int64 pair)
{
	int			index = evals->pairs[pair].prompt;
	MrEvalPrompt *prompt = &evals->prompts[index];
	int			nmodels = evals->nmodels;
	double	   *excess = palloc0(sizeof(double) * nmodels);
	int		   *count = palloc0(sizeof(int) * nmodels);
	MrEvalCell *cells = palloc(sizeof(MrEvalCell) * nmodels);
	int			ncells = 0;

	for (; pair < evals->npairs && evals->pairs[pair].prompt == index; pair++)
	{
		int			winner = evals->pairs[pair].winner;
		int			loser = evals->pairs[pair].loser;
		double		above = 1 - chance_of(strength, winner, loser);

		excess[winner] += above / 2;
		excess[loser] -= above / 2;
		count[winner]++;
		count[loser]++;
	}
	for (int m = 0; m < nmodels; m++)
	{
		const MrEvalCell *scored = find_cell(prompt, m);

		if (scored != NULL)
			cells[ncells++] = *scored;
		else if (count[m] > 0)
			cells[ncells++] = (MrEvalCell)
		{
			.model = m,
				.score = Min(Max(quality[m] + excess[m] / count[m], 0), 1),
				.cost_usd = get_float4_nan(),
				.output_tokens = get_float4_nan()
		};
	}
	prompt->cells = cells;
	prompt->ncells = ncells;
	pfree(excess);
	pfree(count);
	return pair;
}

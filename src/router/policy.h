/*
 * policy.h
 *	  What each policy of an evaluation picks for each prompt.
 */
#ifndef MR_POLICY_H
#define MR_POLICY_H

#include "postgres.h"

#include "router/evaluate.h"

/* What the policies decide by; made once for an evaluation. */
typedef struct MrPolicyBasis
{
	const MrOutcomes *outcomes;
	MrCostSource cost_source;
	double	   *cost_usd;		/* what is reported, by cell; NULL = none */
	double	   *expected_usd;	/* what the router decides by; NULL = none */
	double	   *model_score;	/* means, by model */
	double	   *model_usd;		/* NaN where not known */
	int			best_single;
	int			cheapest;		/* -1 = not known */
	int			strong;			/* of a pair, else -1 */
	int			weak;
	double	   *strong_score;	/* of a pair: the router's, by prompt */
} MrPolicyBasis;

extern MrPolicyBasis *mr_policy_basis(const MrOutcomes *outcomes);
extern int	mr_policy_fill_rows(const MrPolicyBasis *basis,
								MrEvaluationRow *rows, int *nsweep);
extern void mr_policy_pick(const MrPolicyBasis *basis,
						   const MrEvaluationRow *row, int *picks);
extern int	mr_policy_choose(const MrPolicyBasis *basis, int prompt,
							 double lambda);
extern bool mr_policy_price_range(const MrPolicyBasis *basis, double *first,
								  double *last);
extern double mr_policy_expected_quality(const MrPolicyBasis *basis,
										 int prompt, int model);

#endif							/* MR_POLICY_H */

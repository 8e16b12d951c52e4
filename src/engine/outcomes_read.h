/*
 * outcomes_read.h
 *	  What models did on prompts of evals, beside what a router expects of them.
 */
#ifndef MR_OUTCOMES_READ_H
#define MR_OUTCOMES_READ_H

#include "postgres.h"

#include "router/evals.h"
#include "router/outcomes.h"

#define MR_CROSSVAL_MAX	20

typedef struct MrOutcomesTask
{
	const MrEvals *evals;
	const char *router;			/* name, name:version or default */

	/* Instead: what is learned from the other folds is asked about each. */
	int			crossval;		/* folds, 2..MR_CROSSVAL_MAX; 0 = router */
	int			folds;			/* of the cross-validation in training */
	uint64		seed;			/* of both */
} MrOutcomesTask;

/*
 * In CurrentMemoryContext; points into the evals.  Raises 22023 when no prompt
 * has a score of every model, 42704 when the router does not exist.
 */
extern MrOutcomes *mr_outcomes_read(const MrOutcomesTask *task);

/*
 * What a router expects of models of the catalog on the prompts of evals,
 * whose cells are not looked at; all scores are 0.
 */
extern MrOutcomes *mr_outcomes_expect(const MrEvals *prompts,
									  const char *router,
									  const MrEndpoint *const *endpoints,
									  int nmodels);

#endif							/* MR_OUTCOMES_READ_H */

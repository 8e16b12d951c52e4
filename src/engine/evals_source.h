/*
 * evals_source.h
 *	  Evals from a query, and what the catalog knows of their models: what
 *	  training and evaluation both begin with.
 */
#ifndef MR_EVALS_SOURCE_H
#define MR_EVALS_SOURCE_H

#include "postgres.h"

#include "catalog/snapshot.h"
#include "router/evals.h"
#include "router/train.h"

typedef struct MrEvalsSource
{
	const char *query;
	bool		prompts_only;	/* it need not yield models and scores */

	/* Called after every row; may be NULL. */
	void		(*progress) (void *arg, int64 rows_read);
	void	   *progress_arg;

	/* out */
	int64		rows_read;
	int64		rows_skipped;	/* of these, that tell nothing */
} MrEvalsSource;

extern MrEvals *mr_evals_gather(MrEvalsSource *source);

/* The cheapest endpoint of a model, or NULL when the catalog has none. */
extern const MrEndpoint *mr_catalog_cheapest(const MrCatalog *catalog,
											 const char *model);
extern MrModelPrior *mr_evals_priors(const MrEvals *evals);

#endif							/* MR_EVALS_SOURCE_H */

/*
 * train.h
 *	  From evals to a router: the artifact that predicts, and the report of how
 *	  well it did on prompts it had not seen.
 */
#ifndef MR_TRAIN_H
#define MR_TRAIN_H

#include "postgres.h"

#include "router/evals.h"

#define MR_ARTIFACT_MAX_BYTES	(4 * 1024 * 1024)

typedef enum MrTrainPhase
{
	MR_TRAIN_READING = 0,
	MR_TRAIN_VALIDATING,		/* cross-validation */
	MR_TRAIN_FITTING,
	MR_TRAIN_WRITING
} MrTrainPhase;

/* What the catalog knows of a model before any evals. */
typedef struct MrModelPrior
{
	double		quality;		/* 0..1; NaN = unknown */
	double		input_price;	/* USD per token; NaN = unknown */
	double		output_price;
} MrModelPrior;

typedef struct MrTrainOptions
{
	uint64		seed;			/* of the folds */
	int			folds;			/* of cross-validation, 2..20 */
	const MrModelPrior *priors; /* one for each model of the evals, or NULL */

	/* Called often; may raise, such as for a cancel. */
	void		(*progress) (void *arg, MrTrainPhase phase, int64 done,
							 int64 total);
	void	   *progress_arg;
} MrTrainOptions;

/* All in CurrentMemoryContext. */
typedef struct MrTrainResult
{
	char	   *artifact;
	size_t		artifact_bytes;
	char	   *report;			/* JSON object, UTF-8 */
} MrTrainResult;

/*
 * Problems that are the caller's (no rows, one score only, ...) come back as
 * a sentence; NULL is success.  Pairs of evals become cells.
 */
extern const char *mr_train(MrEvals *evals,
							const MrTrainOptions *options,
							MrTrainResult *result);

#endif							/* MR_TRAIN_H */

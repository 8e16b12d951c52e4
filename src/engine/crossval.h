/*
 * crossval.h
 *	  Routers for the folds of evals, each learned from the others.
 */
#ifndef MR_CROSSVAL_H
#define MR_CROSSVAL_H

#include "postgres.h"

#include "router/artifact.h"
#include "router/evals.h"
#include "router/train.h"

typedef struct MrCrossval
{
	/* in */
	const MrEvals *evals;
	const int  *prompts;		/* to be judged; the others only teach */
	int			nprompts;
	int			nfolds;			/* 2..20 */
	int			folds;			/* of the cross-validation in training */
	uint64		seed;

	uint8	   *fold_of;		/* of each of prompts */
	MrModelPrior *priors;
	MemoryContext context;		/* of the fold that is learned */
} MrCrossval;

extern uint8 *mr_crossval_split(MrCrossval *crossval);
extern const MrArtifact *mr_crossval_train(MrCrossval *crossval, int fold);
extern void mr_crossval_forget(MrCrossval *crossval);

#endif							/* MR_CROSSVAL_H */

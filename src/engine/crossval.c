/*
 * crossval.c
 *	  Splits evals into folds, and learns from all but one of them.
 *
 * The split depends on the prompts and the seed only, not on the order of the
 * rows.  Prompts that are not judged, because a model has no score for them,
 * are learned from in every fold.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/crossval.h"
#include "engine/evals_source.h"

typedef struct Draw
{
	uint64		hash;
	int			place;			/* in crossval->prompts */
} Draw;

static int	compare_draws(const void *a, const void *b);
static MrEvals *other_folds(const MrCrossval *crossval, int fold);
static int *keep_prompts(const MrCrossval *crossval, int fold,
						 MrEvals *kept);
static void keep_pairs(const MrEvals *evals, const int *moved,
					   MrEvals *kept);
static void check_cancel(void *arg, MrTrainPhase phase, int64 done,
						 int64 total);

/*
 * The fold of each prompt, in CurrentMemoryContext.  Raises 22023 when there
 * are fewer prompts than folds.
 */
uint8 *
mr_crossval_split(MrCrossval *crossval)
{
	int			count = crossval->nprompts;
	Draw	   *draws;

	if (count < crossval->nfolds)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d folds need as many prompts that every model has a score for",
						crossval->nfolds),
				 errdetail("There are %d.", count),
				 errhint("Give more evals, or fewer folds in option crossval.")));
	draws = palloc_extended(sizeof(Draw) * count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		uint64		key = crossval->evals->prompts[crossval->prompts[i]].key;

		draws[i].hash = hash_combine64(hash_combine64(0, crossval->seed), key);
		draws[i].place = i;
	}
	qsort(draws, count, sizeof(Draw), compare_draws);
	crossval->fold_of = palloc_extended(count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		crossval->fold_of[draws[i].place] = i % crossval->nfolds;
	pfree(draws);
	crossval->priors = mr_evals_priors(crossval->evals);
	return crossval->fold_of;
}

static int
compare_draws(const void *a, const void *b)
{
	const Draw *left = a;
	const Draw *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->place - right->place;
}

/*
 * What the other folds teach; until mr_crossval_forget.  Raises 22023 when
 * they teach nothing.
 */
const MrArtifact *
mr_crossval_train(MrCrossval *crossval, int fold)
{
	MrTrainOptions options = {
		.seed = crossval->seed,
		.folds = crossval->folds,
		.priors = crossval->priors,
		.progress = check_cancel
	};
	MrTrainResult result;
	MemoryContext saved;
	const char *problem;

	crossval->context = AllocSetContextCreate(CurrentMemoryContext,
											  "modelroute fold",
											  ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(crossval->context);
	problem = mr_train(other_folds(crossval, fold), &options, &result);
	MemoryContextSwitchTo(saved);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a router cannot be trained from these evals"),
				 errdetail("%s", problem),
				 errhint("Each row needs a prompt, a model and a score, or a prompt, a winner and a loser.")));
	return (const MrArtifact *) result.artifact;
}

void
mr_crossval_forget(MrCrossval *crossval)
{
	MemoryContextDelete(crossval->context);
	crossval->context = NULL;
}

/* The evals without a fold; prompts are shared with the whole. */
static MrEvals *
other_folds(const MrCrossval *crossval, int fold)
{
	MrEvals    *kept = palloc(sizeof(MrEvals));
	int		   *moved;

	*kept = *crossval->evals;
	kept->context = CurrentMemoryContext;
	moved = keep_prompts(crossval, fold, kept);
	keep_pairs(crossval->evals, moved, kept);
	pfree(moved);
	return kept;
}

/* Returns the new place of each prompt, -1 for one that is left out. */
static int *
keep_prompts(const MrCrossval *crossval, int fold, MrEvals *kept)
{
	const MrEvals *evals = crossval->evals;
	int		   *moved = palloc_extended(sizeof(int) * evals->nprompts,
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	kept->prompts = palloc_extended(sizeof(MrEvalPrompt) * evals->nprompts,
									MCXT_ALLOC_HUGE);
	kept->nprompts = 0;
	for (int i = 0; i < crossval->nprompts; i++)
		if (crossval->fold_of[i] == fold)
			moved[crossval->prompts[i]] = -1;
	for (int i = 0; i < evals->nprompts; i++)
	{
		if (moved[i] < 0)
			continue;
		moved[i] = kept->nprompts;
		kept->prompts[kept->nprompts++] = evals->prompts[i];
	}
	return moved;
}

static void
keep_pairs(const MrEvals *evals, const int *moved, MrEvals *kept)
{
	kept->pairs = palloc_extended(sizeof(MrEvalPair) * Max(evals->npairs, 1),
								  MCXT_ALLOC_HUGE);
	kept->npairs = 0;
	for (int64 i = 0; i < evals->npairs; i++)
	{
		MrEvalPair	pair = evals->pairs[i];

		pair.prompt = moved[pair.prompt];
		if (pair.prompt >= 0)
			kept->pairs[kept->npairs++] = pair;
	}
}

static void
check_cancel(void *arg, MrTrainPhase phase, int64 done, int64 total)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * ridge.h
 *	  Ridge regression of many outputs at once on the hashed features of evals.
 */
#ifndef MR_RIDGE_H
#define MR_RIDGE_H

#include "postgres.h"

#include "router/evals.h"
#include "router/layout.h"

/*
 * What a set of training rows makes of the features: which buckets are known,
 * and how much each says (inverse document frequency).
 */
typedef struct MrVocabulary
{
	int			bits;			/* of a word's bucket */
	bool		pairs;			/* of words count, too */
	int			nrows;			/* training rows it was made from */
	int			nbuckets;		/* words, surface signals, tasks */
	uint8	   *idf;			/* in units of MR_IDF_UNIT; 0 = not known */
} MrVocabulary;

/* Training rows: some of the prompts of evals, in order. */
typedef struct MrRows
{
	const MrEvals *evals;
	int			nrows;
	const int32 *prompt;		/* index into evals->prompts */
} MrRows;

static inline const MrEvalPrompt *
mr_rows_prompt(const MrRows *rows, int row)
{
	return &rows->evals->prompts[rows->prompt[row]];
}

/* The rows' feature vectors: known buckets and their values, row by row. */
typedef struct MrDesign
{
	const MrVocabulary *vocabulary;
	int			nrows;
	size_t	   *start;			/* of each row, and the end of the last */
	uint32	   *bucket;
	float	   *value;
} MrDesign;

/* Called between steps of work; may raise. */
typedef void (*MrTick) (void *arg);

typedef struct MrRidge
{
	const MrDesign *design;
	int			noutputs;
	const double *lambda;		/* one for each output */
	float	   *target;			/* [row * noutputs + output]; NaN = no target */
	float	   *weights;		/* out: [bucket * noutputs + output] */
	MrTick		tick;
	void	   *tick_arg;
} MrRidge;

extern void mr_vocabulary_build(MrVocabulary *vocabulary, const MrRows *rows,
								int bits);
extern void mr_vocabulary_free(MrVocabulary *vocabulary);
extern void mr_design_build(MrDesign *design, const MrVocabulary *vocabulary,
							const MrRows *rows);
extern void mr_design_free(MrDesign *design);
extern void mr_ridge_solve(MrRidge *ridge);
extern void mr_ridge_apply_row(const MrRidge *ridge, int row,
							   float *outputs);
extern void mr_ridge_apply(const MrVocabulary *vocabulary,
						   const float *weights, int noutputs,
						   const MrFeatures *features, float *outputs);

#endif							/* MR_RIDGE_H */

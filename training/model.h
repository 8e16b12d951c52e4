/*
 * model.h
 *	  The linear model while it is trained: fitting, rounding, scoring, writing.
 */
#ifndef MODEL_H
#define MODEL_H

#include "postgres.h"

#include "corpus.h"

typedef struct Model
{
	double		weights[ROWS][MR_CATEGORY_OUTPUTS];

	/* what one level of a rounded weight is worth */
	double		word_step[MR_CATEGORY_OUTPUTS];
	double		surface_step[MR_CATEGORY_OUTPUTS];
} Model;

/* What makes the scores of unseen prompts honest; see calibrate. */
typedef struct Calibration
{
	double		sharpness;		/* factor of the logits */
	double		growth;			/* factor of the output tokens */
} Calibration;

/*
 * Neighbours in a file are often alike, so they stay together: otherwise the
 * figures would be better than on prompts of other people.
 */
#define FOLDS			5
#define NEIGHBOURS		10

static inline int
fold_of(int example)
{
	return example / NEIGHBOURS % FOLDS;
}

/* Trains on the examples outside a fold; on all if fold is FOLDS. */
extern void fit_model(const Corpus *corpus, int fold, Model *model);
extern void round_model(Model *model);
extern int	level_of(double weight, double step);
extern void score_example(const Model *model, const Example *example,
						  double *score);

/* Trains without each fold, prints the figures, and returns the calibration. */
extern Calibration validate(const Corpus *corpus);

extern void write_model(const Model *model, const Calibration *calibration,
						const char *path);

#endif							/* MODEL_H */

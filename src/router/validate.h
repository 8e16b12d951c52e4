/*
 * validate.h
 *	  Cross-validation: what a fit is worth on prompts it has not seen, and the
 *	  choices that follow from it.
 */
#ifndef MR_VALIDATE_H
#define MR_VALIDATE_H

#include "postgres.h"

#include "router/fit.h"

#define MR_VALIDATION_ROWS_MAX	2500

/* What was chosen, and what was seen on held-out prompts. */
typedef struct MrValidation
{
	double		lambda;
	double		slope;			/* of scores on expectations */
	double		margin;			/* HUGE_VAL: never leave the best single */
	bool		trusted;		/* differences beyond the means hold */
	double		neighbour_share;
	double		noise;			/* variance of score around the expectation */
	double	   *model_noise;	/* the same of each model */

	int			nrows;			/* prompts in it */
	int			folds;
	int			best_single;	/* by mean of the training rows */
	double		single_quality; /* its mean on the held-out prompts */
	double		router_quality; /* of choosing by quality, with the margin */
	double		gain;			/* router - single */
	double		gain_stderr;

	/* held-out expectations for neighbours: rows and [row * nmodels + model] */
	MrRows		rows;
	float	   *place;
	float	   *outcome;
} MrValidation;

typedef struct MrValidateTask
{
	const MrRows *rows;			/* all training rows */
	const MrTrainOptions *options;
	void		(*step) (void *arg, int done, int total);
	MrTick		tick;
	void	   *arg;			/* of both */
} MrValidateTask;

extern void mr_validate(MrValidation *validation, const MrValidateTask *task);

#endif							/* MR_VALIDATE_H */

/*
 * fit.h
 *	  One fit of a router to training rows, and what it expects of a prompt;
 *	  before calibration and before it is packed into an artifact.
 */
#ifndef MR_FIT_H
#define MR_FIT_H

#include "postgres.h"

#include "router/ridge.h"
#include "router/train.h"

/* A model scored on fewer prompts has only a mean, drawn to its prior. */
#define MR_FIT_MODEL_PROMPTS_MIN	50

#define MR_FIT_LAMBDAS_MAX			3	/* that one fit tries */

/* Slope of the difficulty prior where nothing that was learned holds. */
#define MR_UNTRUSTED_BETA		0.2

typedef struct MrFit
{
	int			nmodels;
	MrVocabulary vocabulary;
	double	   *mean;			/* of each model's quality */
	double	   *advantage;		/* mean - mean over models */
	int		   *prompts;		/* each model was scored on */
	double		beta;
	double		beta_weight;
	double		typical_low;
	double		typical_high;
	double	   *ln_tokens;		/* of each model; NaN = unknown */
	double	   *ln_cost;
	float	   *common_weights; /* [bucket * 2 + 0 common, 1 length] */
	int			nlambdas;
	float	   *model_weights;	/* [(bucket * nlambdas + lambda) * nmodels] */
} MrFit;

/* The parts of an expectation, so that each can be replaced or weighed. */
typedef struct MrFitted
{
	double		trust;			/* 0..1: how much of what is learned holds */
	double		common;
	double		length;			/* ln of the prompt's share of length */
	double		difficulty;		/* slope x hardness */
	float		models[MR_FIT_LAMBDAS_MAX * MR_EVALS_MODELS_MAX];
} MrFitted;

typedef struct MrFitTask
{
	const MrRows *rows;
	const MrTrainOptions *options;
	int			nlambdas;		/* of the models' outputs: each is fitted */
	double		lambda[MR_FIT_LAMBDAS_MAX];
	MrTick		tick;
	void	   *tick_arg;
} MrFitTask;

extern void mr_fit_make(MrFit *fit, const MrFitTask *task);
extern void mr_fit_free(MrFit *fit);

/* lengths.c */
extern void mr_lengths_fill(MrFit *fit, const MrFitTask *task,
							float *target);
extern void mr_lengths_scale(MrFit *fit, const MrFitTask *task);

/* fit.c */
extern void mr_fit_apply(const MrFit *fit, const MrFeatures *features,
						 MrFitted *fitted);

/* Who is better on this prompt, by the fit of a lambda. */
static inline const float *
mr_fitted_models(const MrFit *fit, const MrFitted *fitted, int lambda)
{
	return fitted->models + lambda * fit->nmodels;
}

/* Expected quality of a model, neither calibrated nor clipped. */
static inline double
mr_fitted_quality(const MrFit *fit, const MrFitted *fitted, int lambda,
				  int model)
{
	return fit->mean[model] + fitted->trust *
		(fitted->common + mr_fitted_models(fit, fitted, lambda)[model])
		+ fitted->difficulty * fit->advantage[model];
}

/* Words of many training prompts that this one holds, too: 0..1. */
extern double mr_typicality(const uint32 *histogram, uint32 unknown,
							int nrows);

/*
 * How hard a prompt looks, centred and bounded: (h - 0.15) / 0.2 within
 * -2.5..2.5.
 */
extern double mr_hardness(const MrFeatures *features);

#endif							/* MR_FIT_H */

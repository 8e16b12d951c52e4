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
	float	   *model_weights;	/* [bucket * nmodels + model] */
} MrFit;

/* The parts of an expectation, so that each can be replaced or weighed. */
typedef struct MrFitted
{
	double		trust;			/* 0..1: how much of what is learned holds */
	double		common;
	double		length;			/* ln of the prompt's share of length */
	double		difficulty;		/* slope x hardness */
	float		models[MR_EVALS_MODELS_MAX];
} MrFitted;

typedef struct MrFitTask
{
	const MrRows *rows;
	const MrTrainOptions *options;
	double		lambda;			/* of the models' outputs */
	MrTick		tick;
	void	   *tick_arg;
} MrFitTask;

extern void mr_fit_make(MrFit *fit, const MrFitTask *task);
extern void mr_fit_free(MrFit *fit);
extern void mr_fit_apply(const MrFit *fit, const MrFeatures *features,
						 MrFitted *fitted);

/* Expected quality of a model, neither calibrated nor clipped. */
static inline double
mr_fitted_quality(const MrFit *fit, const MrFitted *fitted, int model)
{
	return fit->mean[model]
		+ fitted->trust * (fitted->common + fitted->models[model])
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

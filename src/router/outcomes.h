/*
 * outcomes.h
 *	  What models really did on prompts, beside what a router expects: the one
 *	  thing that evaluation, calibration and the report work on.
 *
 * Every matrix holds prompt after prompt: the cell of a prompt and a model is
 * [prompt * nmodels + model].  Prompts that a model has no score for are left
 * out by who fills this in, so that all models are judged on the same prompts.
 */
#ifndef MR_OUTCOMES_H
#define MR_OUTCOMES_H

#include "postgres.h"

#include "base/endpoint.h"

/* More than this, and who fills this in refuses. */
#define MR_OUTCOMES_MAX_MODELS	1000

/* When the best single model goes before a better expectation (I8). */
typedef struct MrGuard
{
	double		margin;			/* both as in MrBasis */
	bool		trusted;
	const double *typical_quality;	/* by model, expected over all prompts;
									 * NaN = unknown */
} MrGuard;

typedef struct MrOutcomes
{
	int			nprompts;
	int			nmodels;		/* at least 1 */
	const char *const *models;	/* UTF-8 names */
	double	   *score;			/* 0..1, every cell known */
	double	   *cost_usd;		/* NaN = unknown; NULL = no cost */
	double	   *quality;		/* expected by the router, 0..1 */
	double	   *quality_stderr;
	double	   *expected_cost_usd;	/* NaN = unknown; NULL = none is known */
	int		   *category;		/* MrCategory of each prompt */
	int			left_out;		/* prompts that a model had no score for */
	const MrGuard *guards;		/* NULL = the best expectation always wins */
	const uint8 *guard;			/* of each prompt; NULL = the first */
} MrOutcomes;

/* The place of a cell in the matrices. */
static inline size_t
mr_outcomes_cell(const MrOutcomes *outcomes, int prompt, int model)
{
	return (size_t) prompt * outcomes->nmodels + model;
}

#endif							/* MR_OUTCOMES_H */

/*
 * internal.h
 *	  What the router's files share with each other.
 */
#ifndef MR_ROUTER_INTERNAL_H
#define MR_ROUTER_INTERNAL_H

#include "postgres.h"

#include <math.h>

#include "router/router.h"

/*
 * An endpoint without any quality prior is taken as average less one standard
 * error of such a guess, so that it never displaces a model that is known to
 * be average or better.  It is shown as unknown (NaN).
 */
#define MR_UNKNOWN_QUALITY		0.5
#define MR_UNKNOWN_STDERR		0.15

/* Output tokens billed at most when neither request nor endpoint sets it. */
#define MR_UNKNOWN_MAX_OUTPUT	4096

/* The absolute scales of the utility's terms; docs/routing.md. */
#define MR_COST_TERM_ZERO_PICOUSD	1e6 /* term 0; six decades to term 1 */
#define MR_COST_TERM_DECADES		6.0
#define MR_LATENCY_TERM_ZERO_MS		100.0	/* term 0; three decades to 1 */
#define MR_LATENCY_TERM_DECADES		3.0

/*
 * What is common to all predictions for one request: the categories that
 * matter with their probabilities, and the token counts.
 */
typedef struct MrPrediction
{
	const MrRequest *request;
	const MrBasis *basis;
	int			ncategories;
	MrCategory	category[MR_CATEGORIES];
	double		probability[MR_CATEGORIES];
	int64		input_tokens;
	double		output_tokens;	/* of a model of ordinary verbosity */
	double		reasoning_factor;	/* for endpoints that can think */
	double		failure_factor; /* of 1 - quality, by the prompt's hardness */
} MrPrediction;

extern void mr_classify(const MrRequest *request, MrPromptFeatures *features);

extern void mr_prediction_init(MrPrediction *prediction,
							   const MrRequest *request,
							   const MrPromptFeatures *features,
							   const MrBasis *basis);
extern void mr_predict(const MrPrediction *prediction,
					   MrCandidate *candidates, int ncandidates);
extern void mr_front_move(MrCandidate *candidates, int place, MrFront why);
extern void mr_front_choose(const MrRequest *request, const MrBasis *basis,
							MrCandidate *candidates, int ncandidates);
extern const char *mr_front_reason(const MrRequest *request,
								   const MrCandidate *candidates);
extern double mr_predict_ms_per_token(const MrCandidate *candidate);

/* Who might be first, and who is: sorted candidates, before their ranks. */
extern void mr_explore(const MrRequest *request, MrCandidate *candidates,
					   int ncandidates);

extern MrExclusion mr_limits_check(const MrRequest *request,
								   const MrPromptFeatures *features,
								   const MrCandidate *candidate);
extern const char *mr_limits_detail(const MrRequest *request,
									const MrPromptFeatures *features,
									const MrCandidate *candidate);

/* A quality as the utility counts it: an unknown one is pessimistic. */
static inline double
mr_known_quality(double quality)
{
	return isnan(quality) ? MR_UNKNOWN_QUALITY - MR_UNKNOWN_STDERR : quality;
}

/* A quality with what is known of its error, and the same over all prompts. */
typedef struct MrWorth
{
	double		quality;		/* NaN = unknown */
	double		error;			/* its standard error; NaN = unknown */
	double		typical;		/* NaN = unknown */
} MrWorth;

/*
 * The difference in quality from the best single model that can be relied on:
 * more counts as far as it exceeds the margin (NaN = the error of the
 * difference); less counts as expected where the router is trusted, else as
 * over all prompts.
 */
static inline double
mr_sure_difference(double margin, bool trusted, const MrWorth *other,
				   const MrWorth *single)
{
	double		difference = mr_known_quality(other->quality)
		- mr_known_quality(single->quality);

	if (isnan(margin))
		margin = hypot(isnan(other->error) ? MR_UNKNOWN_STDERR : other->error,
					   isnan(single->error) ? MR_UNKNOWN_STDERR
					   : single->error);
	if (difference > 0)
		difference = Max(difference - margin, 0);
	if (!trusted)
		difference = Min(difference, mr_known_quality(other->typical)
						 - mr_known_quality(single->typical));
	return difference;
}

static inline double
mr_effective_quality(const MrCandidate *candidate)
{
	return mr_known_quality(candidate->quality);
}

#endif							/* MR_ROUTER_INTERNAL_H */

/*
 * router.h
 *	  The decision: from a prompt and candidates to an order with reasons.
 *
 * Pure functions: no SQL, no network, no shared memory, no clock.  Candidates
 * come in as arguments with what is known of each endpoint and what was
 * measured of it lately; mr_router_decide fills the outputs and sorts.
 */
#ifndef MR_ROUTER_H
#define MR_ROUTER_H

#include "postgres.h"

#include "base/request.h"
#include "router/artifact.h"
#include "router/features.h"

/* The most utility that an objective may ask for one US dollar. */
#define MR_USD_WEIGHT_MAX	1e9

/* What reading the prompt told. */
typedef struct MrPromptFeatures
{
	size_t		bytes;
	int64		input_tokens;	/* estimate, prompt and system and messages */
	MrCategory	category;		/* the most probable one */
	double		probability[MR_CATEGORIES]; /* sums to 1 */
	double		output_tokens;	/* expected of a model of ordinary verbosity;
								 * 0 = what the categories let expect */
	const MrFeatures *reading;	/* the router's own, good until the process
								 * reads its next prompt */
} MrPromptFeatures;

/* Why a candidate cannot serve; the words of route_candidates.excluded_by. */
typedef enum MrExclusion
{
	MR_EXCLUSION_NONE = 0,
	MR_EXCLUSION_DISABLED,
	MR_EXCLUSION_RETIRED,
	MR_EXCLUSION_NOT_GRANTED,	/* the role has no grant on the model */
	MR_EXCLUSION_NO_CREDENTIAL,
	MR_EXCLUSION_HOST,			/* modelroute.allowed_hosts */
	MR_EXCLUSION_API,			/* no adapter for its dialect */
	MR_EXCLUSION_MODELS,		/* not matched by option models */
	MR_EXCLUSION_EXCLUDE,		/* matched by option exclude */
	MR_EXCLUSION_PROVIDER,		/* option provider: only, ignore */
	MR_EXCLUSION_MAX_PRICE,		/* option provider.max_price */
	MR_EXCLUSION_CAPABILITY,	/* lacks a needed capability */
	MR_EXCLUSION_CONTEXT,		/* prompt over the context window */
	MR_EXCLUSION_MAX_OUTPUT,	/* max_tokens over the model's limit */
	MR_EXCLUSION_MAX_COST,
	MR_EXCLUSION_PRICE_UNKNOWN, /* max_cost is set and the price is not known */
	MR_EXCLUSION_MIN_QUALITY,
	MR_EXCLUSION_MAX_LATENCY,
	MR_EXCLUSION_FALLBACK		/* provider.allow_fallbacks is false */
} MrExclusion;

/* What was measured of an endpoint lately; count 0 = nothing. */
typedef struct MrObserved
{
	int64		count;
	double		first_byte_ms;	/* moving averages */
	double		ms_per_output_token;
	double		latency_ms;		/* whole call; median of the last ones */
} MrObserved;

/* What the candidates' expectations rest on. */
typedef struct MrBasis
{
	double		margin;			/* quality that another model must gain over
								 * the best single one; NaN = as much as the
								 * stated standard errors of both */
	bool		trusted;		/* a model that is expected to lose less
								 * quality than it usually does, does so */
	double		prior_shift;	/* added to the prior of a model that the
								 * router has not seen */
	double		prior_stderr;	/* of that */
} MrBasis;

/* Why a candidate stands first though the order did not put it there. */
typedef enum MrFront
{
	MR_FRONT_ORDER = 0,			/* it did */
	MR_FRONT_SINGLE,			/* the best single model (I8) */
	MR_FRONT_SURE,				/* what gains over it for sure */
	MR_FRONT_STRONG,			/* of a pair with a threshold */
	MR_FRONT_WEAK,
	MR_FRONT_EXPLORED			/* by chance */
} MrFront;

typedef struct MrCandidate
{
	/* in */
	const MrEndpoint *endpoint;
	MrObserved	observed;
	const MrLearned *learned;	/* NULL = the router has not seen the model */

	/* in: set by the caller for what the router cannot know; out: the rest */
	MrExclusion excluded_by;
	const char *excluded_detail;	/* static text or in current context */

	/* out */
	int			rank;			/* 1 = first choice; 0 = excluded */
	double		quality;		/* expected, 0..1; NaN = unknown */
	double		quality_stderr;
	double		stated_stderr;	/* the same, where priors state theirs only */
	double		typical_quality;	/* over all prompts; NaN = unknown */
	int64		output_tokens;	/* expected */
	int64		cost_picousd;	/* expected; MR_COST_UNKNOWN */
	int64		worst_cost_picousd; /* at max_tokens or the model's limit */
	double		latency_ms;		/* expected, whole call */
	double		quality_term;	/* the terms of the utility, weighted */
	double		cost_term;
	double		latency_term;
	double		utility;
	double		propensity;		/* probability to be first; NaN = excluded */
	MrFront		front;
	const char *reason;			/* why this place */
} MrCandidate;

extern void mr_router_read_prompt(const MrRequest *request,
								  MrPromptFeatures *features);
extern int	mr_router_decide(const MrRequest *request,
							 const MrPromptFeatures *features,
							 const MrBasis *basis,
							 MrCandidate *candidates, int ncandidates);
extern void mr_router_expect(const MrRequest *request,
							 const MrPromptFeatures *features,
							 const MrBasis *basis, MrCandidate *candidate);
extern int	mr_router_reorder(const MrRequest *request,
							  MrCandidate *candidates, int ncandidates);
extern void mr_router_explain(const MrRequest *request,
							  const MrPromptFeatures *features,
							  MrCandidate *candidates, int ncandidates);
extern bool mr_objective_parse(const char *text, MrObjective *objective,
							   const char **problem);
extern const char *mr_exclusion_name(MrExclusion exclusion);
extern int64 mr_router_count_tokens(const char *text, size_t bytes);

#endif							/* MR_ROUTER_H */

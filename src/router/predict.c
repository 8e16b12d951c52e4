/*
 * predict.c
 *	  What to expect of one endpoint for one prompt: quality, output tokens,
 *	  cost, latency.
 *
 * This is the predictor by catalog facts: quality from category priors
 * weighted by the prompt's category probabilities, tokens from the prompt or a
 * table, cost from prices, latency from what was measured lately drawn towards
 * a prior.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"

#include "router/hardness.h"
#include "router/internal.h"

/*
 * Output tokens that a model of ordinary verbosity writes, thinking not
 * counted, where nothing better is known than the category.  Round figures
 * from typical answer lengths; an endpoint's verbosity scales them.
 */
static const double category_output_tokens[MR_CATEGORIES] = {
	[MR_CATEGORY_DEFAULT] = 300,
	[MR_CATEGORY_CODE] = 500,
	[MR_CATEGORY_MATH] = 450,
	[MR_CATEGORY_REASONING] = 400,
	[MR_CATEGORY_KNOWLEDGE] = 200,
	[MR_CATEGORY_INSTRUCTION_FOLLOWING] = 300,
	[MR_CATEGORY_WRITING_CHAT] = 450,
	[MR_CATEGORY_MULTILINGUAL] = 250,
	[MR_CATEGORY_EXTRACTION_SUMMARIZATION] = 200,
	[MR_CATEGORY_LONG_CONTEXT] = 400,
	[MR_CATEGORY_TOOL_USE] = 150
};

/* How an explicit effort multiplies the output of endpoints that can think. */
static const struct
{
	const char *effort;
	double		factor;
}			efforts[] = {
	{"none", 1}, {"minimal", 1}, {"low", 1.5}, {"medium", 2.5},
	{"high", 5}, {"xhigh", 8}, {"max", 8}
};

/* An endpoint that states no speed. */
#define DEFAULT_FIRST_TOKEN_MS		800.0
#define DEFAULT_TOKENS_PER_SECOND	60.0

/* Calls after which measured latency weighs as much as the prior. */
#define LATENCY_PRIOR_CALLS			5.0

/* Of failures, for each unit of the prompt's hardness. */
#define HARDNESS_SLOPE				0.04

#define COST_MAX_USD				1e6 /* fits pico-USD in 64 bits */

/* Standard error, on the logit scale, of a prior that states none. */
#define DEFAULT_STDERR_LOGIT		0.5

static void predict_quality(const MrPrediction *prediction,
							MrCandidate *candidate);
static void predict_ability(const MrPrediction *prediction,
							MrCandidate *candidate);
static double clip(double quality);
static void predict_tokens(const MrPrediction *prediction,
						   MrCandidate *candidate);
static void predict_cost(const MrPrediction *prediction,
						 MrCandidate *candidate);
static void predict_latency(MrCandidate *candidate);
static int64 output_limit(const MrRequest *request,
						  const MrEndpoint *endpoint);

void
mr_prediction_init(MrPrediction *prediction, const MrRequest *request,
				   const MrPromptFeatures *features, const MrBasis *basis)
{
	prediction->request = request;
	prediction->basis = basis;
	prediction->failure_factor =
		1 + HARDNESS_SLOPE * mr_hardness(features->reading);
	prediction->ncategories = 0;
	prediction->input_tokens = features->input_tokens;
	prediction->output_tokens = 0;
	prediction->reasoning_factor = 1;
	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		double		probability = features->probability[i];

		if (probability <= 0)
			continue;
		prediction->category[prediction->ncategories] = i;
		prediction->probability[prediction->ncategories++] = probability;
		prediction->output_tokens += probability * category_output_tokens[i];
	}
	if (features->output_tokens > 0)
		prediction->output_tokens = features->output_tokens;
	if (request->reasoning_effort != NULL)
		for (size_t i = 0; i < lengthof(efforts); i++)
			if (strcmp(request->reasoning_effort, efforts[i].effort) == 0)
				prediction->reasoning_factor = efforts[i].factor;
}

/*
 * Fill the candidates' expectations from their endpoints and what was
 * observed.  A loop for each step: they overlap in the processor.
 */
void
mr_predict(const MrPrediction *prediction, MrCandidate *candidates,
		   int ncandidates)
{
	for (int i = 0; i < ncandidates; i++)
		predict_quality(prediction, &candidates[i]);
	for (int i = 0; i < ncandidates; i++)
		predict_tokens(prediction, &candidates[i]);
	for (int i = 0; i < ncandidates; i++)
		predict_cost(prediction, &candidates[i]);
	for (int i = 0; i < ncandidates; i++)
		predict_latency(&candidates[i]);
}

/*
 * What was learned; else quality = 1 - (1 - a) (1 + 0.04 h): the ability a of
 * the model for this kind of prompt, and the prompt's hardness h in -2.5..2.5,
 * which multiplies failures (as in item response theory, all models fail more
 * on harder items, weak ones by more).
 */
static inline void
predict_quality(const MrPrediction *prediction, MrCandidate *candidate)
{
	const MrBasis *basis = prediction->basis;
	double		factor = prediction->failure_factor;

	if (candidate->learned != NULL)
	{
		candidate->quality = candidate->learned->quality;
		candidate->quality_stderr = candidate->learned->quality_stderr;
		candidate->stated_stderr = candidate->learned->quality_stderr;
		candidate->typical_quality = candidate->learned->mean;
		return;
	}
	predict_ability(prediction, candidate);
	if (isnan(candidate->quality))
		return;
	candidate->typical_quality = clip(candidate->typical_quality
									  + basis->prior_shift);
	candidate->quality = clip(1 - factor * (1 - candidate->quality
											- basis->prior_shift));
	candidate->quality_stderr = factor * hypot(candidate->quality_stderr,
											   basis->prior_stderr);
}

/*
 * a = sum of p(c) quality[c] over the categories c; a category without a prior
 * takes that of DEFAULT.  The standard error is the same sum over q(1-q) se,
 * the delta method's from the logit scale; errors of one model are taken as
 * fully correlated.  Summed as differences from DEFAULT, so that equal priors
 * give exactly their value.  NaN without any prior.
 */
static inline void
predict_ability(const MrPrediction *prediction, MrCandidate *candidate)
{
	const MrEndpoint *endpoint = candidate->endpoint;
	double		base = endpoint->quality[MR_CATEGORY_DEFAULT];
	double		ability = 0;
	double		stderr_sum = 0;
	double		stated_sum = 0;

	for (int i = 0; isnan(base) && i < MR_CATEGORIES; i++)
		base = endpoint->quality[i];
	candidate->typical_quality = base;
	candidate->quality = base;
	candidate->quality_stderr = base;
	candidate->stated_stderr = base;
	if (isnan(base))
		return;
	for (int i = 0; i < prediction->ncategories; i++)
	{
		MrCategory	category = prediction->category[i];
		double		q = endpoint->quality[category];
		double		se = endpoint->quality_stderr[category];

		if (isnan(q))
			q = base;
		ability += prediction->probability[i] * (q - base);
		stderr_sum += prediction->probability[i] * q * (1 - q)
			* (isnan(se) ? DEFAULT_STDERR_LOGIT : se);
		stated_sum += prediction->probability[i] * q * (1 - q)
			* (isnan(se) ? 0 : se);
	}
	candidate->quality += ability;
	candidate->quality_stderr = stderr_sum;
	candidate->stated_stderr = stated_sum;
}

static inline double
clip(double quality)
{
	return Min(Max(quality, 0), 1);
}

static inline void
predict_tokens(const MrPrediction *prediction, MrCandidate *candidate)
{
	const MrEndpoint *endpoint = candidate->endpoint;
	const MrLearned *learned = candidate->learned;
	double		tokens = prediction->output_tokens;
	int64		limit = output_limit(prediction->request, endpoint);

	if (learned != NULL && !isnan(learned->output_tokens))
		tokens = learned->output_tokens;
	else if (endpoint->verbosity > 0)
		tokens *= endpoint->verbosity;
	if (endpoint->capabilities & MR_CAPABILITY_REASONING)
		tokens *= prediction->reasoning_factor;
	candidate->output_tokens = tokens < limit ? (int64) (tokens + 0.5) : limit;
}

/*
 * The most tokens that the endpoint would write for this request.
 */
static inline int64
output_limit(const MrRequest *request, const MrEndpoint *endpoint)
{
	int64		limit = endpoint->max_output_tokens > 0
		? endpoint->max_output_tokens : MR_UNKNOWN_MAX_OUTPUT;

	if (endpoint->context_window > 0)
		limit = Min(limit, endpoint->context_window);
	if (request->max_tokens > 0)
		limit = request->max_tokens;
	return limit;
}

static inline void
predict_cost(const MrPrediction *prediction, MrCandidate *candidate)
{
	const MrEndpoint *endpoint = candidate->endpoint;
	MrUsage		usage = {
		.input_uncached = prediction->input_tokens,
		.output = candidate->output_tokens
	};

	const MrLearned *learned = candidate->learned;

	candidate->cost_picousd = MR_COST_UNKNOWN;
	candidate->worst_cost_picousd = MR_COST_UNKNOWN;
	if (endpoint->has_price)
		candidate->cost_picousd = mr_price_cost(&endpoint->price, &usage);
	if (learned != NULL && learned->cost_usd < COST_MAX_USD &&
		(candidate->cost_picousd == MR_COST_UNKNOWN ||
		 isnan(learned->output_tokens)))
		candidate->cost_picousd = (int64) (learned->cost_usd * 1e12 + 0.5);
	if (!endpoint->has_price)
		return;
	candidate->worst_cost_picousd =
		mr_price_worst_cost(&endpoint->price, prediction->input_tokens,
							output_limit(prediction->request, endpoint));
}

/*
 * Whole-call latency: the prior is time to the first token plus output at the
 * endpoint's speed; n measured calls weigh n / (n + 5) against it.
 */
static inline void
predict_latency(MrCandidate *candidate)
{
	const MrEndpoint *endpoint = candidate->endpoint;
	const MrObserved *observed = &candidate->observed;
	double		first_ms = endpoint->first_token_ms >= 0
		? endpoint->first_token_ms : DEFAULT_FIRST_TOKEN_MS;
	double		speed = endpoint->tokens_per_second > 0
		? endpoint->tokens_per_second : DEFAULT_TOKENS_PER_SECOND;
	double		prior = first_ms + 1000.0 * candidate->output_tokens / speed;

	candidate->latency_ms = prior;
	if (observed->count > 0 && observed->latency_ms > 0)
	{
		double		weight = observed->count
			/ (observed->count + LATENCY_PRIOR_CALLS);

		candidate->latency_ms = prior
			+ weight * (observed->latency_ms - prior);
	}
}

/*
 * Expected milliseconds for an output token, the inverse of throughput.
 */
double
mr_predict_ms_per_token(const MrCandidate *candidate)
{
	const MrObserved *observed = &candidate->observed;
	double		speed = candidate->endpoint->tokens_per_second > 0
		? candidate->endpoint->tokens_per_second : DEFAULT_TOKENS_PER_SECOND;
	double		prior = 1000.0 / speed;

	if (observed->count <= 0 || !(observed->ms_per_output_token > 0))
		return prior;
	return prior + (observed->ms_per_output_token - prior)
		* observed->count / (observed->count + LATENCY_PRIOR_CALLS);
}

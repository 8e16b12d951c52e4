/*
 * limits.c
 *	  Hard limits: which candidates cannot serve a request, and why.
 */
#include "postgres.h"

#include <math.h>

#include "base/glob.h"
#include "router/internal.h"

/* Quality is a sum of products: equal within this is equal. */
#define QUALITY_EPSILON 1e-9

#define MICRO_USD 1e6

static const char *const exclusion_names[] = {
	[MR_EXCLUSION_NONE] = "none",
	[MR_EXCLUSION_DISABLED] = "disabled",
	[MR_EXCLUSION_RETIRED] = "retired",
	[MR_EXCLUSION_NOT_GRANTED] = "not_granted",
	[MR_EXCLUSION_NO_CREDENTIAL] = "no_credential",
	[MR_EXCLUSION_HOST] = "host",
	[MR_EXCLUSION_API] = "api",
	[MR_EXCLUSION_MODELS] = "models",
	[MR_EXCLUSION_EXCLUDE] = "exclude",
	[MR_EXCLUSION_PROVIDER] = "provider",
	[MR_EXCLUSION_MAX_PRICE] = "max_price",
	[MR_EXCLUSION_CAPABILITY] = "capability",
	[MR_EXCLUSION_CONTEXT] = "context",
	[MR_EXCLUSION_MAX_OUTPUT] = "max_output",
	[MR_EXCLUSION_MAX_COST] = "max_cost",
	[MR_EXCLUSION_PRICE_UNKNOWN] = "price_unknown",
	[MR_EXCLUSION_MIN_QUALITY] = "min_quality",
	[MR_EXCLUSION_MAX_LATENCY] = "max_latency",
	[MR_EXCLUSION_FALLBACK] = "fallback"
};

StaticAssertDecl(lengthof(exclusion_names) == MR_EXCLUSION_FALLBACK + 1,
				 "every exclusion has a name");

static MrExclusion check_scope(const MrRequest *request,
							   const MrEndpoint *endpoint);
static MrExclusion check_fit(const MrRequest *request,
							 const MrPromptFeatures *features,
							 const MrEndpoint *endpoint);
static bool over_max_price(const MrProviderRules *rules,
						   const MrEndpoint *endpoint);
static bool over_price(const MrEndpoint *endpoint, int64 price,
					   double limit_usd);
static MrExclusion check_expectation(const MrRequest *request,
									 const MrCandidate *candidate);
static bool matches_any(MrStrings globs, const MrEndpoint *endpoint);
static bool listed(MrStrings names, const char *name);
static int64 tokens_needed(const MrRequest *request,
						   const MrPromptFeatures *features);
static uint32 capabilities_needed(const MrRequest *request);
static const char *missing_capability(const MrRequest *request,
									  const MrEndpoint *endpoint);
static const char *price_detail(const MrRequest *request,
								const MrEndpoint *endpoint);

const char *
mr_exclusion_name(MrExclusion exclusion)
{
	return exclusion_names[exclusion];
}

/*
 * Why a candidate cannot serve the request.  What the request leaves out
 * (models, exclude, provider) goes before what the caller found, so that an
 * explanation speaks of endpoints that were asked for; then the rest.
 */
MrExclusion
mr_limits_check(const MrRequest *request, const MrPromptFeatures *features,
				const MrCandidate *candidate)
{
	MrExclusion exclusion = check_scope(request, candidate->endpoint);

	if (exclusion == MR_EXCLUSION_NONE)
		exclusion = candidate->excluded_by;
	if (exclusion == MR_EXCLUSION_NONE)
		exclusion = check_fit(request, features, candidate->endpoint);
	if (exclusion == MR_EXCLUSION_NONE)
		exclusion = check_expectation(request, candidate);
	return exclusion;
}

static MrExclusion
check_scope(const MrRequest *request, const MrEndpoint *endpoint)
{
	const MrProviderRules *rules = &request->provider;

	if (request->models != NULL && !matches_any(request->models, endpoint))
		return MR_EXCLUSION_MODELS;
	if (request->exclude != NULL && matches_any(request->exclude, endpoint))
		return MR_EXCLUSION_EXCLUDE;
	if (rules->only != NULL && !listed(rules->only, endpoint->provider))
		return MR_EXCLUSION_PROVIDER;
	if (rules->ignore != NULL && listed(rules->ignore, endpoint->provider))
		return MR_EXCLUSION_PROVIDER;
	return MR_EXCLUSION_NONE;
}

static MrExclusion
check_fit(const MrRequest *request, const MrPromptFeatures *features,
		  const MrEndpoint *endpoint)
{
	if (capabilities_needed(request) & ~endpoint->capabilities)
		return MR_EXCLUSION_CAPABILITY;
	if (endpoint->max_output_tokens > 0 &&
		request->max_tokens > endpoint->max_output_tokens)
		return MR_EXCLUSION_MAX_OUTPUT;
	if (endpoint->context_window > 0 &&
		tokens_needed(request, features) > endpoint->context_window)
		return MR_EXCLUSION_CONTEXT;
	if (over_max_price(&request->provider, endpoint))
		return MR_EXCLUSION_MAX_PRICE;
	return MR_EXCLUSION_NONE;
}

static int64
tokens_needed(const MrRequest *request, const MrPromptFeatures *features)
{
	return features->input_tokens + request->max_tokens;
}

static uint32
capabilities_needed(const MrRequest *request)
{
	return request->capabilities | MR_CAPABILITY_CHAT;
}

static bool
over_max_price(const MrProviderRules *rules, const MrEndpoint *endpoint)
{
	return over_price(endpoint, endpoint->price.input,
					  rules->max_prompt_price) ||
		over_price(endpoint, endpoint->price.output,
				   rules->max_completion_price);
}

/*
 * An unknown price is over any limit.
 */
static bool
over_price(const MrEndpoint *endpoint, int64 price, double limit_usd)
{
	if (isnan(limit_usd))
		return false;
	return !endpoint->has_price || price == MR_PRICE_UNKNOWN ||
		price > limit_usd * MICRO_USD * (1 + QUALITY_EPSILON);
}

static MrExclusion
check_expectation(const MrRequest *request, const MrCandidate *candidate)
{
	if (!isnan(request->max_cost_usd))
	{
		if (candidate->worst_cost_picousd == MR_COST_UNKNOWN)
			return MR_EXCLUSION_PRICE_UNKNOWN;
		if (mr_cost_usd(candidate->worst_cost_picousd) >
			request->max_cost_usd)
			return MR_EXCLUSION_MAX_COST;
	}
	if (!isnan(request->min_quality) &&
		!(candidate->quality >= request->min_quality - QUALITY_EPSILON))
		return MR_EXCLUSION_MIN_QUALITY;
	if (!isnan(request->max_latency_ms) &&
		candidate->latency_ms > request->max_latency_ms)
		return MR_EXCLUSION_MAX_LATENCY;
	return MR_EXCLUSION_NONE;
}

/*
 * Globs apply to the model's name and to provider/model.
 */
static bool
matches_any(MrStrings globs, const MrEndpoint *endpoint)
{
	char		name[2 * NAMEDATALEN + 256];
	int			length = -1;

	for (; *globs != NULL; globs++)
	{
		if (mr_glob_match(*globs, endpoint->model))
			return true;
		if (length < 0)
			length = snprintf(name, sizeof(name), "%s/%s",
							  endpoint->provider, endpoint->model);
		if (length < (int) sizeof(name) && mr_glob_match(*globs, name))
			return true;
	}
	return false;
}

static bool
listed(MrStrings names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/*
 * The figures behind an exclusion, or NULL where its word says all.
 */
const char *
mr_limits_detail(const MrRequest *request, const MrPromptFeatures *features,
				 const MrCandidate *candidate)
{
	const MrEndpoint *endpoint = candidate->endpoint;

	switch (candidate->excluded_by)
	{
		case MR_EXCLUSION_CAPABILITY:
			return psprintf("lacks %s", missing_capability(request, endpoint));
		case MR_EXCLUSION_CONTEXT:
			return psprintf("needs %lld tokens, context window is %d",
							(long long) tokens_needed(request, features),
							endpoint->context_window);
		case MR_EXCLUSION_MAX_OUTPUT:
			return psprintf("max_tokens %d, limit is %d",
							request->max_tokens, endpoint->max_output_tokens);
		case MR_EXCLUSION_MAX_PRICE:
			return price_detail(request, endpoint);
		case MR_EXCLUSION_MAX_COST:
			return psprintf("worst case %.6g USD, limit is %.6g",
							mr_cost_usd(candidate->worst_cost_picousd),
							request->max_cost_usd);
		case MR_EXCLUSION_MIN_QUALITY:
			if (isnan(candidate->quality))
				return "quality is not known";
			return psprintf("expected %.3f, limit is %.6g",
							candidate->quality, request->min_quality);
		case MR_EXCLUSION_MAX_LATENCY:
			return psprintf("expected %.0f ms, limit is %.6g",
							candidate->latency_ms, request->max_latency_ms);
		default:
			return NULL;
	}
}

static const char *
missing_capability(const MrRequest *request, const MrEndpoint *endpoint)
{
	uint32		missing = capabilities_needed(request)
		& ~endpoint->capabilities;

	return mr_capability_name(missing & -missing);
}

static const char *
price_detail(const MrRequest *request, const MrEndpoint *endpoint)
{
	const MrProviderRules *rules = &request->provider;
	bool		prompt = over_price(endpoint, endpoint->price.input,
									rules->max_prompt_price);
	int64		price = prompt ? endpoint->price.input : endpoint->price.output;

	if (!endpoint->has_price || price == MR_PRICE_UNKNOWN)
		return "price is not known";
	return psprintf("%s costs %.6g USD per million tokens, limit is %.6g",
					prompt ? "prompt" : "completion", price / MICRO_USD,
					prompt ? rules->max_prompt_price
					: rules->max_completion_price);
}

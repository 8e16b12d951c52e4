/*
 * endpoint.c
 *	  The words for categories and capabilities, and the arithmetic of money.
 *
 * Costs are pico-USD in 64 bits: tokens times micro-USD per million tokens,
 * exactly.  What is not known, or does not fit, is MR_COST_UNKNOWN and never
 * less than the truth.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/float.h"

#include "base/endpoint.h"

static const char *const category_names[MR_CATEGORIES] = {
	[MR_CATEGORY_DEFAULT] = "default",
	[MR_CATEGORY_CODE] = "code",
	[MR_CATEGORY_MATH] = "math",
	[MR_CATEGORY_REASONING] = "reasoning",
	[MR_CATEGORY_KNOWLEDGE] = "knowledge",
	[MR_CATEGORY_INSTRUCTION_FOLLOWING] = "instruction_following",
	[MR_CATEGORY_WRITING_CHAT] = "writing_chat",
	[MR_CATEGORY_MULTILINGUAL] = "multilingual",
	[MR_CATEGORY_EXTRACTION_SUMMARIZATION] = "extraction_summarization",
	[MR_CATEGORY_LONG_CONTEXT] = "long_context",
	[MR_CATEGORY_TOOL_USE] = "tool_use",
};

static const struct
{
	MrCapability capability;
	const char *name;
}			capability_names[] =
{
	{MR_CAPABILITY_CHAT, "chat"},
	{MR_CAPABILITY_TOOLS, "tools"},
	{MR_CAPABILITY_JSON_SCHEMA, "json_schema"},
	{MR_CAPABILITY_VISION, "vision"},
	{MR_CAPABILITY_REASONING, "reasoning"},
	{MR_CAPABILITY_STREAMING, "streaming"},
	{MR_CAPABILITY_EMBEDDINGS, "embeddings"},
	{MR_CAPABILITY_SAMPLING, "sampling"},
};

/* The price of each kind of token in one request, its tier chosen. */
typedef struct TierPrice
{
	int64		input;
	int64		output;
	int64		cached_input;
	int64		cache_write;
} TierPrice;

/* The word of a category, as in category_prior.category. */
const char *
mr_category_name(MrCategory category)
{
	Assert(category >= 0 && category < MR_CATEGORIES);
	return category_names[category];
}

bool
mr_category_parse(const char *name, MrCategory *category)
{
	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (strcmp(name, category_names[i]) == 0)
		{
			*category = (MrCategory) i;
			return true;
		}
	}
	return false;
}

/* The word of a single capability, as in endpoint.capabilities, or NULL. */
const char *
mr_capability_name(MrCapability capability)
{
	for (int i = 0; i < (int) lengthof(capability_names); i++)
	{
		if (capability_names[i].capability == capability)
			return capability_names[i].name;
	}
	return NULL;
}

bool
mr_capability_parse(const char *name, MrCapability *capability)
{
	for (int i = 0; i < (int) lengthof(capability_names); i++)
	{
		if (strcmp(name, capability_names[i].name) == 0)
		{
			*capability = capability_names[i].capability;
			return true;
		}
	}
	return false;
}

/* Prompt tokens in all, cached ones included. */
int64
mr_usage_input(const MrUsage *usage)
{
	return usage->input_uncached + usage->cache_read + usage->cache_write;
}

/*
 * No list has a price for writing the cache above the threshold: it is taken
 * to rise as the input price does, rounded up.
 */
static int64
scale_cache_write(const MrPrice *price)
{
	int64		scaled;

	if (price->cache_write == MR_PRICE_UNKNOWN ||
		price->input == MR_PRICE_UNKNOWN || price->input <= 0 ||
		price->long_context_input == MR_PRICE_UNKNOWN ||
		pg_mul_s64_overflow(price->cache_write, price->long_context_input,
							&scaled))
		return MR_PRICE_UNKNOWN;
	return scaled / price->input + (scaled % price->input != 0);
}

static TierPrice
choose_tier(const MrPrice *price, int64 input_tokens)
{
	TierPrice	tier;

	if (price->long_context_threshold > 0 &&
		input_tokens > price->long_context_threshold)
	{
		tier.input = price->long_context_input;
		tier.output = price->long_context_output;
		tier.cached_input = price->long_context_cached_input;
		tier.cache_write = scale_cache_write(price);
	}
	else
	{
		tier.input = price->input;
		tier.output = price->output;
		tier.cached_input = price->cached_input;
		tier.cache_write = price->cache_write;
	}
	if (tier.cached_input == MR_PRICE_UNKNOWN)
		tier.cached_input = tier.input;
	if (tier.cache_write == MR_PRICE_UNKNOWN)
		tier.cache_write = tier.input;
	return tier;
}

/* Adds tokens at a price; false when that is unknown or does not fit. */
static bool
add_cost(int64 *cost, int64 tokens, int64 price)
{
	int64		part;

	if (tokens == 0)
		return true;
	if (tokens < 0 || price == MR_PRICE_UNKNOWN)
		return false;
	return !pg_mul_s64_overflow(tokens, price, &part) &&
		!pg_add_s64_overflow(*cost, part, cost);
}

/* What an attempt cost in pico-USD, or MR_COST_UNKNOWN. */
int64
mr_price_cost(const MrPrice *price, const MrUsage *usage)
{
	TierPrice	tier = choose_tier(price, mr_usage_input(usage));
	int64		cost = 0;

	if (!add_cost(&cost, usage->input_uncached, tier.input) ||
		!add_cost(&cost, usage->cache_read, tier.cached_input) ||
		!add_cost(&cost, usage->cache_write, tier.cache_write) ||
		!add_cost(&cost, usage->output, tier.output))
		return MR_COST_UNKNOWN;
	return cost;
}

/*
 * The most a request can cost in pico-USD: every prompt token at the dearest
 * way of billing it.  MR_COST_UNKNOWN when a price is not known.
 */
int64
mr_price_worst_cost(const MrPrice *price, int64 input_tokens,
					int64 output_tokens)
{
	TierPrice	tier = choose_tier(price, input_tokens);
	int64		input_price = tier.input;
	int64		cost = 0;

	if (input_price != MR_PRICE_UNKNOWN)
		input_price = Max(input_price,
						  Max(tier.cached_input, tier.cache_write));
	if (!add_cost(&cost, input_tokens, input_price) ||
		!add_cost(&cost, output_tokens, tier.output))
		return MR_COST_UNKNOWN;
	return cost;
}

/* For display and comparison: USD, or NaN when unknown. */
double
mr_cost_usd(int64 cost_picousd)
{
	if (cost_picousd == MR_COST_UNKNOWN)
		return get_float8_nan();
	return (double) cost_picousd / 1e12;
}

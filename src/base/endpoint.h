/*
 * endpoint.h
 *	  What is known of one endpoint (a model at a provider): limits, prices,
 *	  capabilities, quality by category; and the words for categories and
 *	  capabilities.
 *
 * Plain data shared by the catalog, which fills it, and by the router, the
 * dialects and the engine, which only read it.  Prices are integers: micro-USD
 * per million tokens, so that tokens x price is pico-USD exactly and no cost
 * ever passes through a double.
 */
#ifndef MR_ENDPOINT_H
#define MR_ENDPOINT_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Kinds of prompt, the columns of table category_prior. */
typedef enum MrCategory
{
	MR_CATEGORY_DEFAULT = 0,	/* unknown kind: the mean over the others */
	MR_CATEGORY_CODE,
	MR_CATEGORY_MATH,
	MR_CATEGORY_REASONING,
	MR_CATEGORY_KNOWLEDGE,
	MR_CATEGORY_INSTRUCTION_FOLLOWING,
	MR_CATEGORY_WRITING_CHAT,
	MR_CATEGORY_MULTILINGUAL,
	MR_CATEGORY_EXTRACTION_SUMMARIZATION,
	MR_CATEGORY_LONG_CONTEXT,
	MR_CATEGORY_TOOL_USE
} MrCategory;

#define MR_CATEGORIES (MR_CATEGORY_TOOL_USE + 1)

/* What an endpoint can do; the words of endpoint.capabilities. */
typedef enum MrCapability
{
	MR_CAPABILITY_NONE = 0,
	MR_CAPABILITY_CHAT = 1 << 0,
	MR_CAPABILITY_TOOLS = 1 << 1,
	MR_CAPABILITY_JSON_SCHEMA = 1 << 2,
	MR_CAPABILITY_VISION = 1 << 3,
	MR_CAPABILITY_REASONING = 1 << 4,
	MR_CAPABILITY_STREAMING = 1 << 5,
	MR_CAPABILITY_EMBEDDINGS = 1 << 6,
	MR_CAPABILITY_SAMPLING = 1 << 7 /* accepts temperature and top_p */
} MrCapability;

#define MR_PRICE_UNKNOWN	PG_INT64_MIN
#define MR_COST_UNKNOWN		PG_INT64_MIN

/* One row of table price; each price in micro-USD per million tokens. */
typedef struct MrPrice
{
	int64		input;
	int64		output;
	int64		cached_input;	/* unknown: billed as input */
	int64		cache_write;	/* unknown: billed as input */
	int			long_context_threshold; /* prompt tokens; 0 = no tier */
	int64		long_context_input; /* the whole request above the threshold */
	int64		long_context_cached_input;
	int64		long_context_output;
} MrPrice;

/* Tokens of one attempt, each counted once (PROVIDERS.md section 0). */
typedef struct MrUsage
{
	int64		input_uncached;
	int64		cache_read;
	int64		cache_write;
	int64		output;			/* all that is billed, reasoning included */
	int64		reasoning;		/* the part of output that was thought */
	bool		estimated;		/* the provider sent none: counted here */
} MrUsage;

/* One endpoint.  Strings and arrays live as long as the catalog snapshot. */
typedef struct MrEndpoint
{
	/* identity */
	const char *model;			/* catalog name */
	const char *provider;
	const char *upstream_name;	/* the model's name at the provider */
	uint64		key;			/* hash of provider and model, for health */

	/* how to reach it */
	const char *api;			/* dialect: openai, anthropic, ... */
	const char *base_url;		/* without trailing slash */
	const char *chat_path;		/* starts with a slash, or NULL: dialect's */
	const char *max_tokens_field;	/* openai dialect only, or NULL */
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL */
	bool		needs_credential;
	bool		has_credential; /* one exists for the current role */

	/* limits; 0 = unknown */
	int			context_window;
	int			max_output_tokens;
	uint32		capabilities;	/* bits of MrCapability */

	/* life */
	bool		enabled;		/* of provider, model and endpoint */
	bool		retired;		/* status retired, or past retirement_date */

	/* money */
	bool		has_price;
	MrPrice		price;

	/* expectations */
	double		quality[MR_CATEGORIES]; /* 0..1; NaN = unknown */
	double		quality_stderr[MR_CATEGORIES];	/* logit scale; NaN = unknown */
	double		first_token_ms; /* prior; NaN = by tier */
	double		tokens_per_second;	/* prior; NaN = by tier */
	double		verbosity;		/* output tokens relative to the category's */
} MrEndpoint;

extern const char *mr_category_name(MrCategory category);
extern bool mr_category_parse(const char *name, MrCategory *category);
extern const char *mr_capability_name(MrCapability capability);
extern bool mr_capability_parse(const char *name, MrCapability *capability);

extern int64 mr_usage_input(const MrUsage *usage);
extern int64 mr_price_cost(const MrPrice *price, const MrUsage *usage);
extern int64 mr_price_worst_cost(const MrPrice *price, int64 input_tokens,
								 int64 output_tokens);
extern double mr_cost_usd(int64 cost_picousd);

#endif							/* MR_ENDPOINT_H */

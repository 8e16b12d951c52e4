/*
 * request.h
 *	  What the user asked, after validation: prompt or messages, model,
 *	  objective, limits and options.
 *
 * All text is UTF-8 whatever the server encoding, NUL-terminated, and lives in
 * the memory context of the call.  *_json fields hold valid JSON text.
 */
#ifndef MR_REQUEST_H
#define MR_REQUEST_H

#include "postgres.h"

#include "base/endpoint.h"

/* Weights of the utility; the named objectives are rows of weights. */
typedef struct MrObjective
{
	const char *name;			/* as typed, for the record */
	double		quality;
	double		cost;
	double		latency;
	double		usd;			/* utility that one US dollar costs, 0..1e9 */
	bool		floor;			/* cheapest or fastest above a quality floor */
	double		quality_floor;	/* share of the best candidate's quality */
} MrObjective;

/* The router that is built in, which no table has to hold. */
#define MR_ROUTER_DEFAULT "default"

typedef enum MrOnError
{
	MR_ON_ERROR_RAISE = 0,
	MR_ON_ERROR_NULL
} MrOnError;

/* NULL-terminated array of strings, or NULL when the option was not given. */
typedef const char *const *MrStrings;

/* OpenRouter's provider object. */
typedef struct MrProviderRules
{
	MrStrings	order;			/* providers to try first, in this order */
	MrStrings	only;
	MrStrings	ignore;
	const char *sort;			/* price, latency, throughput, or NULL */
	bool		no_fallbacks;	/* allow_fallbacks: false */
	bool		require_parameters;
	double		max_prompt_price;	/* USD per million tokens; NaN = no limit */
	double		max_completion_price;
} MrProviderRules;

typedef struct MrRequest
{
	/* content: a prompt, or messages as an OpenAI array */
	const char *prompt;			/* NULL when messages are given */
	size_t		prompt_bytes;
	const char *system;			/* system text beside a prompt, or NULL */
	const char *messages_json;	/* NULL when a prompt is given */
	size_t		messages_bytes;
	int			nmessages;

	/*
	 * The text inside messages_json, joined by newlines, for the router only:
	 * first what system and developer messages say, then all other messages
	 * in order.  NULL when a prompt is given.
	 */
	const char *messages_text;
	size_t		messages_text_bytes;
	size_t		messages_system_bytes;	/* the part said by the system */

	/* generation; sent only when set */
	int			max_tokens;		/* 0 = not set */
	double		temperature;	/* NaN = not set */
	double		top_p;			/* NaN = not set */
	bool		has_seed;
	int64		seed;
	const char *reasoning_effort;
	MrStrings	stop;
	const char *tools_json;
	const char *tool_choice_json;
	const char *response_format_json;
	const char *extra_json;		/* object merged into the provider's body */

	/* choice */
	const char *model;			/* auto, model or provider/model */
	const char *requested_model;	/* as typed: also a preset or a router */
	const char *router;			/* name or name:version */
	double		strong_threshold;	/* strong model from this share of wins
									 * on; NaN = not given */
	const char *strong;			/* model that the threshold is about, or NULL */
	const char *weak;			/* the other one, or NULL */
	double		explore;		/* share of calls whose first candidate is
								 * drawn by chance */
	uint64		random;			/* decides that; 0 = not drawn */
	MrObjective objective;
	double		max_cost_usd;	/* worst case; NaN = no limit */
	double		min_quality;	/* NaN = no limit */
	double		max_latency_ms; /* NaN = no limit */
	MrStrings	models;			/* globs on model or provider/model */
	MrStrings	exclude;		/* globs */
	MrProviderRules provider;
	uint32		capabilities;	/* needed: given plus inferred */
	MrCategory	category;		/* declared by the caller; DEFAULT = classify */

	/* the call */
	int			total_timeout_ms;
	int			connect_timeout_ms;
	int			first_byte_timeout_ms;
	int			idle_timeout_ms;
	int			max_attempts;
	MrOnError	on_error;
	const char *tag;
	const char *ref;
	const char *task;			/* as typed, or NULL */
	const char *task_key;		/* task, else the statement's query id, or
								 * NULL */
} MrRequest;

#endif							/* MR_REQUEST_H */

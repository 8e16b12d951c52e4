/*
 * options.c
 *	  From the SQL arguments of a call to a checked request.
 *
 * Options are a closed set: one row each in option_rows, which names the field
 * that it fills, its type and its range.  A JSON null is an option not given.
 */
#include "postgres.h"

#include <math.h>

#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "api/model_name.h"
#include "api/options.h"
#include "api/option_values.h"
#include "base/guc.h"
#include "base/text.h"
#include "base/versioned_name.h"
#include "provider/provider.h"
#include "router/router.h"

#define MAX_NUMBER	1e15		/* of options without a bound of their own */
#define INT_BOUND	2147483647.0

static void set_models(void *target, const MrOption *option);
static void set_objective(void *target, const MrOption *option);
static char *write_weights(const MrObjective *objective);
static void set_provider(void *target, const MrOption *option);
static void set_max_price(void *target, const MrOption *option);
static void set_provider_sort(void *target, const MrOption *option);
static void set_allow_fallbacks(void *target, const MrOption *option);
static void set_capabilities(void *target, const MrOption *option);
static void set_category(void *target, const MrOption *option);
static void set_seed(void *target, const MrOption *option);
static void set_reasoning_effort(void *target, const MrOption *option);
static void set_stop(void *target, const MrOption *option);
static void set_extra(void *target, const MrOption *option);
static void set_tools(void *target, const MrOption *option);
static void set_tool_choice(void *target, const MrOption *option);
static void set_response_format(void *target, const MrOption *option);
static void set_on_error(void *target, const MrOption *option);
static void set_router(void *target, const MrOption *option);
static void check_preset(void *target, const MrOption *option);

#define FIELD(type, field) \
	.kind = MR_OPTION_##type, .offset = offsetof(MrRequest, field)
#define RANGE(low, high) .minimum = (low), .maximum = (high)
#define SET(function) .kind = MR_OPTION_CUSTOM, .set = (function)

static const MrOptionRow option_rows[] = {
	{"capabilities", SET(set_capabilities)},
	{"category", SET(set_category)},
	{"connect_timeout_ms", FIELD(INT, connect_timeout_ms), RANGE(0, INT_BOUND)},
	{"exclude", FIELD(STRINGS, exclude)},
	{"explore", FIELD(DOUBLE, explore), RANGE(0, 1)},
	{"extra", SET(set_extra)},
	{"first_byte_timeout_ms", FIELD(INT, first_byte_timeout_ms),
	RANGE(0, INT_BOUND)},
	{"idle_timeout_ms", FIELD(INT, idle_timeout_ms), RANGE(0, INT_BOUND)},
	{"max_attempts", FIELD(INT, max_attempts), RANGE(1, MR_ATTEMPTS_MAX)},
	{"max_cost", FIELD(DOUBLE, max_cost_usd), RANGE(0, MAX_NUMBER)},
	{"max_latency_ms", FIELD(DOUBLE, max_latency_ms), RANGE(0, MAX_NUMBER)},
	{"max_tokens", FIELD(INT, max_tokens), RANGE(1, INT_BOUND)},
	{"min_quality", FIELD(DOUBLE, min_quality), RANGE(0, 1)},
	{"models", SET(set_models)},
	{"objective", SET(set_objective)},
	{"on_error", SET(set_on_error)},
	{"preset", SET(check_preset)},
	{"provider", SET(set_provider)},
	{"reasoning_effort", SET(set_reasoning_effort)},
	{"ref", FIELD(KEY, ref)},
	{"response_format", SET(set_response_format)},
	{"router", SET(set_router)},
	{"seed", SET(set_seed)},
	{"stop", SET(set_stop)},
	{"strong", FIELD(TEXT, strong)},
	{"system", FIELD(LONG_TEXT, system)},
	{"tag", FIELD(KEY, tag)},
	{"task", FIELD(KEY, task)},
	{"temperature", FIELD(DOUBLE, temperature), RANGE(0, 2)},
	{"tool_choice", SET(set_tool_choice)},
	{"tools", SET(set_tools)},
	{"top_p", FIELD(DOUBLE, top_p), RANGE(0, 1)},
	{"total_timeout_ms", FIELD(INT, total_timeout_ms), RANGE(0, INT_BOUND)},
	{"weak", FIELD(TEXT, weak)},
};

/* The field names of OpenRouter's provider object that are supported. */
static const MrOptionRow provider_rows[] = {
	{"allow_fallbacks", SET(set_allow_fallbacks)},
	{"ignore", FIELD(STRINGS, provider.ignore)},
	{"max_price", SET(set_max_price)},
	{"only", FIELD(STRINGS, provider.only)},
	{"order", FIELD(STRINGS, provider.order)},
	{"require_parameters", FIELD(BOOL, provider.require_parameters)},
	{"sort", SET(set_provider_sort)},
};

static const MrOptionRow max_price_rows[] = {
	{"completion", FIELD(DOUBLE, provider.max_completion_price),
	RANGE(0, MAX_NUMBER)},
	{"prompt", FIELD(DOUBLE, provider.max_prompt_price),
	RANGE(0, MAX_NUMBER)},
};

static const MrOptionRow weight_rows[] = {
	{"cost", FIELD(DOUBLE, objective.cost), RANGE(0, MAX_NUMBER)},
	{"latency", FIELD(DOUBLE, objective.latency), RANGE(0, MAX_NUMBER)},
	{"quality", FIELD(DOUBLE, objective.quality), RANGE(0, MAX_NUMBER)},
	{"usd", FIELD(DOUBLE, objective.usd), RANGE(0, MR_USD_WEIGHT_MAX)},
};

static const MrOptionTable options_table =
{"", option_rows, lengthof(option_rows), "{\"max_cost\": 0.01}"};
static const MrOptionTable provider_table =
{"provider.", provider_rows, lengthof(provider_rows), NULL};
static const MrOptionTable max_price_table =
{"provider.max_price.", max_price_rows, lengthof(max_price_rows), NULL};
static const MrOptionTable weight_table =
{"objective.", weight_rows, lengthof(weight_rows), NULL};

static void set_defaults(MrRequest *request, MrOnError on_error);
static void infer_capabilities(MrRequest *request);
static const char *query_task(void);

void
mr_request_init(MrRequest *request, text *model, Jsonb *options,
				MrOnError on_error)
{
	set_defaults(request, on_error);
	mr_request_set_model(request, model);
	if (!mr_options_given(options))
		options = NULL;
	options = mr_request_apply_preset(request, options);
	if (options != NULL)
		mr_options_read(request, &options_table, &options->root);
	mr_request_split_model(request);
	if (request->objective.name == NULL)
		mr_request_set_objective(request, mr_guc_objective);
	request->task_key = request->task != NULL ? request->task : query_task();
	infer_capabilities(request);
}

static void
set_defaults(MrRequest *request, MrOnError on_error)
{
	memset(request, 0, sizeof(*request));
	request->router = mr_guc_router;
	request->strong_threshold = get_float8_nan();
	request->temperature = get_float8_nan();
	request->top_p = get_float8_nan();
	request->max_cost_usd = get_float8_nan();
	request->min_quality = get_float8_nan();
	request->max_latency_ms = get_float8_nan();
	request->provider.max_prompt_price = get_float8_nan();
	request->provider.max_completion_price = get_float8_nan();
	request->objective.quality_floor = mr_guc_quality_floor;
	request->total_timeout_ms = mr_guc_total_timeout_ms;
	request->connect_timeout_ms = mr_guc_connect_timeout_ms;
	request->first_byte_timeout_ms = mr_guc_first_byte_timeout_ms;
	request->idle_timeout_ms = mr_guc_idle_timeout_ms;
	request->max_attempts = mr_guc_max_attempts;
	request->on_error = mr_guc_on_error > 0
		? (MrOnError) (mr_guc_on_error - 1) : on_error;
}

static void
infer_capabilities(MrRequest *request)
{
	if (request->tools_json != NULL)
		request->capabilities |= MR_CAPABILITY_TOOLS;
	if (request->provider.require_parameters &&
		(!isnan(request->temperature) || !isnan(request->top_p)))
		request->capabilities |= MR_CAPABILITY_SAMPLING;
}

/*
 * A statement that is made again and again is a task, too: its query id, as
 * audit.query_id has it.  NULL when PostgreSQL computes none.
 */
static const char *
query_task(void)
{
	uint64		query_id = pgstat_get_my_query_id();

	return query_id == 0 ? NULL :
		psprintf("query:" INT64_FORMAT, (int64) query_id);
}

void
mr_request_set_prompt(MrRequest *request, text *prompt)
{
	size_t		bytes = VARSIZE_ANY_EXHDR(prompt);

	if (bytes == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prompt must not be empty"),
				 errhint("Leave out rows with WHERE prompt <> '', or pass NULL to get NULL.")));
	if (bytes > MR_PROMPT_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prompt of %zu bytes is too long", bytes),
				 errdetail("The limit is %d bytes.", MR_PROMPT_MAX_BYTES)));
	request->prompt = mr_text_to_utf8(VARDATA_ANY(prompt), bytes,
									  &request->prompt_bytes);
}

/*
 * The name is kept: it must live as long as the request.
 */
void
mr_request_set_objective(MrRequest *request, const char *objective)
{
	const char *problem = NULL;

	if (!mr_objective_parse(objective, &request->objective, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid objective \"%s\"", objective),
				 errdetail("%s", problem),
				 errhint("Give quality, cost, latency, balanced, or weights such as 'quality=0.6,cost=0.3,latency=0.1' or 'quality=1,usd=50'.")));
}

static void
set_objective(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	MrObjective *objective = &request->objective;

	if (option->value->type == jbvString)
		mr_request_set_objective(request, mr_option_server_text(option));
	else
	{
		mr_options_read(request, &weight_table,
						mr_option_object(option, "a string or an object of weights"));
		mr_request_set_objective(request, write_weights(objective));
	}
}

static char *
write_weights(const MrObjective *objective)
{
	char	   *weights = psprintf("quality=%.15g,cost=%.15g,latency=%.15g",
								   objective->quality, objective->cost,
								   objective->latency);

	return objective->usd > 0
		? psprintf("%s,usd=%.15g", weights, objective->usd) : weights;
}

/*
 * An empty list would match no model.
 */
static void
set_models(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	request->models = mr_option_strings(option, MR_OPTION_LIST_MAX);
	if (request->models[0] == NULL)
		mr_option_bad(option, "The list must not be empty.");
}

static void
set_provider(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	mr_options_read(request, &provider_table,
					mr_option_object(option, "an object"));
	if (request->provider.only != NULL && request->provider.only[0] == NULL)
		mr_option_bad(option, "The list in \"only\" must not be empty.");
}

static void
set_max_price(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	mr_options_read(request, &max_price_table,
					mr_option_object(option, "an object"));
}

static void
set_provider_sort(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	static const char *const words[] = {"price", "latency", "throughput"};

	request->provider.sort =
		words[mr_option_word(option, words, lengthof(words))];
}

static void
set_allow_fallbacks(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	request->provider.no_fallbacks = !mr_option_bool(option);
}

static void
set_capabilities(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	MrStrings	names = mr_option_strings(option, MR_OPTION_LIST_MAX);

	for (; *names != NULL; names++)
	{
		MrCapability capability;

		if (!mr_capability_parse(*names, &capability))
			mr_option_bad(option, "Capabilities are chat, tools, json_schema, "
						  "vision, reasoning, streaming, embeddings and sampling.");
		request->capabilities |= capability;
	}
}

static void
set_category(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	if (!mr_category_parse(mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES),
						   &request->category))
		mr_option_bad(option, "Categories are default, code, math, reasoning, "
					  "knowledge, instruction_following, writing_chat, "
					  "multilingual, extraction_summarization, long_context "
					  "and tool_use.");
}

static void
set_seed(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	request->seed = mr_option_int64(option);
	request->has_seed = true;
}

static void
set_reasoning_effort(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	static const char *const words[] = {
		"none", "minimal", "low", "medium", "high", "xhigh", "max"
	};

	request->reasoning_effort =
		words[mr_option_word(option, words, lengthof(words))];
}

static void
set_stop(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	request->stop = mr_option_strings(option, MR_STOP_MAX);
	if (request->stop[0] == NULL)
		request->stop = NULL;
}

/*
 * Any field of the provider's body but those that this call decides.
 */
static void
set_extra(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	JsonbContainer *object = mr_option_object(option, "an object");
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			char	   *name = pnstrdup(value.val.string.val,
										value.val.string.len);

			if (!mr_extra_key_allowed(name))
				mr_option_bad(option, psprintf("It must not set \"%s\".",
											   name));
		}
	}
	request->extra_json = mr_option_json(option);
}

/*
 * An empty list of tools is none.
 */
static void
set_tools(void *target, const MrOption *option)
{
	MrRequest  *request = target;

	if (mr_option_array_length(option, "an array of tools") > 0)
		request->tools_json = mr_option_json(option);
}

static void
set_tool_choice(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	static const char *const words[] = {"auto", "none", "required"};

	if (option->value->type == jbvString)
		mr_option_word(option, words, lengthof(words));
	else
		mr_option_object(option, "a string or an object");
	request->tool_choice_json = mr_option_json(option);
}

static void
set_response_format(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	static const char *const words[] = {"text", "json_object", "json_schema"};
	JsonbContainer *object = mr_option_object(option, "an object");
	JsonbValue	type;
	MrOption	type_option = {
		.table = option->table, .name = "response_format.type", .value = &type
	};

	if (getKeyJsonValueFromContainer(object, "type", 4, &type) == NULL)
		mr_option_bad(option, "It must have a field \"type\".");
	if (mr_option_word(&type_option, words, lengthof(words)) == 2)
		request->capabilities |= MR_CAPABILITY_JSON_SCHEMA;
	request->response_format_json = mr_option_json(option);
}

static void
set_on_error(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	static const char *const words[] = {"raise", "null"};

	request->on_error =
		(MrOnError) mr_option_word(option, words, lengthof(words));
}

void
mr_request_set_router(MrRequest *request, text *router)
{
	request->router = mr_router_argument(router);
}

/* Raises 22023 for what is no name or name:version. */
char *
mr_router_argument(text *router)
{
	char	   *spec = mr_text_to_utf8(VARDATA_ANY(router),
									   VARSIZE_ANY_EXHDR(router), NULL);
	MrVersionedName name;

	if (!mr_versioned_name_parse(spec, &name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a router \"%s\"",
						text_to_cstring(router)),
				 errhint("Give a name, name:version, or 'default'.")));
	return spec;
}

static void
set_router(void *target, const MrOption *option)
{
	MrRequest  *request = target;
	MrVersionedName name;

	request->router = mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES);
	if (!mr_versioned_name_parse(request->router, &name))
		mr_option_bad(option, "It must be a name, or name:version.");
}

/*
 * Its options are among those that are being read.
 */
static void
check_preset(void *target, const MrOption *option)
{
	mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES);
}

/*
 * replay.c
 *	  SQL function replay_decision: what would be decided for a call on record
 *	  under other options, from its prompt where that was kept, else from the
 *	  candidates that were.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/options.h"
#include "api/row.h"
#include "base/guc.h"
#include "base/text.h"
#include "engine/decision_json.h"

PG_FUNCTION_INFO_V1(mr_sql_replay_decision);

/* The arguments: of the call on record, then of the policy. */
enum
{
	CALL_PROMPT,
	CALL_DECISION,
	CALL_ROUTER,
	CALL_TASK,
	POLICY_MODEL,
	POLICY_OBJECTIVE,
	POLICY_OPTIONS
};

/* The columns of the result. */
enum
{
	REPLAY_MODEL,
	REPLAY_PROVIDER,
	REPLAY_COST,
	REPLAY_QUALITY,
	REPLAY_HOW,
	REPLAY_COLUMNS
};

static const char *decide(FunctionCallInfo fcinfo, MrDecision **decision);
static const MrJson *read_past(FunctionCallInfo fcinfo);
static MrRequest *read_policy(FunctionCallInfo fcinfo, const MrJson *past);
static char *utf8_argument(FunctionCallInfo fcinfo, int argument);
static void set_content(FunctionCallInfo fcinfo, const MrJson *past,
						MrRequest *request);
static bool router_is_gone(FunctionCallInfo fcinfo, const MrRequest *request);
static bool needs_prompt(FunctionCallInfo fcinfo, const MrJson *past,
						 const MrRequest *request);

/*
 * One row: the choice, NULLs where there is none, and how it was come by.
 */
Datum
mr_sql_replay_decision(PG_FUNCTION_ARGS)
{
	Datum		values[REPLAY_COLUMNS];
	bool		nulls[REPLAY_COLUMNS] = {false};
	MrRow		row = {values, nulls};
	MrDecision *decision = NULL;
	TupleDesc	descriptor;
	const char *how = decide(fcinfo, &decision);

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	descriptor = BlessTupleDesc(descriptor);
	memset(nulls, decision == NULL, sizeof(nulls));
	if (decision != NULL)
	{
		const MrCandidate *chosen = &decision->candidates[0];

		mr_row_set_text(&row, REPLAY_MODEL, chosen->endpoint->model);
		mr_row_set_text(&row, REPLAY_PROVIDER, chosen->endpoint->provider);
		mr_row_set_cost(&row, REPLAY_COST, chosen->cost_picousd);
		mr_row_set_double(&row, REPLAY_QUALITY, chosen->quality);
	}
	nulls[REPLAY_HOW] = false;
	mr_row_set_text(&row, REPLAY_HOW, how);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values,
													  nulls)));
}

/*
 * The decision, if there is a first candidate, and how it was made; else why
 * there is none.
 */
static const char *
decide(FunctionCallInfo fcinfo, MrDecision **decision)
{
	bool		by_prompt = !PG_ARGISNULL(CALL_PROMPT);
	const MrJson *past = read_past(fcinfo);
	MrRequest  *request;
	MrDecision *made;

	if (past == NULL)
		return "left out: its decision was not kept";
	if (PG_ARGISNULL(POLICY_MODEL))
		return "left out: its preset is gone";
	request = read_policy(fcinfo, past);
	if (router_is_gone(fcinfo, request))
		return "left out: its router is gone";
	if (by_prompt)
		set_content(fcinfo, past, request);
	else if (needs_prompt(fcinfo, past, request))
		return "left out: this needs its prompt, see modelroute.log_content";
	made = by_prompt ? mr_decide(request) : mr_decide_anew(request, past);
	if (by_prompt && made->ncandidates == 0)
		return "left out: its model is not in the catalog";
	if (made->nchosen == 0)
		return "left out: no candidate can serve it";
	*decision = made;
	return by_prompt ? "prompt" : "candidates";
}

/* The decision on record, or NULL. */
static const MrJson *
read_past(FunctionCallInfo fcinfo)
{
	Jsonb	   *jsonb;
	char	   *json;
	char	   *utf8;
	size_t		bytes;

	if (PG_ARGISNULL(CALL_DECISION))
		return NULL;
	jsonb = PG_GETARG_JSONB_P(CALL_DECISION);
	json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	utf8 = mr_text_to_utf8(json, strlen(json), &bytes);
	return mr_decision_read(utf8, bytes);
}

/*
 * The request without its content.  Its task is the call's, not that of the
 * statement that replays it.
 */
static MrRequest *
read_policy(FunctionCallInfo fcinfo, const MrJson *past)
{
	MrRequest  *request = palloc(sizeof(MrRequest));
	text	   *objective = PG_ARGISNULL(POLICY_OBJECTIVE) ? NULL :
		PG_GETARG_TEXT_PP(POLICY_OBJECTIVE);

	mr_request_init(request, PG_GETARG_TEXT_PP(POLICY_MODEL),
					PG_ARGISNULL(POLICY_OPTIONS) ? NULL :
					PG_GETARG_JSONB_P(POLICY_OPTIONS), MR_ON_ERROR_RAISE);
	if (objective != NULL)
		mr_request_set_objective(request, text_to_cstring(objective));
	if (request->task == NULL)
		request->task_key = utf8_argument(fcinfo, CALL_TASK);
	mr_decision_restore_needs(past, request);
	return request;
}

static char *
utf8_argument(FunctionCallInfo fcinfo, int argument)
{
	text	   *value;

	if (PG_ARGISNULL(argument))
		return NULL;
	value = PG_GETARG_TEXT_PP(argument);
	return mr_text_to_utf8(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), NULL);
}

/*
 * Messages bring their own system text.
 */
static void
set_content(FunctionCallInfo fcinfo, const MrJson *past, MrRequest *request)
{
	text	   *content = PG_GETARG_TEXT_PP(CALL_PROMPT);
	Datum		messages;

	if (!mr_decision_had_messages(past))
	{
		mr_request_set_prompt(request, content);
		return;
	}
	messages = DirectFunctionCall1(jsonb_in,
								   CStringGetDatum(text_to_cstring(content)));
	request->system = NULL;
	mr_request_set_messages(request, DatumGetJsonbP(messages));
}

/*
 * Whether the call asked for a router that there is no more.  One that the
 * policy or the setting names is looked up later, and raises.
 */
static bool
router_is_gone(FunctionCallInfo fcinfo, const MrRequest *request)
{
	JsonbValue	value;

	if (mr_decision_router(request, true) != NULL ||
		strcmp(request->router, mr_guc_router) == 0)
		return false;
	return PG_ARGISNULL(POLICY_OPTIONS) ||
		getKeyJsonValueFromContainer(&PG_GETARG_JSONB_P(POLICY_OPTIONS)->root,
									 "router", strlen("router"),
									 &value) == NULL;
}

/*
 * Whether the candidates that were kept do not do: they were others, or
 * another router must judge them.
 */
static bool
needs_prompt(FunctionCallInfo fcinfo, const MrJson *past,
			 const MrRequest *request)
{
	const char *router = utf8_argument(fcinfo, CALL_ROUTER);

	return router == NULL || !isnan(request->strong_threshold) ||
		strcmp(router, mr_decision_router(request, false)) != 0 ||
		!mr_decision_covers(past, request);
}

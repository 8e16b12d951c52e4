/*
 * complete.c
 *	  SQL functions complete, complete_record and chat: route one request and
 *	  serve it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "api/options.h"
#include "base/text.h"
#include "engine/run.h"
#include "provider/chat_reply.h"

#define PICO_DIGITS 12			/* pico-USD are USD with 12 decimals */

PG_FUNCTION_INFO_V1(mr_sql_complete);
PG_FUNCTION_INFO_V1(mr_sql_complete_record);
PG_FUNCTION_INFO_V1(mr_sql_chat);

/* The fields of type modelroute.completion. */
enum
{
	COMPLETION_CALL_ID,
	COMPLETION_STATUS,
	COMPLETION_CONTENT,
	COMPLETION_MODEL,
	COMPLETION_PROVIDER,
	COMPLETION_INPUT_TOKENS,
	COMPLETION_OUTPUT_TOKENS,
	COMPLETION_COST,
	COMPLETION_LATENCY_MS,
	COMPLETION_ATTEMPTS,
	COMPLETION_CACHED,
	COMPLETION_FINISH_REASON,
	COMPLETION_ERROR_CODE,
	COMPLETION_ERROR,
	COMPLETION_COLUMNS
};

typedef enum Content
{
	CONTENT_PROMPT = 0,			/* argument 0 is text */
	CONTENT_MESSAGES			/* argument 0 is jsonb */
} Content;

static MrCall *serve(FunctionCallInfo fcinfo, Content content);
static bool answer_failure(const MrCall *call);
static text *content_text(const MrCall *call);
static Datum completion_datum(const MrCall *call, TupleDesc descriptor);

/* The text of the reply; NULL for a NULL prompt. */
Datum
mr_sql_complete(PG_FUNCTION_ARGS)
{
	MrCall	   *call;
	text	   *result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	call = serve(fcinfo, CONTENT_PROMPT);
	result = answer_failure(call) ? NULL : content_text(call);
	mr_call_free(call);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/*
 * The record of the call; NULL for a NULL prompt.  With on_error null a
 * failed call is a record with status failed.
 */
Datum
mr_sql_complete_record(PG_FUNCTION_ARGS)
{
	MrCall	   *call;
	TupleDesc	descriptor;
	Datum		result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	call = serve(fcinfo, CONTENT_PROMPT);
	if (call->failure.kind != MR_FAILURE_NONE &&
		call->request->on_error == MR_ON_ERROR_RAISE)
		answer_failure(call);
	result = completion_datum(call, BlessTupleDesc(descriptor));
	mr_call_free(call);
	PG_RETURN_DATUM(result);
}

/* Runs the call of one row to its end. */
static MrCall *
serve(FunctionCallInfo fcinfo, Content content)
{
	text	   *model = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	Jsonb	   *options = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	MrRequest  *request = palloc(sizeof(MrRequest));
	MrCall	   *call;

	mr_run_check_allowed();
	mr_request_init(request, model, options, MR_ON_ERROR_RAISE);
	if (content == CONTENT_PROMPT)
		mr_request_set_prompt(request, PG_GETARG_TEXT_PP(0));
	else
		mr_request_set_messages(request, PG_GETARG_JSONB_P(0));
	call = mr_call_create(CurrentMemoryContext, request);
	mr_run_calls(&call, 1);
	return call;
}

/* True after a warning, when the call failed and on_error is null. */
static bool
answer_failure(const MrCall *call)
{
	if (call->failure.kind == MR_FAILURE_NONE)
		return false;
	if (mr_call_candidate(call) != NULL)
		mr_call_report(call, call->request->on_error == MR_ON_ERROR_RAISE ?
					   ERROR : WARNING);
	return true;
}

/* The content as text; NULL when the model only called tools. */
static text *
content_text(const MrCall *call)
{
	if (call->content == NULL)
		return NULL;
	return cstring_to_text_with_len(call->content, call->content_bytes);
}

static Numeric
cost_numeric(const MrCall *call)
{
	int64		cost = mr_call_cost(call);

	return cost == MR_COST_UNKNOWN ? NULL :
		int64_div_fast_to_numeric(cost, PICO_DIGITS);
}

static void
set_text(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	if (value)
		values[column] = CStringGetTextDatum(value);
}

/* What the reply or the failure tells. */
static void
fill_outcome(const MrCall *call, Datum *values, bool *nulls)
{
	const MrFailure *failure = &call->failure;
	text	   *content;

	if (failure->kind != MR_FAILURE_NONE)
	{
		const char *message = failure->message ? failure->message :
			mr_failure_summary(failure->kind);

		set_text(values, nulls, COMPLETION_STATUS, "failed");
		set_text(values, nulls, COMPLETION_ERROR_CODE,
				 unpack_sql_state(mr_failure_sqlstate(failure->kind)));
		set_text(values, nulls, COMPLETION_ERROR,
				 mr_text_from_utf8_lossy(message, strlen(message)));
		return;
	}
	content = content_text(call);
	nulls[COMPLETION_CONTENT] = content == NULL;
	values[COMPLETION_CONTENT] = PointerGetDatum(content);
	set_text(values, nulls, COMPLETION_STATUS, "ok");
	set_text(values, nulls, COMPLETION_FINISH_REASON,
			 mr_finish_reason_name(call->reply.finish));
}

static Datum
completion_datum(const MrCall *call, TupleDesc descriptor)
{
	const MrCandidate *candidate = mr_call_candidate(call);
	Datum		values[COMPLETION_COLUMNS];
	bool		nulls[COMPLETION_COLUMNS];
	Numeric		cost = cost_numeric(call);
	MrUsage		usage;

	memset(nulls, true, sizeof(nulls));
	nulls[COMPLETION_CALL_ID] = call->call_id == 0;
	values[COMPLETION_CALL_ID] = Int64GetDatum(call->call_id);
	if (candidate)
	{
		set_text(values, nulls, COMPLETION_MODEL, candidate->endpoint->model);
		set_text(values, nulls, COMPLETION_PROVIDER,
				 candidate->endpoint->provider);
	}
	if (mr_call_usage(call, &usage))
	{
		nulls[COMPLETION_INPUT_TOKENS] = false;
		values[COMPLETION_INPUT_TOKENS] =
			Int64GetDatum(mr_usage_input(&usage));
		nulls[COMPLETION_OUTPUT_TOKENS] = false;
		values[COMPLETION_OUTPUT_TOKENS] = Int64GetDatum(usage.output);
	}
	nulls[COMPLETION_COST] = cost == NULL;
	values[COMPLETION_COST] = NumericGetDatum(cost);
	nulls[COMPLETION_LATENCY_MS] = false;
	values[COMPLETION_LATENCY_MS] =
		Float8GetDatum((call->ended_us - call->started_us) / 1000.0);
	nulls[COMPLETION_ATTEMPTS] = false;
	values[COMPLETION_ATTEMPTS] = Int32GetDatum(call->nattempts);
	nulls[COMPLETION_CACHED] = false;
	values[COMPLETION_CACHED] = BoolGetDatum(false);
	fill_outcome(call, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

/* Seconds since 1970. */
static int64
unix_seconds(TimestampTz time)
{
	return time / USECS_PER_SEC +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

static Datum
chat_datum(const MrCall *call)
{
	const MrCandidate *candidate = mr_call_candidate(call);
	Numeric		cost = cost_numeric(call);
	MrReply		reply = call->reply;
	MrChatReply chat = {
		.reply = &reply,
		.call_id = call->call_id,
		.created = unix_seconds(call->started_at),
		.provider = candidate->endpoint->provider,
		.model = candidate->endpoint->model,
		.cost = cost == NULL ? NULL :
		DatumGetCString(DirectFunctionCall1(numeric_out,
											NumericGetDatum(cost))),
		.latency_ms = (call->ended_us - call->started_us) / 1000.0,
		.attempts = call->nattempts,
		.category = mr_category_name(call->decision->features.category),
		.reason = candidate->reason
	};
	char	   *utf8;
	char	   *json;
	size_t		bytes;

	/* what was counted here stands in for usage the provider did not send */
	reply.has_usage = mr_call_usage(call, &reply.usage);
	utf8 = mr_chat_reply_json(&chat);
	json = mr_text_from_utf8(utf8, strlen(utf8), &bytes);
	if (json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("the reply cannot be represented in the server encoding"),
				 errhint("Use a database with encoding UTF8.")));
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* OpenAI's chat completion object; NULL for NULL messages. */
Datum
mr_sql_chat(PG_FUNCTION_ARGS)
{
	MrCall	   *call;
	Datum		result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	call = serve(fcinfo, CONTENT_MESSAGES);
	if (answer_failure(call))
	{
		mr_call_free(call);
		PG_RETURN_NULL();
	}
	result = chat_datum(call);
	mr_call_free(call);
	PG_RETURN_DATUM(result);
}

/*
 * exchange.c
 *	  Makes the request of an attempt, starts it, and turns how it ended into
 *	  a reply or a failure with usage and cost.
 *
 * The secret and the request's bytes live in the attempt's memory context;
 * deleting it closes the socket.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/text.h"
#include "engine/exchange.h"
#include "engine/health.h"

#define REQUEST_ID_HEADER "X-Client-Request-Id: " INT64_FORMAT

/* Builds the dialect's request; false with the failure set. */
static bool
build_wire(MrCall *call, MrAttempt *attempt)
{
	const MrEndpoint *endpoint = attempt->endpoint;

	call->dialect = mr_dialect_find(endpoint->api);
	if (call->dialect == NULL)
	{
		mr_failure_set(&attempt->failure, MR_FAILURE_INTERNAL,
					   "no adapter for api \"%s\"", endpoint->api);
		return false;
	}
	attempt->failure.kind = MR_FAILURE_NONE;
	call->secret = mr_credential_resolve(endpoint->provider, GetUserId(),
										 &attempt->failure);
	if (attempt->failure.kind != MR_FAILURE_NONE)
		return false;
	memset(&call->wire, 0, sizeof(call->wire));
	call->dialect->build(call->request, endpoint, call->secret, &call->wire);
	if (attempt->attempt_id != 0 && call->wire.nheaders < MR_WIRE_HEADERS)
		call->wire.headers[call->wire.nheaders++] =
			psprintf(REQUEST_ID_HEADER, attempt->attempt_id);
	return true;
}

/* Keeps what the record and the caller need beyond the attempt's context. */
static void
keep_texts(MrCall *call, MrAttempt *attempt)
{
	MemoryContext old = MemoryContextSwitchTo(call->context);

	if (attempt->upstream_model)
		attempt->upstream_model = pstrdup(attempt->upstream_model);
	if (attempt->failure.message)
		attempt->failure.message = pstrdup(attempt->failure.message);
	if (attempt->failure.code)
		attempt->failure.code = pstrdup(attempt->failure.code);
	MemoryContextSwitchTo(old);
}

/*
 * Adds the next attempt to the call and makes its request.  An attempt that
 * could not be made is there with its failure and status FAILED.
 */
MrAttempt *
mr_exchange_prepare(MrCall *call, int64 attempt_id)
{
	MrAttempt  *attempt = &call->attempts[call->nattempts++];
	MemoryContext old;

	memset(attempt, 0, sizeof(*attempt));
	attempt->attempt_id = attempt_id;
	attempt->endpoint = call->decision->candidates[call->candidate].endpoint;
	attempt->cost_picousd = MR_COST_UNKNOWN;
	attempt->started_at = GetCurrentTimestamp();
	call->attempt_context =
		AllocSetContextCreate(call->context, "modelroute attempt",
							  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(call->attempt_context);
	if (build_wire(call, attempt))
		attempt->request_bytes = call->wire.body.len;
	else
		attempt->status = MR_ATTEMPT_FAILED;
	MemoryContextSwitchTo(old);
	keep_texts(call, attempt);
	return attempt;
}

/* The total time-out of an exchange that starts now; 0 = none. */
static int
total_timeout(const MrCall *call)
{
	int64		left = mr_call_time_left_ms(call);

	return left > INT_MAX ? 0 : (int) Max(left, 1);
}

/* Starts the prepared exchange; its total time-out is the call's. */
void
mr_exchange_send(MrCall *call)
{
	MrAttempt  *attempt = &call->attempts[call->nattempts - 1];
	const MrRequest *request = call->request;
	MrHttpRequest http = {
		.url = call->wire.url,
		.headers = call->wire.headers,
		.nheaders = call->wire.nheaders,
		.body = call->wire.body.data,
		.body_bytes = call->wire.body.len,
		.connect_timeout_ms = request->connect_timeout_ms,
		.first_byte_timeout_ms = request->first_byte_timeout_ms,
		.idle_timeout_ms = request->idle_timeout_ms,
		.total_timeout_ms = total_timeout(call),
		.max_body_bytes = (size_t) mr_guc_max_response_kb * 1024
	};

	attempt->started_at = GetCurrentTimestamp();
	if (call->dispatched_us == 0)
		call->dispatched_us = mr_now_us();
	call->transfer = mr_http_start(call->attempt_context, &http);
}

/* The failure of an exchange that brought no whole reply. */
static void
fail_by_transport(MrAttempt *attempt, const MrHttpResult *result)
{
	static const struct
	{
		MrHttpOutcome outcome;
		MrFailureKind kind;
	}			kinds[] = {
		{MR_HTTP_CONNECT_FAILED, MR_FAILURE_CONNECT},
		{MR_HTTP_HOST_REFUSED, MR_FAILURE_HOST_REFUSED},
		{MR_HTTP_FIRST_BYTE_TIMEOUT, MR_FAILURE_TIMEOUT},
		{MR_HTTP_IDLE_TIMEOUT, MR_FAILURE_TIMEOUT},
		{MR_HTTP_TOTAL_TIMEOUT, MR_FAILURE_DEADLINE},
		{MR_HTTP_LOST, MR_FAILURE_LOST},
		{MR_HTTP_TOO_LARGE, MR_FAILURE_TOO_LARGE}
	};
	MrFailureKind kind = MR_FAILURE_INTERNAL;

	for (size_t i = 0; i < lengthof(kinds); i++)
		if (kinds[i].outcome == result->outcome)
			kind = kinds[i].kind;
	mr_failure_set(&attempt->failure, kind, "%s", result->error);
	attempt->failure.http_status = result->status;
	attempt->status = result->sent ? MR_ATTEMPT_UNKNOWN : MR_ATTEMPT_FAILED;
	if (!result->sent)
		attempt->cost_picousd = 0;
}

/* Tokens counted here, when the provider sent no usage. */
static void
estimate_usage(const MrCall *call, MrAttempt *attempt, const MrReply *reply)
{
	memset(&attempt->usage, 0, sizeof(attempt->usage));
	attempt->usage.input_uncached = call->decision->features.input_tokens;
	if (reply->content)
		attempt->usage.output = mr_router_count_tokens(reply->content,
													   reply->content_bytes);
	else if (reply->message_json)
		attempt->usage.output =
			mr_router_count_tokens(reply->message_json,
								   strlen(reply->message_json));
	attempt->usage.estimated = true;
}

static void
take_usage(const MrCall *call, MrAttempt *attempt, const MrReply *reply)
{
	const MrEndpoint *endpoint = attempt->endpoint;

	if (reply->has_usage)
		attempt->usage = reply->usage;
	else
		estimate_usage(call, attempt, reply);
	attempt->has_usage = true;
	attempt->upstream_model = reply->upstream_model;
	if (endpoint->has_price)
		attempt->cost_picousd = mr_price_cost(&endpoint->price,
											  &attempt->usage);
	else if (!isnan(reply->reported_cost_usd))
		attempt->cost_picousd = (int64) rint(reply->reported_cost_usd * 1e12);
}

/* The reply's content in the server encoding; false when it has none. */
static bool
convert_content(MrCall *call)
{
	if (call->reply.content == NULL)
		return true;
	call->content = mr_text_from_utf8(call->reply.content,
									  call->reply.content_bytes,
									  &call->content_bytes);
	return call->content != NULL;
}

static void
note_health(const MrAttempt *attempt)
{
	mr_health_note(attempt->endpoint->key,
				   attempt->http.first_byte_us / 1000.0,
				   attempt->http.total_us / 1000.0,
				   attempt->usage.output);
}

/* Reads a whole HTTP reply of any status. */
static void
read_reply(MrCall *call, MrAttempt *attempt, const MrHttpResult *result)
{
	MrWireReply wire = {
		.status = result->status,
		.body = result->body ? result->body : "",
		.body_bytes = result->body_bytes,
		.retry_after_ms = result->retry_after_ms,
		.should_retry = result->should_retry
	};

	memset(&call->reply, 0, sizeof(call->reply));
	if (call->dialect->parse(&wire, call->request, &call->reply,
							 &attempt->failure))
	{
		attempt->failure.kind = MR_FAILURE_NONE;
		attempt->status = MR_ATTEMPT_OK;
		take_usage(call, attempt, &call->reply);
		note_health(attempt);
		if (!convert_content(call))
			mr_failure_set(&attempt->failure, MR_FAILURE_ENCODING,
						   "the reply has a character that encoding %s lacks",
						   GetDatabaseEncodingName());
		return;
	}
	/* an answer in HTTP's 200s that is no reply may have been billed */
	attempt->status = result->status >= 200 && result->status < 300 ?
		MR_ATTEMPT_UNKNOWN : MR_ATTEMPT_FAILED;
	if (call->reply.has_usage)
		take_usage(call, attempt, &call->reply);
	else if (attempt->status == MR_ATTEMPT_FAILED)
		attempt->cost_picousd = 0;
	if (call->secret)
		mr_failure_redact(&attempt->failure, call->secret);
}

/* What the record takes over from a reply must not repeat the secret. */
static void
drop_secret(const MrCall *call, MrAttempt *attempt)
{
	char	   *request_id = attempt->http.upstream_request_id;

	if (call->secret == NULL)
		return;
	if (attempt->upstream_model &&
		strstr(attempt->upstream_model, call->secret))
		attempt->upstream_model = NULL;
	if (strstr(request_id, call->secret))
		request_id[0] = '\0';
}

/* Once the exchange has ended nothing needs the secret any more. */
static void
wipe_secret(MrCall *call)
{
	if (call->secret == NULL)
		return;
	for (int i = 0; i < call->wire.nheaders; i++)
	{
		char	   *header = strstr(call->wire.headers[i], call->secret);

		if (header)
			explicit_bzero(header, strlen(header));
	}
	explicit_bzero(unconstify(char *, call->secret), strlen(call->secret));
	call->secret = NULL;
}

/*
 * When the exchange has ended: fills the attempt, and call->reply or the
 * attempt's failure.  False while it is in flight.
 */
bool
mr_exchange_finish(MrCall *call)
{
	MrAttempt  *attempt = &call->attempts[call->nattempts - 1];
	const MrHttpResult *result = mr_http_result(call->transfer);
	MemoryContext old;

	if (result->outcome == MR_HTTP_PENDING)
		return false;
	attempt->http = *result;
	old = MemoryContextSwitchTo(call->attempt_context);
	if (result->outcome == MR_HTTP_COMPLETE)
		read_reply(call, attempt, result);
	else
		fail_by_transport(attempt, result);
	drop_secret(call, attempt);
	wipe_secret(call);
	MemoryContextSwitchTo(old);
	keep_texts(call, attempt);
	attempt->http.body = NULL;
	call->transfer = NULL;
	return true;
}

/* An attempt that was prepared and not sent, if there is one, has failed. */
static void
fail_unsent(MrCall *call, MrFailureKind kind)
{
	MrAttempt  *attempt;

	if (call->nattempts == 0)
		return;
	attempt = &call->attempts[call->nattempts - 1];
	if (attempt->status != MR_ATTEMPT_UNKNOWN ||
		attempt->failure.kind != MR_FAILURE_NONE)
		return;
	attempt->status = MR_ATTEMPT_FAILED;
	attempt->failure.kind = kind;
	attempt->cost_picousd = 0;
}

/* Ends the exchange in flight, if any, because nobody waits any more. */
void
mr_exchange_cut(MrCall *call, MrFailureKind kind)
{
	MrAttempt  *attempt;

	if (call->transfer == NULL)
	{
		fail_unsent(call, kind);
		return;
	}
	attempt = &call->attempts[call->nattempts - 1];
	attempt->http = *mr_http_abort(call->transfer);
	attempt->http.body = NULL;
	wipe_secret(call);
	attempt->status = attempt->http.sent ? MR_ATTEMPT_UNKNOWN :
		MR_ATTEMPT_FAILED;
	if (!attempt->http.sent)
		attempt->cost_picousd = 0;
	attempt->failure.kind = kind;
	attempt->failure.message = NULL;
	call->transfer = NULL;
}

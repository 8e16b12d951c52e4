/*
 * record.c
 *	  Fills the audit row and the attempt rows of a call, in the server
 *	  encoding, with as much of the content as modelroute.log_content allows.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/text.h"
#include "engine/decision_json.h"
#include "engine/record.h"

/* UTF-8 that may be NULL, in the server encoding. */
static const char *
server_text(const char *utf8)
{
	return utf8 ? mr_text_from_utf8_lossy(utf8, strlen(utf8)) : NULL;
}

static const char *
sha256_of(const char *data, size_t bytes)
{
	pg_cryptohash_ctx *context;
	uint8	   *digest = palloc(MR_SHA256_BYTES);

	StaticAssertStmt(MR_SHA256_BYTES == PG_SHA256_DIGEST_LENGTH,
					 "one size of SHA-256");
	context = pg_cryptohash_create(PG_SHA256);
	if (context == NULL)
		return NULL;
	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) data, bytes) < 0 ||
		pg_cryptohash_final(context, digest, MR_SHA256_BYTES) < 0)
		digest = NULL;
	pg_cryptohash_free(context);
	return (const char *) digest;
}

/* What the user sent: the messages, or the prompt. */
static const char *
request_content(const MrRequest *request, size_t *bytes)
{
	*bytes = request->messages_json ? request->messages_bytes :
		request->prompt_bytes;
	return request->messages_json ? request->messages_json : request->prompt;
}

static void
fill_content(const MrCall *call, MrAuditRow *row)
{
	size_t		bytes;
	const char *content = request_content(call->request, &bytes);
	bool		replied = call->failure.kind == MR_FAILURE_NONE &&
		call->reply.content != NULL && call->state == MR_CALL_RECORDING;

	row->content_dropped = false;
	if (mr_guc_log_content == MR_LOG_CONTENT_NONE)
		return;
	row->prompt_sha256 = sha256_of(content, bytes);
	if (replied)
		row->reply_sha256 = sha256_of(call->reply.content,
									  call->reply.content_bytes);
	if (mr_guc_log_content == MR_LOG_CONTENT_HASH)
		return;
	row->prompt = mr_text_from_utf8_lossy(content, bytes);
	if (replied)
		row->reply = call->content;
}

static const char *
call_status(const MrCall *call)
{
	if (call->state != MR_CALL_RECORDING)
		return "unknown";		/* an intent */
	switch (call->failure.kind)
	{
		case MR_FAILURE_NONE:
			return "ok";
		case MR_FAILURE_CANCELLED:
			return "cancelled";
		default:
			return "failed";
	}
}

/* Kept for the process: it cannot change while we are connected. */
static const char *
own_database(void)
{
	static char *name = NULL;

	if (name == NULL)
	{
		char	   *found = get_database_name(MyDatabaseId);

		name = MemoryContextStrdup(TopMemoryContext, found ? found : "");
	}
	return name;
}

/* Who asks, in CurrentMemoryContext. */
void
mr_record_caller(const MrRequest *request, MrCaller *caller)
{
	caller->role = GetUserNameFromId(GetUserId(), false);
	caller->database = own_database();
	caller->requested_model = server_text(request->requested_model);
	caller->tag = server_text(request->tag);
	caller->ref = server_text(request->ref);
	caller->task = server_text(request->task);
}

static void
fill_usage(const MrCall *call, MrAuditRow *row)
{
	MrUsage		usage;

	if (!mr_call_usage(call, &usage))
		return;
	row->input_tokens = mr_usage_input(&usage);
	row->cached_input_tokens = usage.cache_read;
	row->cache_write_tokens = usage.cache_write;
	row->output_tokens = usage.output;
	row->reasoning_tokens = usage.reasoning;
	row->usage_estimated = usage.estimated;
}

static void
fill_failure(const MrCall *call, MrAuditRow *row)
{
	if (call->failure.kind == MR_FAILURE_NONE)
		return;
	row->error_kind = mr_failure_name(call->failure.kind);
	row->error_code = unpack_sql_state(mr_failure_sqlstate(call->failure.kind));
	row->error = server_text(call->failure.message);
}

static void
fill_times(const MrCall *call, MrAuditRow *row)
{
	row->started_at = call->started_at;
	row->route_us = call->decided_us - call->started_us;
	if (call->dispatched_us)
		row->queue_us = call->dispatched_us - call->decided_us;
	if (call->nattempts > 0)
	{
		const MrHttpResult *last = &call->attempts[call->nattempts - 1].http;

		row->connect_us = last->connect_us;
		if (last->first_byte_us)
			row->first_byte_us = last->first_byte_us;
	}
	if (call->ended_us)
		row->total_us = call->ended_us - call->started_us;
}

static void
fill_choice(const MrCall *call, MrAuditRow *row)
{
	const MrCandidate *candidate = mr_call_candidate(call);

	row->objective = call->request->objective.name;
	row->router = call->decision->router_name;
	if (call->request->explore > 0)
		row->propensity = call->decision->candidates[0].propensity;
	row->model = candidate->endpoint->model;
	row->provider = candidate->endpoint->provider;
	row->category = mr_category_name(call->decision->features.category);
	row->decision = mr_decision_write(call->decision);
	row->expected_quality = candidate->quality;
	if (candidate->cost_picousd != MR_COST_UNKNOWN)
		row->expected_cost = candidate->cost_picousd;
}

static void
fill_audit(const MrCall *call, MrAuditRow *row)
{
	int64		cost = mr_call_cost(call);
	uint64		query_id = pgstat_get_my_query_id();

	mr_audit_row_init(row);
	row->call_id = call->call_id;
	row->status = call_status(call);
	row->role = call->caller.role;
	row->database = call->caller.database;
	row->requested_model = call->caller.requested_model;
	row->application = application_name;
	row->backend_pid = MyProcPid;
	if (query_id != 0)
		row->query_id = (int64) query_id;
	row->tag = call->caller.tag;
	row->ref = call->caller.ref;
	row->task = call->caller.task;
	row->attempts = call->nattempts;
	row->attempts_unknown = mr_call_unknown_attempts(call);
	if (cost != MR_COST_UNKNOWN)
		row->cost = cost;
	if (strcmp(row->status, "ok") == 0)
		row->finish_reason = mr_finish_reason_name(call->reply.finish);
	fill_choice(call, row);
	fill_usage(call, row);
	fill_failure(call, row);
	fill_times(call, row);
	fill_content(call, row);
}

static void
fill_attempt_usage(const MrAttempt *attempt, MrAttemptRow *row)
{
	const MrUsage *usage = &attempt->usage;

	if (attempt->cost_picousd != MR_COST_UNKNOWN)
		row->cost = attempt->cost_picousd;
	if (!attempt->has_usage)
		return;
	row->input_tokens = mr_usage_input(usage);
	row->cached_input_tokens = usage->cache_read;
	row->cache_write_tokens = usage->cache_write;
	row->output_tokens = usage->output;
	row->reasoning_tokens = usage->reasoning;
	row->usage_estimated = usage->estimated;
}

static void
fill_attempt(const MrCall *call, int index, MrAttemptRow *row)
{
	static const char *const statuses[] = {
		[MR_ATTEMPT_UNKNOWN] = "unknown",
		[MR_ATTEMPT_OK] = "ok",
		[MR_ATTEMPT_FAILED] = "failed"
	};
	const MrAttempt *attempt = &call->attempts[index];
	const MrHttpResult *http = &attempt->http;

	mr_attempt_row_init(row);
	row->attempt_id = attempt->attempt_id;
	row->call_id = call->call_id;
	row->ordinal = index + 1;
	row->role = call->caller.role;
	row->model = attempt->endpoint->model;
	row->provider = attempt->endpoint->provider;
	row->upstream_model = attempt->upstream_model ?
		server_text(attempt->upstream_model) :
		attempt->endpoint->upstream_name;
	row->status = statuses[attempt->status];
	if (attempt->failure.kind != MR_FAILURE_NONE)
	{
		row->error_kind = mr_failure_name(attempt->failure.kind);
		row->error = server_text(attempt->failure.message);
	}
	if (http->status)
		row->http_status = http->status;
	if (http->upstream_request_id[0])
		row->upstream_request_id = http->upstream_request_id;
	fill_attempt_usage(attempt, row);
	row->request_bytes = attempt->request_bytes;
	row->response_bytes = http->body_bytes;
	row->started_at = attempt->started_at;
	row->connect_us = http->connect_us;
	if (http->first_byte_us)
		row->first_byte_us = http->first_byte_us;
	if (http->total_us)
		row->total_us = http->total_us;
}

/*
 * The record as of now, in CurrentMemoryContext: final when the call has
 * ended, else an intent whose last attempt is unknown.
 */
MrLedgerRecord *
mr_record_of_call(const MrCall *call)
{
	MrLedgerRecord *record = palloc(sizeof(MrLedgerRecord));

	record->upsert = call->ticket.intended;
	record->nattempts = call->nattempts;
	fill_audit(call, &record->audit);
	for (int i = 0; i < call->nattempts; i++)
		fill_attempt(call, i, &record->attempts[i]);
	return record;
}

/*
 * chat_reply.c
 *	  Writes the chat completion object that chat() returns.
 */
#include "postgres.h"

#include <math.h>

#include "base/json.h"
#include "provider/chat_reply.h"

static void write_choice(StringInfo out, const MrReply *reply);
static void write_usage(StringInfo out, const MrReply *reply);
static void write_modelroute(StringInfo out, const MrChatReply *chat);
static void write_text(StringInfo out, const char *name, const char *text);

/*
 * The object as UTF-8 JSON in CurrentMemoryContext.
 *
 * model is the name in the catalog; what the provider calls it is
 * modelroute.upstream_model.  Unknown cost and usage are null.
 */
char *
mr_chat_reply_json(const MrChatReply *chat)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"id\":\"chatcmpl-" INT64_FORMAT "\","
					 "\"object\":\"chat.completion\","
					 "\"created\":" INT64_FORMAT,
					 chat->call_id, chat->created);
	write_text(&out, "model", chat->model);
	write_choice(&out, chat->reply);
	write_usage(&out, chat->reply);
	write_modelroute(&out, chat);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
write_choice(StringInfo out, const MrReply *reply)
{
	appendStringInfoString(out, ",\"choices\":[{\"index\":0,\"message\":");
	if (reply->message_json != NULL)
		appendStringInfoString(out, reply->message_json);
	else
	{
		appendStringInfoString(out, "{\"role\":\"assistant\",\"content\":");
		if (reply->content != NULL)
			mr_json_append_text(out, reply->content, reply->content_bytes);
		else
			appendStringInfoString(out, "null");
		appendStringInfoChar(out, '}');
	}
	write_text(out, "finish_reason", mr_finish_reason_name(reply->finish));
	appendStringInfoString(out, "}]");
}

/* Tokens as OpenAI counts them: cached ones are part of the prompt's. */
static void
write_usage(StringInfo out, const MrReply *reply)
{
	const MrUsage *usage = &reply->usage;
	int64		prompt = mr_usage_input(usage);

	if (!reply->has_usage && !usage->estimated)
	{
		appendStringInfoString(out, ",\"usage\":null");
		return;
	}
	appendStringInfo(out, ",\"usage\":{"
					 "\"prompt_tokens\":" INT64_FORMAT ","
					 "\"completion_tokens\":" INT64_FORMAT ","
					 "\"total_tokens\":" INT64_FORMAT ","
					 "\"prompt_tokens_details\":{"
					 "\"cached_tokens\":" INT64_FORMAT ","
					 "\"cache_write_tokens\":" INT64_FORMAT "},"
					 "\"completion_tokens_details\":{"
					 "\"reasoning_tokens\":" INT64_FORMAT "}}",
					 prompt, usage->output, prompt + usage->output,
					 usage->cache_read, usage->cache_write,
					 usage->reasoning);
}

static void
write_modelroute(StringInfo out, const MrChatReply *chat)
{
	appendStringInfo(out, ",\"modelroute\":{\"call_id\":" INT64_FORMAT,
					 chat->call_id);
	write_text(out, "provider", chat->provider);
	write_text(out, "model", chat->model);
	write_text(out, "upstream_model", chat->reply->upstream_model);
	write_text(out, "upstream_id", chat->reply->upstream_id);
	appendStringInfo(out, ",\"cost\":%s",
					 chat->cost != NULL ? chat->cost : "null");
	appendStringInfoString(out, ",\"latency_ms\":");
	mr_json_append_double(out, isfinite(chat->latency_ms) ?
						  chat->latency_ms : 0);
	appendStringInfo(out, ",\"attempts\":%d", chat->attempts);
	write_text(out, "category", chat->category);
	appendStringInfo(out, ",\"usage_estimated\":%s",
					 chat->reply->usage.estimated ? "true" : "false");
	write_text(out, "reason", chat->reason);
	appendStringInfoChar(out, '}');
}

static void
write_text(StringInfo out, const char *name, const char *text)
{
	appendStringInfo(out, ",\"%s\":", name);
	if (text != NULL)
		mr_json_append_string(out, text);
	else
		appendStringInfoString(out, "null");
}

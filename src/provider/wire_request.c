/*
 * wire_request.c
 *	  The parts of a request that all dialects write alike: URL, headers, and
 *	  the fields of the body.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "provider/dialect.h"

/* Bytes of a body around its prompt, to get by with one allocation. */
#define BODY_FRAME_BYTES 512

static bool endpoint_sets_header(const MrEndpoint *endpoint,
								 const char *name);
static void push_header(MrWireRequest *wire, const char *header);

/* Start a request: its URL, the headers common to all, an empty body. */
void
mr_wire_begin(MrWireRequest *wire, const MrRequest *request,
			  const MrEndpoint *endpoint, const char *path)
{
	size_t		content_bytes = request->prompt_bytes + request->messages_bytes;

	if (endpoint->chat_path != NULL)
		path = endpoint->chat_path;
	wire->url = psprintf("%s%s", endpoint->base_url, path);
	wire->nheaders = 0;
	mr_wire_header(wire, endpoint, "Content-Type", "application/json");
	mr_wire_header(wire, endpoint, "Accept", "application/json");

	initStringInfo(&wire->body);
	if (content_bytes < MaxAllocSize / 2)
		enlargeStringInfo(&wire->body,
						  (int) (content_bytes + content_bytes / 16 +
								 BODY_FRAME_BYTES));
}

/* Add a header unless the endpoint sets it itself. */
void
mr_wire_header(MrWireRequest *wire, const MrEndpoint *endpoint,
			   const char *name, const char *value)
{
	if (!endpoint_sets_header(endpoint, name))
		push_header(wire, psprintf("%s: %s", name, value));
}

static bool
endpoint_sets_header(const MrEndpoint *endpoint, const char *name)
{
	size_t		length = strlen(name);

	if (endpoint->headers == NULL)
		return false;
	for (const char *const *header = endpoint->headers; *header; header++)
	{
		if (pg_strncasecmp(*header, name, length) == 0 &&
			(*header)[length] == ':')
			return true;
	}
	return false;
}

void
mr_wire_endpoint_headers(MrWireRequest *wire, const MrEndpoint *endpoint)
{
	if (endpoint->headers == NULL)
		return;
	for (const char *const *header = endpoint->headers; *header; header++)
		push_header(wire, *header);
}

static void
push_header(MrWireRequest *wire, const char *header)
{
	if (wire->nheaders >= MR_WIRE_HEADERS - MR_WIRE_HEADERS_RESERVED)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many headers for one request"),
				 errhint("Keep provider.headers to %d entries.",
						 MR_ENDPOINT_HEADERS)));
	wire->headers[wire->nheaders++] = header;
}

/*
 * Open the body's object with the model.  Every later field goes through one
 * of the functions below, which leave out what option extra sets.
 */
void
mr_body_begin(MrBody *body, StringInfo out, const MrRequest *request,
			  const char *model)
{
	body->out = out;
	body->extra_json = request->extra_json;
	body->extra = NULL;
	if (request->extra_json != NULL)
		body->extra = mr_request_json(request->extra_json, "extra");
	appendStringInfoString(out, "{\"model\":");
	mr_json_append_string(out, model);
}

/* Write the comma and name of a field whose value the caller writes next. */
bool
mr_body_field(MrBody *body, const char *name)
{
	if (body->extra != NULL && mr_json_member(body->extra, name) != NULL)
		return false;
	appendStringInfoString(body->out, ",\"");
	appendStringInfoString(body->out, name);
	appendStringInfoString(body->out, "\":");
	return true;
}

/* NULL writes no field; the same below. */
void
mr_body_string(MrBody *body, const char *name, const char *text)
{
	if (text != NULL && mr_body_field(body, name))
		mr_json_append_string(body->out, text);
}

void
mr_body_json(MrBody *body, const char *name, const char *json)
{
	if (json != NULL && mr_body_field(body, name))
		appendStringInfoString(body->out, json);
}

void
mr_body_int64(MrBody *body, const char *name, int64 value)
{
	if (mr_body_field(body, name))
		appendStringInfo(body->out, INT64_FORMAT, value);
}

/* NaN writes no field. */
void
mr_body_double(MrBody *body, const char *name, double value)
{
	if (isfinite(value) && mr_body_field(body, name))
		mr_json_append_double(body->out, value);
}

void
mr_body_strings(MrBody *body, const char *name, MrStrings texts)
{
	if (texts == NULL || texts[0] == NULL || !mr_body_field(body, name))
		return;
	for (int i = 0; texts[i] != NULL; i++)
	{
		appendStringInfoChar(body->out, i == 0 ? '[' : ',');
		mr_json_append_string(body->out, texts[i]);
	}
	appendStringInfoChar(body->out, ']');
}

/* Merge option extra, word for word, and close the object. */
void
mr_body_end(MrBody *body)
{
	for (const MrJson *member = mr_json_first(body->extra); member != NULL;
		 member = mr_json_next(member))
	{
		const char *key = mr_json_key(member);

		if (!mr_extra_key_allowed(key))
			elog(ERROR, "option extra sets reserved field \"%s\"", key);
	}

	if (mr_json_first(body->extra) != NULL)
	{
		const char *open = strchr(body->extra_json, '{');
		const char *close = strrchr(body->extra_json, '}');

		appendStringInfoChar(body->out, ',');
		appendBinaryStringInfo(body->out, open + 1, (int) (close - open - 1));
	}
	appendStringInfoChar(body->out, '}');
}

/* Read a JSON field of the request, which was valid when it was made. */
const MrJson *
mr_request_json(const char *json, const char *what)
{
	const char *problem;
	const MrJson *tree = mr_json_parse(json, strlen(json), &problem);

	if (tree == NULL)
		elog(ERROR, "request has unreadable %s: %s", what, problem);
	return tree;
}

/*
 * dialect.h
 *	  What the dialects share: headers, the body's fields, and failures read
 *	  from error bodies.  For files of this folder only.
 */
#ifndef MR_DIALECT_H
#define MR_DIALECT_H

#include "postgres.h"

#include "base/json.h"
#include "provider/provider.h"

/* Bound of model names, ids and error codes kept from a reply. */
#define MR_WIRE_WORD_BYTES 256

/* A count of tokens above this is no usage but noise. */
#define MR_USAGE_MAX_TOKENS INT64CONST(1000000000000)

/* The JSON object being written into a request's body. */
typedef struct MrBody
{
	StringInfo	out;
	const char *extra_json;		/* merged last, at the top level, and wins */
	const MrJson *extra;
} MrBody;

extern const MrDialect mr_dialect_openai;
extern const MrDialect mr_dialect_anthropic;

/* wire_request.c */
extern void mr_wire_begin(MrWireRequest *wire, const MrRequest *request,
						  const MrEndpoint *endpoint, const char *path);
extern void mr_wire_header(MrWireRequest *wire, const MrEndpoint *endpoint,
						   const char *name, const char *value);
extern void mr_wire_endpoint_headers(MrWireRequest *wire,
									 const MrEndpoint *endpoint);
extern void mr_body_begin(MrBody *body, StringInfo out,
						  const MrRequest *request, const char *model);
extern bool mr_body_field(MrBody *body, const char *name);
extern void mr_body_string(MrBody *body, const char *name, const char *text);
extern void mr_body_json(MrBody *body, const char *name, const char *json);
extern void mr_body_int64(MrBody *body, const char *name, int64 value);
extern void mr_body_double(MrBody *body, const char *name, double value);
extern void mr_body_strings(MrBody *body, const char *name, MrStrings texts);
extern void mr_body_end(MrBody *body);
extern const MrJson *mr_request_json(const char *json, const char *what);

/* wire_failure.c */
extern bool mr_wire_succeeded(const MrWireReply *wire, MrReply *reply,
							  MrFailure *failure, const MrJson **root);
extern bool mr_wire_failed(const MrWireReply *wire, const MrJson *root,
						   MrFailure *failure);
extern bool mr_wire_refused(const MrWireReply *wire, MrFailureKind kind,
							const char *message, MrFailure *failure);
extern bool mr_usage_count(const MrJson *usage, const char *path,
						   int64 *tokens);
extern char *mr_wire_word(const char *text);

#endif							/* MR_DIALECT_H */

/*
 * provider.h
 *	  Wire dialects: from a request to bytes, from bytes to a reply or failure.
 *
 * One file per dialect, one row per dialect in the table of provider.c.  No
 * I/O, no SQL.  Everything allocated lives in CurrentMemoryContext.
 */
#ifndef MR_PROVIDER_H
#define MR_PROVIDER_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/failure.h"
#include "base/request.h"

#define MR_WIRE_HEADERS 16

/* Room that build leaves for the caller's own headers. */
#define MR_WIRE_HEADERS_RESERVED 2

/* The most static headers of a provider that always fit. */
#define MR_ENDPOINT_HEADERS 10

/* A request ready to be sent.  headers may hold the secret: never log it. */
typedef struct MrWireRequest
{
	char	   *url;
	const char *headers[MR_WIRE_HEADERS];	/* "Name: value" */
	int			nheaders;
	StringInfoData body;		/* UTF-8 JSON */
} MrWireRequest;

/* An HTTP reply that arrived whole, whatever its status. */
typedef struct MrWireReply
{
	int			status;
	const char *body;			/* not NUL-terminated */
	size_t		body_bytes;
	int64		retry_after_ms; /* from Retry-After(-Ms); -1 = absent */
	int			should_retry;	/* x-should-retry: 1, 0, or -1 = absent */
} MrWireReply;

typedef enum MrFinishReason
{
	MR_FINISH_UNKNOWN = 0,
	MR_FINISH_STOP,
	MR_FINISH_LENGTH,
	MR_FINISH_TOOL_CALLS,
	MR_FINISH_CONTENT_FILTER
} MrFinishReason;

/*
 * The normalised good outcome.  Text is UTF-8, checked, without NUL.
 *
 * message_json is made only for a request that came as messages; else it is
 * NULL.  Usage and reported cost may be known of a failure too: what was
 * refused or unreadable may have been billed.
 */
typedef struct MrReply
{
	const char *content;		/* NULL when the model only called tools */
	size_t		content_bytes;
	const char *message_json;	/* OpenAI assistant message object */
	const char *upstream_model; /* as the provider names what served */
	const char *upstream_id;
	MrFinishReason finish;
	bool		has_usage;
	MrUsage		usage;
	double		reported_cost_usd;	/* NaN = the provider gave none */
} MrReply;

/*
 * build never judges the request, it translates: what has no counterpart in
 * the dialect goes out as it is and the provider judges it, except sampling
 * parameters and seed, which are left out where they are not accepted.  It
 * raises only on broken invariants.  parse initialises reply and failure; true
 * means reply is good.
 */
typedef struct MrDialect
{
	const char *name;			/* the word of provider.api */
	void		(*build) (const MrRequest *request, const MrEndpoint *endpoint,
						  const char *secret, MrWireRequest *wire);
	bool		(*parse) (const MrWireReply *wire, const MrRequest *request,
						  MrReply *reply, MrFailure *failure);
} MrDialect;

extern const MrDialect *mr_dialect_find(const char *name);
extern const char *mr_finish_reason_name(MrFinishReason finish);
extern bool mr_extra_key_allowed(const char *key);
extern void mr_failure_redact(MrFailure *failure, const char *secret);

#endif							/* MR_PROVIDER_H */

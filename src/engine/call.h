/*
 * call.h
 *	  One call: decision, attempts, reply or failure, and its record; a state
 *	  machine that never blocks.
 *
 * mr_call_create, then mr_call_advance until it returns true, in whatever
 * process drives it (run.h for a backend).  A call lives in its own memory
 * context, which mr_call_free deletes.  Once advanced, a call that is left
 * before its end must be told so by mr_call_abandon, which records it.
 */
#ifndef MR_CALL_H
#define MR_CALL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "engine/decide.h"
#include "http/http.h"
#include "ledger/ledger.h"
#include "provider/provider.h"

typedef enum MrCallState
{
	MR_CALL_OPENING = 0,		/* waits for a place in the ledger */
	MR_CALL_READY,				/* the next attempt may begin */
	MR_CALL_INTENDING,			/* waits for the intent to be on disk */
	MR_CALL_RESTING,			/* backs off before a retry */
	MR_CALL_SENDING,			/* an exchange is in flight */
	MR_CALL_RECORDING,			/* waits for its record to be committed */
	MR_CALL_DONE
} MrCallState;

typedef enum MrAttemptStatus
{
	MR_ATTEMPT_UNKNOWN = 0,		/* may have been billed */
	MR_ATTEMPT_OK,
	MR_ATTEMPT_FAILED
} MrAttemptStatus;

/* One exchange, kept for the record. */
typedef struct MrAttempt
{
	int64		attempt_id;
	const MrEndpoint *endpoint;
	MrAttemptStatus status;
	MrFailure	failure;		/* kind NONE when ok */
	const char *upstream_model;
	bool		has_usage;
	MrUsage		usage;
	int64		cost_picousd;	/* MR_COST_UNKNOWN */
	size_t		request_bytes;
	TimestampTz started_at;
	MrHttpResult http;			/* its body is not kept */
} MrAttempt;

/*
 * What the record says of who asked, in the server encoding; taken at the
 * start, because a call that is abandoned can look nothing up any more.
 */
typedef struct MrCaller
{
	const char *role;
	const char *database;
	const char *requested_model;
	const char *tag;
	const char *ref;
	const char *task;
} MrCaller;

typedef struct MrCall
{
	dlist_node	node;			/* among the calls of this process */
	bool		listed;
	MemoryContext context;
	const MrRequest *request;
	MrDecision *decision;
	MrCallState state;

	/* where it stands */
	int			candidate;		/* index into decision->candidates */
	int			failures_here;
	int			nattempts;
	MrAttempt	attempts[MR_ATTEMPTS_PER_CALL];
	MemoryContext attempt_context;
	MrTransfer *transfer;
	MrWireRequest wire;
	const char *secret;
	const MrDialect *dialect;
	int64		rest_until_us;

	/* how it ended */
	MrReply		reply;			/* when failure.kind is NONE */
	MrFailure	failure;
	const char *content;		/* reply.content in the server encoding */
	size_t		content_bytes;
	bool		recorded;

	/* its record */
	MrCaller	caller;
	int64		call_id;		/* 0 = not recorded */
	MrTicket	ticket;
	TimestampTz started_at;
	int64		started_us;
	int64		decided_us;
	int64		dispatched_us;	/* first dispatch; 0 = never */
	int64		ended_us;
} MrCall;

extern MrCall *mr_call_create(MemoryContext parent, const MrRequest *request);
extern bool mr_call_advance(MrCall *call);
extern int64 mr_call_wake_us(const MrCall *call);
extern int64 mr_call_time_left_ms(const MrCall *call);
extern void mr_call_abandon(MrCall *call, MrFailureKind kind);
extern void mr_call_abandon_all(void);
extern void mr_call_free(MrCall *call);

/* what it came to */
extern const MrCandidate *mr_call_candidate(const MrCall *call);
extern int64 mr_call_cost(const MrCall *call);
extern int	mr_call_unknown_attempts(const MrCall *call);
extern bool mr_call_usage(const MrCall *call, MrUsage *usage);

#endif							/* MR_CALL_H */

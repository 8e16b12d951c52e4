/*
 * http.h
 *	  HTTP exchanges over one warm libcurl multi handle per process, without
 *	  ever blocking: start, turn, wait, collect.
 *
 * The only module that includes curl or waits on sockets; it knows nothing of
 * models.  A transfer hangs on a memory context: deleting the context aborts
 * it and closes its socket.  Nothing here raises while libcurl is on the
 * stack.
 */
#ifndef MR_HTTP_H
#define MR_HTTP_H

#include "postgres.h"

typedef enum MrHttpOutcome
{
	MR_HTTP_PENDING = 0,
	MR_HTTP_COMPLETE,			/* a whole reply with any status */
	MR_HTTP_CONNECT_FAILED,		/* DNS, TCP, TLS, or their time-out */
	MR_HTTP_HOST_REFUSED,		/* allowed_hosts */
	MR_HTTP_FIRST_BYTE_TIMEOUT,
	MR_HTTP_IDLE_TIMEOUT,
	MR_HTTP_TOTAL_TIMEOUT,
	MR_HTTP_LOST,				/* reset, closed early, protocol error */
	MR_HTTP_TOO_LARGE,			/* body over max_body_bytes */
	MR_HTTP_INTERNAL			/* memory or libcurl misuse */
} MrHttpOutcome;

typedef struct MrHttpRequest
{
	const char *url;
	const char *const *headers; /* "Name: value", checked for CR and LF */
	int			nheaders;
	const char *body;			/* must stay until the transfer ends */
	size_t		body_bytes;
	int			connect_timeout_ms; /* each counts from dispatch; 0 = none */
	int			first_byte_timeout_ms;
	int			idle_timeout_ms;
	int			total_timeout_ms;
	size_t		max_body_bytes;
} MrHttpRequest;

typedef struct MrHttpResult
{
	MrHttpOutcome outcome;
	bool		sent;			/* a byte of the request may have left */
	int			status;			/* 0 = none arrived */
	char	   *body;			/* NUL-terminated beyond body_bytes */
	size_t		body_bytes;
	int64		retry_after_ms; /* Retry-After-Ms or Retry-After; -1 = absent */
	int			should_retry;	/* x-should-retry: 1, 0, -1 = absent */
	char		upstream_request_id[128];	/* x-request-id or request-id */
	int64		connect_us;		/* 0 on a reused connection */
	int64		first_byte_us;	/* from dispatch; 0 = never came */
	int64		total_us;
	char		error[256];		/* libcurl's words; no secret */
} MrHttpResult;

typedef struct MrTransfer MrTransfer;

extern MrTransfer *mr_http_start(MemoryContext context,
								 const MrHttpRequest *request);
extern const MrHttpResult *mr_http_result(MrTransfer *transfer);
extern const MrHttpResult *mr_http_abort(MrTransfer *transfer);
extern void mr_http_turn(void);
extern bool mr_http_wait(long timeout_ms, uint32 wait_event);
extern bool mr_http_url_allowed(const char *url, const char **problem);
extern void mr_http_init(void);

#endif							/* MR_HTTP_H */

/*
 * failure.h
 *	  The bad outcome of an attempt or call as a value, with its kind; and the
 *	  one place where a kind becomes an SQLSTATE.
 */
#ifndef MR_FAILURE_H
#define MR_FAILURE_H

#include "postgres.h"

typedef enum MrFailureKind
{
	MR_FAILURE_NONE = 0,
	MR_FAILURE_NO_CANDIDATE,	/* no endpoint fits: nothing was sent */
	MR_FAILURE_CONNECT,			/* DNS, TCP or TLS: nothing was sent */
	MR_FAILURE_HOST_REFUSED,	/* modelroute.allowed_hosts forbids it */
	MR_FAILURE_TIMEOUT,			/* first byte or idle timer ran out */
	MR_FAILURE_DEADLINE,		/* the call's total time ran out */
	MR_FAILURE_LOST,			/* connection lost before the reply's end */
	MR_FAILURE_TRUNCATED,		/* reply ended early though HTTP was whole */
	MR_FAILURE_RATE_LIMIT,		/* 429: may pass */
	MR_FAILURE_QUOTA,			/* 402 or a final 429: money is out */
	MR_FAILURE_SERVER,			/* 5xx, 529, 408, 409 */
	MR_FAILURE_AUTH,			/* 401, 403 */
	MR_FAILURE_CREDENTIAL,		/* our own credential could not be resolved */
	MR_FAILURE_NOT_FOUND,		/* 404: no such model there */
	MR_FAILURE_CONTEXT_LENGTH,	/* prompt too long for the model */
	MR_FAILURE_CONTENT_FILTER,	/* refused by the provider's policy */
	MR_FAILURE_BAD_REQUEST,		/* other 4xx */
	MR_FAILURE_MALFORMED,		/* 200 with something that is no reply */
	MR_FAILURE_TOO_LARGE,		/* reply over modelroute.max_response_bytes */
	MR_FAILURE_ENCODING,		/* not representable in the server encoding */
	MR_FAILURE_LEDGER_DOWN,		/* no worker writes the ledger: nothing sent */
	MR_FAILURE_LEDGER_FULL,		/* the ledger did not keep up in time */
	MR_FAILURE_LEDGER_REFUSED,	/* its tables did not take the record */
	MR_FAILURE_CANCELLED,		/* by the user */
	MR_FAILURE_INTERNAL			/* libcurl or memory: should not happen */
} MrFailureKind;

#define MR_FAILURE_KINDS (MR_FAILURE_INTERNAL + 1)

/*
 * message is UTF-8, never holds a secret, and is bounded by
 * MR_FAILURE_MESSAGE_BYTES.  Strings belong to the memory context current when
 * the failure was made.
 */
#define MR_FAILURE_MESSAGE_BYTES 1024

typedef struct MrFailure
{
	MrFailureKind kind;
	int			http_status;	/* 0 = no HTTP status arrived */
	int64		retry_after_ms; /* -1 = the provider did not say */
	bool		must_not_retry; /* x-should-retry: false */
	const char *code;			/* provider's error code, or NULL */
	const char *message;		/* what went wrong, or NULL */
} MrFailure;

extern const char *mr_failure_name(MrFailureKind kind);
extern int	mr_failure_sqlstate(MrFailureKind kind);
extern const char *mr_failure_summary(MrFailureKind kind);
extern const char *mr_failure_hint(MrFailureKind kind);
extern void mr_failure_set(MrFailure *failure, MrFailureKind kind,
						   const char *fmt,...) pg_attribute_printf(3, 4);

#endif							/* MR_FAILURE_H */

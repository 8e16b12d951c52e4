/*
 * failure.c
 *	  One row per kind of failure: its word, SQLSTATE, summary and hint.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/failure.h"

typedef struct FailureRow
{
	const char *name;			/* audit.error_kind */
	int			sqlstate;
	const char *summary;		/* the error message */
	const char *hint;
} FailureRow;

static const FailureRow rows[MR_FAILURE_KINDS] = {
	[MR_FAILURE_NONE] = {"none", ERRCODE_SUCCESSFUL_COMPLETION,
	"no failure", NULL},
	[MR_FAILURE_NO_CANDIDATE] = {"no_candidate",
		ERRCODE_INVALID_PARAMETER_VALUE,
		"no model can serve the request",
	"SELECT * FROM modelroute.route_candidates(...) tells why."},
	[MR_FAILURE_CONNECT] = {"connect",
		ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
		"could not connect to the provider",
	"Check provider.base_url, the network, and modelroute.connect_timeout."},
	[MR_FAILURE_HOST_REFUSED] = {"host_refused",
		ERRCODE_INSUFFICIENT_PRIVILEGE,
		"the provider's host is not allowed",
		"A superuser can add it: "
	"ALTER SYSTEM SET modelroute.allowed_hosts = 'host:port'."},
	[MR_FAILURE_TIMEOUT] = {"timeout", ERRCODE_CONNECTION_FAILURE,
		"the provider did not answer in time",
		"Raise modelroute.first_byte_timeout or modelroute.idle_timeout, "
	"or allow another model."},
	[MR_FAILURE_DEADLINE] = {"deadline", ERRCODE_CONNECTION_FAILURE,
		"the call ran out of time",
		"Raise modelroute.total_timeout or option total_timeout_ms, "
	"or allow another model."},
	[MR_FAILURE_LOST] = {"lost", ERRCODE_CONNECTION_FAILURE,
		"the connection to the provider was lost",
	"The request may have been billed; see table modelroute.attempt."},
	[MR_FAILURE_TRUNCATED] = {"truncated", ERRCODE_CONNECTION_FAILURE,
		"the provider's reply was cut off",
	"The request may have been billed; see table modelroute.attempt."},
	[MR_FAILURE_RATE_LIMIT] = {"rate_limit", ERRCODE_INSUFFICIENT_RESOURCES,
		"the provider's rate limit is reached",
		"Try later, raise modelroute.total_timeout, "
	"or allow another model."},
	[MR_FAILURE_QUOTA] = {"quota", ERRCODE_INSUFFICIENT_RESOURCES,
		"the provider's credit or quota is used up",
	"Add credit at the provider, or exclude it with option exclude."},
	[MR_FAILURE_SERVER] = {"server", ERRCODE_SYSTEM_ERROR,
		"the provider failed",
	"Try later, or allow another model."},
	[MR_FAILURE_AUTH] = {"auth", ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider refused the credential",
	"Check the credential set with modelroute.set_credential()."},
	[MR_FAILURE_CREDENTIAL] = {"credential",
		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"the credential could not be read",
		"Check that the environment variable or file named by "
	"modelroute.set_credential() exists for the server."},
	[MR_FAILURE_NOT_FOUND] = {"not_found", ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider does not know the model",
	"Check endpoint.upstream_name and provider.base_url."},
	[MR_FAILURE_CONTEXT_LENGTH] = {"context_length",
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the prompt is too long for the model",
	"Shorten the prompt, or allow a model with a larger context window."},
	[MR_FAILURE_CONTENT_FILTER] = {"content_filter",
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider's content filter refused the request",
	"Change the prompt, or allow another model."},
	[MR_FAILURE_BAD_REQUEST] = {"bad_request",
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider rejected the request",
	"See the provider's message, and check the options sent."},
	[MR_FAILURE_MALFORMED] = {"malformed", ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider's reply was not understood",
	"Check provider.api and provider.base_url."},
	[MR_FAILURE_TOO_LARGE] = {"too_large", ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
		"the provider's reply was too large",
	"A superuser can raise modelroute.max_response_size."},
	[MR_FAILURE_ENCODING] = {"encoding", ERRCODE_UNTRANSLATABLE_CHARACTER,
		"the reply cannot be represented in the server encoding",
		"Use a database with encoding UTF8, or ask for plain text "
	"in the prompt."},
	[MR_FAILURE_LEDGER_DOWN] = {"ledger_down",
		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"no modelroute worker writes the ledger of this database",
	"See the server log for why the worker does not start."},
	[MR_FAILURE_LEDGER_FULL] = {"ledger_full",
		ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
		"the ledger did not keep up",
		"Raise modelroute.ledger_timeout or modelroute.ledger_slots, "
	"or make fewer calls at once."},
	[MR_FAILURE_LEDGER_REFUSED] = {"ledger_refused",
		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		"the ledger did not take the record of the call",
		"See the server log: a constraint or trigger of modelroute.audit or "
	"modelroute.attempt refused it, or the extension was dropped."},
	[MR_FAILURE_CANCELLED] = {"cancelled", ERRCODE_QUERY_CANCELED,
	"the call was cancelled", NULL},
	[MR_FAILURE_INTERNAL] = {"internal", ERRCODE_INTERNAL_ERROR,
	"the request could not be made", NULL}
};

/* The word for audit.error_kind and attempt.error_kind. */
const char *
mr_failure_name(MrFailureKind kind)
{
	return rows[kind].name;
}

/* The packed SQLSTATE that a call ending this way raises. */
int
mr_failure_sqlstate(MrFailureKind kind)
{
	return rows[kind].sqlstate;
}

/* The primary message: lower case, no full stop. */
const char *
mr_failure_summary(MrFailureKind kind)
{
	return rows[kind].summary;
}

/* What to do about it, or NULL. */
const char *
mr_failure_hint(MrFailureKind kind)
{
	return rows[kind].hint;
}

/*
 * Makes *failure a fresh failure of the kind with a message formatted into
 * CurrentMemoryContext and cut at MR_FAILURE_MESSAGE_BYTES.
 */
void
mr_failure_set(MrFailure *failure, MrFailureKind kind, const char *fmt,...)
{
	char		buffer[MR_FAILURE_MESSAGE_BYTES];
	va_list		args;
	size_t		bytes;

	va_start(args, fmt);
	vsnprintf(buffer, sizeof(buffer), fmt, args);
	va_end(args);
	bytes = strlen(buffer);
	if (bytes == sizeof(buffer) - 1)
		bytes = pg_encoding_mbcliplen(PG_UTF8, buffer, bytes,
									  sizeof(buffer) - 8);
	memset(failure, 0, sizeof(*failure));
	failure->kind = kind;
	failure->retry_after_ms = -1;
	failure->message = pnstrdup(buffer, bytes);
}

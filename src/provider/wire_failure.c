/*
 * wire_failure.c
 *	  From a reply that is none to a failure: its kind by status, by the
 *	  provider's error code and by known phrases, and its message.
 *
 * Hosts shape their errors in many ways; all known ones are read alike, in
 * any dialect.  What is shown to users is cut to MR_FAILURE_MESSAGE_BYTES,
 * free of control characters, and valid in the server encoding.
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "mb/pg_wchar.h"

#include "provider/dialect.h"

/* What an error body says. */
typedef struct ErrorText
{
	int			status;			/* of the error itself; 0 = it names none */
	const char *code;
	const char *type;
	const char *message;
	const char *detail;			/* what an upstream of the host said */
	int64		retry_after_ms; /* -1 = not said */
	bool		moderated;		/* OpenRouter: flagged by moderation */
} ErrorText;

typedef struct StatusRow
{
	int			first;
	int			last;
	MrFailureKind kind;
} StatusRow;

/* The first row that holds the status counts. */
static const StatusRow status_rows[] = {
	{300, 399, MR_FAILURE_BAD_REQUEST}, /* redirects are not followed */
	{401, 401, MR_FAILURE_AUTH},
	{402, 402, MR_FAILURE_QUOTA},
	{403, 403, MR_FAILURE_AUTH},
	{404, 404, MR_FAILURE_NOT_FOUND},
	{408, 409, MR_FAILURE_SERVER},
	{413, 413, MR_FAILURE_CONTEXT_LENGTH},	/* another host may take it */
	{429, 429, MR_FAILURE_RATE_LIMIT},
	{498, 498, MR_FAILURE_SERVER},	/* Groq: no capacity */
	{400, 499, MR_FAILURE_BAD_REQUEST},
	{500, 599, MR_FAILURE_SERVER},
};

typedef struct WordRow
{
	const char *word;
	MrFailureKind kind;
} WordRow;

/* Codes and types that say more than the status. */
static const WordRow precise_words[] = {
	{"context_length_exceeded", MR_FAILURE_CONTEXT_LENGTH},
	{"exceed_context_size_error", MR_FAILURE_CONTEXT_LENGTH},
	{"string_above_max_length", MR_FAILURE_CONTEXT_LENGTH},
	{"model_max_prompt_tokens_exceeded", MR_FAILURE_CONTEXT_LENGTH},
	{"content_filter", MR_FAILURE_CONTENT_FILTER},
	{"content_policy_violation", MR_FAILURE_CONTENT_FILTER},
	{"content_policy", MR_FAILURE_CONTENT_FILTER},
	{"data_inspection_failed", MR_FAILURE_CONTENT_FILTER},
	{"moderation_blocked", MR_FAILURE_CONTENT_FILTER},
	{"safety_check_failed", MR_FAILURE_CONTENT_FILTER},
	{"insufficient_quota", MR_FAILURE_QUOTA},
	{"insufficient_credits", MR_FAILURE_QUOTA},
	{"insufficient_balance", MR_FAILURE_QUOTA},
	{"billing_error", MR_FAILURE_QUOTA},
	{"billing_hard_limit_reached", MR_FAILURE_QUOTA},
	{"billing_not_active", MR_FAILURE_QUOTA},
	{"enforced_spend_limit_reached", MR_FAILURE_QUOTA},
	{"spend_limit_reached", MR_FAILURE_QUOTA},
	{"invalid_api_key", MR_FAILURE_AUTH},
	{"model_not_found", MR_FAILURE_NOT_FOUND},
};

/* Codes and types that only repeat the status, for errors without one. */
static const WordRow plain_words[] = {
	{"invalid_request_error", MR_FAILURE_BAD_REQUEST},
	{"authentication_error", MR_FAILURE_AUTH},
	{"permission_error", MR_FAILURE_AUTH},
	{"permission_denied", MR_FAILURE_AUTH},
	{"unauthenticated", MR_FAILURE_AUTH},
	{"not_found_error", MR_FAILURE_NOT_FOUND},
	{"not_found", MR_FAILURE_NOT_FOUND},
	{"request_too_large", MR_FAILURE_CONTEXT_LENGTH},
	{"rate_limit_error", MR_FAILURE_RATE_LIMIT},
	{"rate_limit_exceeded", MR_FAILURE_RATE_LIMIT},
	{"resource_exhausted", MR_FAILURE_RATE_LIMIT},
	{"too_many_requests", MR_FAILURE_RATE_LIMIT},
	{"invalid_argument", MR_FAILURE_BAD_REQUEST},
	{"failed_precondition", MR_FAILURE_BAD_REQUEST},
};

/* Phrases of messages, lower case, of hosts that send no telling code. */
static const WordRow phrases[] = {
	{"prompt is too long", MR_FAILURE_CONTEXT_LENGTH},
	{"input is too long", MR_FAILURE_CONTEXT_LENGTH},
	{"maximum context length", MR_FAILURE_CONTEXT_LENGTH},
	{"context length exceeded", MR_FAILURE_CONTEXT_LENGTH},
	{"exceeds the context window", MR_FAILURE_CONTEXT_LENGTH},
	{"exceed context limit", MR_FAILURE_CONTEXT_LENGTH},
	{"exceeds the available context size", MR_FAILURE_CONTEXT_LENGTH},
	{"exceeds the maximum number of tokens", MR_FAILURE_CONTEXT_LENGTH},
	{"reduce the length of the messages", MR_FAILURE_CONTEXT_LENGTH},
	{"content management policy", MR_FAILURE_CONTENT_FILTER},
	{"violates our usage policy", MR_FAILURE_CONTENT_FILTER},
	{"violating our usage policy", MR_FAILURE_CONTENT_FILTER},
	{"rejected as a result of our safety system", MR_FAILURE_CONTENT_FILTER},
	{"content policy violation", MR_FAILURE_CONTENT_FILTER},
	{"blocked by content filter", MR_FAILURE_CONTENT_FILTER},
	{"credit balance is too low", MR_FAILURE_QUOTA},
	{"insufficient balance", MR_FAILURE_QUOTA},
	{"insufficient credit", MR_FAILURE_QUOTA},
	{"out of credits", MR_FAILURE_QUOTA},
	{"spend limit", MR_FAILURE_QUOTA},
	{"spending limit", MR_FAILURE_QUOTA},
	{"api key not valid", MR_FAILURE_AUTH},
	{"incorrect api key", MR_FAILURE_AUTH},
	{"invalid api key", MR_FAILURE_AUTH},
};

static const MrJson *parse_body(const MrWireReply *wire,
								const char **problem);
static bool not_json(const MrWireReply *wire, const char *problem,
					 MrFailure *failure);
static void set_failure(const MrWireReply *wire, MrFailureKind kind,
						const char *message, MrFailure *failure);
static void read_error(const MrJson *root, ErrorText *error);
static void read_error_object(const MrJson *object, ErrorText *error);
static void read_error_code(const MrJson *code, ErrorText *error);
static void read_metadata(const MrJson *metadata, ErrorText *error);
static void read_retry_delay(const MrJson *details, ErrorText *error);
static const char *read_fallback_message(const MrJson *root);
static MrFailureKind classify(int status, const ErrorText *error);
static MrFailureKind find_word(const WordRow *rows, size_t nrows,
							   const char *word);
static MrFailureKind find_phrase(const char *message);
static MrFailureKind find_status(int status);
static bool contains_phrase(const char *text, const char *phrase);
static const char *describe(const MrWireReply *wire, const ErrorText *error);
static const char *describe_text(const char *body, size_t bytes);
static char *clean_text(const char *text, size_t bytes, size_t limit);

/*
 * Begin reading a reply: initialise reply and failure, judge the status, read
 * the body.  True gives the body's tree, an object without an error.
 */
bool
mr_wire_succeeded(const MrWireReply *wire, MrReply *reply,
				  MrFailure *failure, const MrJson **root)
{
	const char *problem;
	const MrJson *error;

	memset(reply, 0, sizeof(*reply));
	reply->reported_cost_usd = NAN;
	memset(failure, 0, sizeof(*failure));
	failure->retry_after_ms = -1;

	*root = parse_body(wire, &problem);
	if (wire->status < 200 || wire->status > 299)
		return mr_wire_failed(wire, *root, failure);
	if (*root == NULL)
		return not_json(wire, problem, failure);

	error = mr_json_get(*root, mr_json_is_array(*root) ? "0.error" : "error");
	if (error != NULL && !mr_json_is_null(error))
		return mr_wire_failed(wire, *root, failure);
	if (!mr_json_is_object(*root))
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   "the reply is not a JSON object", failure);
	return true;
}

static const MrJson *
parse_body(const MrWireReply *wire, const char **problem)
{
	*problem = "empty body";
	if (wire->body == NULL || wire->body_bytes == 0)
		return NULL;
	return mr_json_parse(wire->body, wire->body_bytes, problem);
}

static bool
not_json(const MrWireReply *wire, const char *problem, MrFailure *failure)
{
	const char *shown = describe_text(wire->body, wire->body_bytes);

	if (shown[0] == '\0' || shown[0] == '{' || shown[0] == '[')
		return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
							   psprintf("the reply is not usable JSON: %s",
										problem), failure);
	return mr_wire_refused(wire, MR_FAILURE_MALFORMED,
						   psprintf("the reply is not JSON: %s", shown),
						   failure);
}

/*
 * Make the failure of an error reply; root is its body or NULL.  Always
 * false, for parse to return.
 */
bool
mr_wire_failed(const MrWireReply *wire, const MrJson *root,
			   MrFailure *failure)
{
	ErrorText	error = {.retry_after_ms = -1};

	read_error(root, &error);
	set_failure(wire, classify(wire->status, &error), describe(wire, &error),
				failure);
	failure->code = mr_wire_word(error.code ? error.code : error.type);
	if (failure->retry_after_ms < 0)
		failure->retry_after_ms = error.retry_after_ms;
	return false;
}

/* The same for a failure that the dialect found; message is UTF-8. */
bool
mr_wire_refused(const MrWireReply *wire, MrFailureKind kind,
				const char *message, MrFailure *failure)
{
	set_failure(wire, kind, message, failure);
	return false;
}

static void
set_failure(const MrWireReply *wire, MrFailureKind kind, const char *message,
			MrFailure *failure)
{
	mr_failure_set(failure, kind, "%s",
				   clean_text(message, strlen(message),
							  MR_FAILURE_MESSAGE_BYTES - 1));
	failure->http_status = wire->status;
	failure->retry_after_ms = wire->retry_after_ms;
	failure->must_not_retry = (wire->should_retry == 0);
}

/* Find the error in any of its known places. */
static void
read_error(const MrJson *root, ErrorText *error)
{
	const MrJson *object;

	if (mr_json_is_array(root))
		root = mr_json_first(root);
	object = mr_json_get(root, "error");
	if (mr_json_is_object(object))
		read_error_object(object, error);
	else
	{
		read_error_object(root, error);
		if (mr_json_string(object) != NULL)
			error->message = mr_json_string(object);
	}
	if (error->message == NULL)
		error->message = read_fallback_message(root);
}

static void
read_error_object(const MrJson *object, ErrorText *error)
{
	const MrJson *message = mr_json_get(object, "message");

	if (mr_json_is_object(message) || mr_json_is_array(message))
		error->message = mr_json_print(message);
	else
		error->message = mr_json_string(message);

	error->type = mr_json_get_string(object, "type");
	if (error->type == NULL)
		error->type = mr_json_get_string(object, "status");
	read_error_code(mr_json_get(object, "code"), error);
	if (mr_json_get_string(object, "details.error_code") != NULL)
		error->code = mr_json_get_string(object, "details.error_code");
	read_metadata(mr_json_get(object, "metadata"), error);
	read_retry_delay(mr_json_get(object, "details"), error);
}

/* A code is a word, or the status as a number (OpenRouter, Gemini, vLLM). */
static void
read_error_code(const MrJson *code, ErrorText *error)
{
	int64		number;

	error->code = mr_json_string(code);
	if (!mr_json_int64(code, &number))
		return;
	if (number >= 300 && number <= 599)
		error->status = (int) number;
	if (error->type == NULL)
		error->code = psprintf(INT64_FORMAT, number);
}

/* OpenRouter: what the host behind it said, or why moderation refused. */
static void
read_metadata(const MrJson *metadata, ErrorText *error)
{
	error->detail = mr_json_get_string(metadata, "raw");
	error->moderated = mr_json_get(metadata, "flagged_input") != NULL;
}

/* Gemini: {"@type": ".../google.rpc.RetryInfo", "retryDelay": "46s"}. */
static void
read_retry_delay(const MrJson *details, ErrorText *error)
{
	if (!mr_json_is_array(details))
		return;
	for (const MrJson *detail = mr_json_first(details); detail != NULL;
		 detail = mr_json_next(detail))
	{
		const char *delay = mr_json_get_string(detail, "retryDelay");
		double		seconds = delay != NULL ? strtod(delay, NULL) : -1;

		if (seconds >= 0 && seconds <= SECS_PER_DAY)
			error->retry_after_ms = (int64) (seconds * 1000);
	}
}

/* FastAPI's detail, and other lists. */
static const char *
read_fallback_message(const MrJson *root)
{
	static const char *const paths[] = {
		"detail", "detail.0.msg", "detail.message", "errors.0.message",
		"errors.0", "msg", "error_description", "title"
	};

	for (size_t i = 0; i < lengthof(paths); i++)
	{
		const char *message = mr_json_get_string(root, paths[i]);

		if (message != NULL)
			return message;
	}
	return NULL;
}

/*
 * From the most telling to the least: code and type, phrase, status, then
 * code and type again for an error that came with status 200.
 */
static MrFailureKind
classify(int status, const ErrorText *error)
{
	MrFailureKind kind;

	if (status >= 200 && status <= 299)
		status = error->status;
	kind = find_word(precise_words, lengthof(precise_words), error->code);
	if (kind == MR_FAILURE_NONE)
		kind = find_word(precise_words, lengthof(precise_words), error->type);
	if (kind == MR_FAILURE_NONE && status == 403 && error->moderated)
		kind = MR_FAILURE_CONTENT_FILTER;
	if (kind == MR_FAILURE_NONE &&
		(status == 0 || status == 400 || status == 403 || status == 413 ||
		 status == 422 || status == 429 || status == 500))
	{
		kind = find_phrase(error->message);
		if (kind == MR_FAILURE_NONE)
			kind = find_phrase(error->detail);
	}
	if (kind == MR_FAILURE_NONE)
		kind = find_status(status);
	if (kind == MR_FAILURE_NONE)
		kind = find_word(plain_words, lengthof(plain_words), error->code);
	if (kind == MR_FAILURE_NONE)
		kind = find_word(plain_words, lengthof(plain_words), error->type);
	return kind == MR_FAILURE_NONE ? MR_FAILURE_SERVER : kind;
}

static MrFailureKind
find_word(const WordRow *rows, size_t nrows, const char *word)
{
	for (size_t i = 0; word != NULL && i < nrows; i++)
	{
		if (pg_strcasecmp(rows[i].word, word) == 0)
			return rows[i].kind;
	}
	return MR_FAILURE_NONE;
}

static MrFailureKind
find_phrase(const char *message)
{
	for (size_t i = 0; message != NULL && i < lengthof(phrases); i++)
	{
		if (contains_phrase(message, phrases[i].word))
			return phrases[i].kind;
	}
	return MR_FAILURE_NONE;
}

static MrFailureKind
find_status(int status)
{
	for (size_t i = 0; i < lengthof(status_rows); i++)
	{
		if (status >= status_rows[i].first && status <= status_rows[i].last)
			return status_rows[i].kind;
	}
	return MR_FAILURE_NONE;
}

/* Looks at the beginning of the text only, where the reason stands. */
static bool
contains_phrase(const char *text, const char *phrase)
{
	size_t		bytes = strnlen(text, MR_FAILURE_MESSAGE_BYTES);
	size_t		phrase_bytes = strlen(phrase);

	for (size_t i = 0; i + phrase_bytes <= bytes; i++)
	{
		if (pg_strncasecmp(text + i, phrase, phrase_bytes) == 0)
			return true;
	}
	return false;
}

/* The message for the user, not cleaned yet. */
static const char *
describe(const MrWireReply *wire, const ErrorText *error)
{
	const char *message = error->message;

	if (wire->status >= 300 && wire->status <= 399)
		return "the provider answered with a redirect, "
			"and redirects are not followed";
	if (message == NULL || message[0] == '\0')
		message = error->detail;
	else if (error->detail != NULL)
		message = psprintf("%.*s: %s", MR_FAILURE_MESSAGE_BYTES, message,
						   error->detail);
	if (message == NULL && wire->body != NULL)
		message = describe_text(wire->body, wire->body_bytes);
	if (message == NULL || message[0] == '\0')
		message = "the provider gave no message";
	return message;
}

/* The title of an HTML page, or the first line of any other text. */
static const char *
describe_text(const char *body, size_t bytes)
{
	char	   *text;
	char	   *title;

	if (body == NULL)
		return "";
	while (bytes > 0 && isspace((unsigned char) *body))
	{
		body++;
		bytes--;
	}
	if (bytes > 0 && *body == '<')
	{
		text = clean_text(body, bytes, 4 * MR_FAILURE_MESSAGE_BYTES);
		title = strstr(text, "<title>");
		if (title == NULL)
			return "an HTML page";
		title += strlen("<title>");
		return psprintf("an HTML page: %.*s", (int) strcspn(title, "<"),
						title);
	}
	for (size_t i = 0; i < bytes && i < MR_FAILURE_MESSAGE_BYTES; i++)
	{
		if (body[i] == '\n' || body[i] == '\r')
			bytes = i;
	}
	return clean_text(body, bytes, MR_FAILURE_MESSAGE_BYTES - 1);
}

/*
 * A copy of at most limit bytes that any message may hold: no control
 * characters, no broken characters, and in a database whose encoding is not
 * UTF-8 nothing beyond ASCII, because converting could raise.
 */
static char *
clean_text(const char *text, size_t bytes, size_t limit)
{
	bool		ascii = GetDatabaseEncoding() != PG_UTF8;
	const char *end = text + bytes;
	char	   *copy = palloc(limit + 1);
	size_t		used = 0;

	while (text < end && used < limit)
	{
		int			length = 1;

		if (IS_HIGHBIT_SET(*text))
			length = pg_encoding_verifymbchar(PG_UTF8, text,
											  (int) Min(end - text, 4));
		else
			copy[used] = iscntrl((unsigned char) *text) ? ' ' : *text;

		if (length > 1 && !ascii)
		{
			if (used + length > limit)
				break;
			memcpy(copy + used, text, length);
			used += length - 1;
		}
		else if (length != 1)
			copy[used] = '?';
		used++;
		text += Max(length, 1);
	}
	copy[used] = '\0';
	return copy;
}

/*
 * Read a count of tokens.  One that is absent or null leaves *tokens alone;
 * false means that what is there cannot be a count.
 */
bool
mr_usage_count(const MrJson *usage, const char *path, int64 *tokens)
{
	const MrJson *node = mr_json_get(usage, path);
	int64		count;

	if (node == NULL || mr_json_is_null(node))
		return true;
	if (!mr_json_int64(node, &count) || count < 0 ||
		count > MR_USAGE_MAX_TOKENS)
		return false;
	*tokens = count;
	return true;
}

/* A name or code from a reply, cleaned and bounded; NULL for NULL or "". */
char *
mr_wire_word(const char *text)
{
	if (text == NULL || text[0] == '\0')
		return NULL;
	return clean_text(text, strlen(text), MR_WIRE_WORD_BYTES);
}

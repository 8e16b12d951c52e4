/*
 * provider.c
 *	  The table of dialects, and the words around requests and replies that
 *	  hold for all of them.
 *
 * A new dialect is one file and one row here.
 */
#include "postgres.h"

#include "provider/dialect.h"

/* A tail of a message this long that begins the secret is masked as well. */
#define SECRET_TAIL_BYTES 6

static const MrDialect *const dialects[] = {
	&mr_dialect_openai,
	&mr_dialect_anthropic,
};

static const char *const finish_names[] = {
	[MR_FINISH_UNKNOWN] = "unknown",
	[MR_FINISH_STOP] = "stop",
	[MR_FINISH_LENGTH] = "length",
	[MR_FINISH_TOOL_CALLS] = "tool_calls",
	[MR_FINISH_CONTENT_FILTER] = "content_filter",
};

/* What the ledger records and the parser expects must be what was sent. */
static const char *const reserved_keys[] = {"model", "messages", "stream"};

static const char *mask_secret(const char *text, const char *secret);
static size_t find_secret_tail(const char *text, const char *secret);

/* The dialect named by provider.api, or NULL. */
const MrDialect *
mr_dialect_find(const char *name)
{
	for (size_t i = 0; i < lengthof(dialects); i++)
	{
		if (strcmp(dialects[i]->name, name) == 0)
			return dialects[i];
	}
	return NULL;
}

/* The word of OpenAI's finish_reason. */
const char *
mr_finish_reason_name(MrFinishReason finish)
{
	return finish_names[finish];
}

/* May option extra set this field of the provider's body? */
bool
mr_extra_key_allowed(const char *key)
{
	for (size_t i = 0; i < lengthof(reserved_keys); i++)
	{
		if (strcmp(reserved_keys[i], key) == 0)
			return false;
	}
	return true;
}

/*
 * Mask the secret in what the provider said, whole or cut off at the end.
 * The new texts are in CurrentMemoryContext.
 */
void
mr_failure_redact(MrFailure *failure, const char *secret)
{
	if (secret == NULL || secret[0] == '\0')
		return;
	failure->message = mask_secret(failure->message, secret);
	failure->code = mask_secret(failure->code, secret);
}

static const char *
mask_secret(const char *text, const char *secret)
{
	size_t		secret_bytes = strlen(secret);
	StringInfoData out;
	const char *found;

	if (text == NULL || (strstr(text, secret) == NULL &&
						 find_secret_tail(text, secret) == 0))
		return text;

	initStringInfo(&out);
	while ((found = strstr(text, secret)) != NULL)
	{
		appendBinaryStringInfo(&out, text, (int) (found - text));
		appendStringInfoString(&out, "***");
		text = found + secret_bytes;
	}
	appendStringInfoString(&out, text);
	if (find_secret_tail(out.data, secret) > 0)
	{
		out.len -= (int) find_secret_tail(out.data, secret);
		out.data[out.len] = '\0';
		appendStringInfoString(&out, "***");
	}
	return out.data;
}

/* How many bytes at the end of text begin the secret; 0 = too few. */
static size_t
find_secret_tail(const char *text, const char *secret)
{
	size_t		bytes = strlen(text);
	size_t		tail = Min(bytes, strlen(secret));

	for (; tail >= SECRET_TAIL_BYTES; tail--)
	{
		if (memcmp(text + bytes - tail, secret, tail) == 0)
			return tail;
	}
	return 0;
}

/*
 * provider.c
 *	  The table of dialects, and the words around requests and replies that
 *	  hold for all of them.
 *
 * A new dialect is one file and one row here.
 */
#include "postgres.h"

#include "provider/dialect.h"

/* A beginning of the secret this long is masked like the whole. */
#define SECRET_PART_BYTES 6

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
static size_t match_secret(const char *text, const char *secret);

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
 * Mask the secret in what the provider said: whole or cut off, as it is or
 * quoted for JSON.  The new texts are in CurrentMemoryContext.
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
	StringInfoData out;

	if (text == NULL)
		return NULL;
	initStringInfo(&out);
	while (*text != '\0')
	{
		size_t		bytes = match_secret(text, secret);

		if (bytes > 0)
			appendStringInfoString(&out, "***");
		else
			appendStringInfoChar(&out, *text);
		text += Max(bytes, 1);
	}
	return out.data;
}

/*
 * How many bytes of text are the secret or begin it; 0 = too few.  Quoting
 * adds backslashes to the text.
 */
static size_t
match_secret(const char *text, const char *secret)
{
	const char *at = text;
	size_t		matched = 0;

	for (; secret[matched] != '\0'; at++)
	{
		if (*at == secret[matched])
			matched++;
		else if (*at != '\\' || matched == 0)
			break;
	}
	if (secret[matched] == '\0' || matched >= SECRET_PART_BYTES)
		return at - text;
	return 0;
}

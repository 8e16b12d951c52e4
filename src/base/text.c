/*
 * text.c
 *	  Converts text between UTF-8 and the server encoding.
 *
 * What came over the network is converted without raising: a reply that was
 * paid for is never lost to an error.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "base/text.h"

#define REPLACEMENT '?'

static bool
same_encoding(void)
{
	int			encoding = GetDatabaseEncoding();

	return encoding == PG_UTF8 || encoding == PG_SQL_ASCII;
}

/* Converts the longest prefix that can be; returns the bytes taken. */
static size_t
convert_prefix(const char *utf8, size_t bytes, char *out, size_t out_bytes)
{
	Oid			proc = FindDefaultConversionProc(PG_UTF8,
												 GetDatabaseEncoding());

	if (!OidIsValid(proc))
	{
		out[0] = '\0';
		return 0;
	}
	return pg_do_encoding_conversion_buf(proc, PG_UTF8,
										 GetDatabaseEncoding(),
										 (unsigned char *) utf8, (int) bytes,
										 (unsigned char *) out,
										 (int) out_bytes, true);
}

/*
 * Valid UTF-8 in the server encoding, NUL-terminated, in
 * CurrentMemoryContext; *result_bytes its length.  NULL when a character has
 * no equivalent there.  Needs a transaction unless the server is UTF-8.
 */
char *
mr_text_from_utf8(const char *utf8, size_t bytes, size_t *result_bytes)
{
	size_t		capacity = bytes * MAX_CONVERSION_GROWTH + 1;
	char	   *out;

	if (same_encoding())
	{
		out = MemoryContextAllocHuge(CurrentMemoryContext, bytes + 1);
		memcpy(out, utf8, bytes);
		out[bytes] = '\0';
		*result_bytes = bytes;
		return out;
	}
	if (bytes > MaxAllocSize / MAX_CONVERSION_GROWTH)
		return NULL;
	out = palloc(capacity);
	if (convert_prefix(utf8, bytes, out, capacity) < bytes)
	{
		pfree(out);
		return NULL;
	}
	*result_bytes = strlen(out);
	return out;
}

/* The same for messages: what cannot be represented becomes '?'. */
char *
mr_text_from_utf8_lossy(const char *utf8, size_t bytes)
{
	size_t		length;
	char	   *out;
	char	   *ascii;

	if (pg_encoding_verifymbstr(PG_UTF8, utf8, (int) bytes) == (int) bytes &&
		(out = mr_text_from_utf8(utf8, bytes, &length)) != NULL)
		return out;
	ascii = palloc(bytes + 1);
	for (size_t i = 0; i < bytes; i++)
		ascii[i] = IS_HIGHBIT_SET(utf8[i]) || utf8[i] == '\0' ?
			REPLACEMENT : utf8[i];
	ascii[bytes] = '\0';
	return ascii;
}

/*
 * Text of the database as UTF-8: a NUL-terminated copy in
 * CurrentMemoryContext, so that it may be kept.  Raises 22021 for bytes that
 * are not valid UTF-8 where the server does not check (SQL_ASCII).
 */
char *
mr_text_to_utf8(const char *value, size_t bytes, size_t *utf8_bytes)
{
	char	   *utf8 = pg_server_to_any(value, (int) bytes, PG_UTF8);
	size_t		length = utf8 == value ? bytes : strlen(utf8);

	if (utf8_bytes != NULL)
		*utf8_bytes = length;
	return utf8 == value ? pnstrdup(value, bytes) : utf8;
}

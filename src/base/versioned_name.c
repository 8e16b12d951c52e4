/*
 * versioned_name.c
 *	  Reads name or name:version.
 */
#include "postgres.h"

#include "base/versioned_name.h"

#define LETTERS_AND_DIGITS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* So that every version fits an int. */
#define VERSION_MAX_DIGITS 9

static bool parse_version(const char *digits, int *version);

/*
 * A name is a letter or digit, then up to 99 of these and _ . -; a version is
 * a number from 1 without leading zeros.  False when text is neither name nor
 * name:version.
 */
bool
mr_versioned_name_parse(const char *text, MrVersionedName *result)
{
	size_t		bytes = strspn(text, LETTERS_AND_DIGITS "_.-");

	if (bytes == 0 || bytes > MR_VERSIONED_NAME_MAX_BYTES ||
		strchr("_.-", text[0]) != NULL)
		return false;
	memcpy(result->name, text, bytes);
	result->name[bytes] = '\0';
	result->version = 0;
	if (text[bytes] == '\0')
		return true;
	return text[bytes] == ':' &&
		parse_version(text + bytes + 1, &result->version);
}

static bool
parse_version(const char *digits, int *version)
{
	size_t		count = strspn(digits, "0123456789");

	if (count == 0 || count > VERSION_MAX_DIGITS || digits[count] != '\0' ||
		digits[0] == '0')
		return false;
	*version = atoi(digits);
	return true;
}

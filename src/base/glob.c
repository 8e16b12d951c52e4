/*
 * glob.c
 *	  Matches names against patterns of * (any text) and ? (one character).
 *
 * Both strings are UTF-8 or ASCII; case matters.  Only the last star is ever
 * retried, so the time is at most the product of the two lengths.
 */
#include "postgres.h"

#include "base/glob.h"

static const char *
next_character(const char *text)
{
	text++;
	while ((*text & 0xC0) == 0x80)
		text++;
	return text;
}

bool
mr_glob_match(const char *pattern, const char *text)
{
	const char *star = NULL;	/* behind the last star seen */
	const char *retry = NULL;	/* where that star's text would end */

	while (*text != '\0')
	{
		if (*pattern == '*')
		{
			star = ++pattern;
			retry = text;
		}
		else if (*pattern == '?')
		{
			pattern++;
			text = next_character(text);
		}
		else if (*pattern == *text)
		{
			pattern++;
			text++;
		}
		else if (star != NULL)
		{
			pattern = star;
			text = retry = next_character(retry);
		}
		else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

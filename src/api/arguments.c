/*
 * arguments.c
 *	  Arguments that a function cannot do without.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "api/arguments.h"

char *
mr_argument_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

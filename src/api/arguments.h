/*
 * arguments.h
 *	  Arguments that a function cannot do without.
 */
#ifndef MR_ARGUMENTS_H
#define MR_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* A text in the server encoding; raises 22004 for NULL. */
extern char *mr_argument_text(FunctionCallInfo fcinfo, int argument,
							  const char *name);

#endif							/* MR_ARGUMENTS_H */

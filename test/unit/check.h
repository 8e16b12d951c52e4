/*
 * check.h
 *	  TAP output for test programs: one line per check, the plan at the end.
 */
#ifndef MR_CHECK_H
#define MR_CHECK_H

#include "postgres.h"

extern bool check(bool passed, const char *name);
extern bool check_text(const char *got, const char *expected,
					   const char *name);
extern bool check_int(int64 got, int64 expected, const char *name);
extern bool check_double(double got, double expected, double tolerance,
						 const char *name);
extern int	check_done(void);

#endif							/* MR_CHECK_H */

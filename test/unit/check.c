/*
 * check.c
 *	  TAP output for test programs.
 */
#include "postgres.h"

#include <math.h>

#include "check.h"

static int	nchecks = 0;
static int	nfailed = 0;

bool
check(bool passed, const char *name)
{
	nchecks++;
	if (!passed)
		nfailed++;
	printf("%s %d - %s\n", passed ? "ok" : "not ok", nchecks, name);
	return passed;
}

/* NULL equals only NULL. */
bool
check_text(const char *got, const char *expected, const char *name)
{
	bool		same = (got == NULL || expected == NULL) ?
		got == expected : strcmp(got, expected) == 0;

	if (!check(same, name))
		printf("#      got: %s\n# expected: %s\n", got ? got : "(null)",
			   expected ? expected : "(null)");
	return same;
}

bool
check_int(int64 got, int64 expected, const char *name)
{
	if (!check(got == expected, name))
		printf("#      got: " INT64_FORMAT "\n# expected: " INT64_FORMAT "\n",
			   got, expected);
	return got == expected;
}

/* NaN equals only NaN. */
bool
check_double(double got, double expected, double tolerance, const char *name)
{
	bool		same = isnan(got) || isnan(expected) ?
		isnan(got) && isnan(expected) : fabs(got - expected) <= tolerance;

	if (!check(same, name))
		printf("#      got: %.10g\n# expected: %.10g\n", got, expected);
	return same;
}

/* Prints the plan; the exit status of the program. */
int
check_done(void)
{
	printf("1..%d\n", nchecks);
	return nfailed > 0;
}

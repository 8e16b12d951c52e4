/*
 * asan_first.c
 *	  Starts AddressSanitizer before any library's constructor runs.
 *
 * PostgreSQL is linked with libgpg-error, whose constructor calls
 * bindtextdomain(): that takes gettext's lock and calls malloc().  If this is
 * the process's first malloc(), AddressSanitizer starts there, calls
 * dlerror(), hence gettext, and its lock is broken for good.  Linked with
 * -z initfirst, this constructor makes the first call instead.
 */
#include <stdlib.h>

static void *volatile first;

__attribute__((constructor)) static void
allocate_first(void)
{
	first = malloc(1);
	free(first);
}

/*
 * expect.h
 *	  What a router expects of models, without selecting one.
 */
#ifndef MR_EXPECT_H
#define MR_EXPECT_H

#include "postgres.h"

#include "base/request.h"

typedef struct MrExpected
{
	const char *model;
	double		quality;		/* 0..1 */
	double		quality_stderr;
} MrExpected;

/*
 * One for each model of the router; with the default router, for each chat
 * model of the catalog that has a prior.  By name, in CurrentMemoryContext.
 * Raises 42704 when the router does not exist.
 */
extern MrExpected *mr_expect(const MrRequest *request, int *count);

#endif							/* MR_EXPECT_H */

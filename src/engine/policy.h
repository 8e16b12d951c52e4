/*
 * policy.h
 *	  What a failure of an attempt means for its call: retry here, go to the
 *	  next candidate, or stop.
 */
#ifndef MR_POLICY_H
#define MR_POLICY_H

#include "postgres.h"

#include "base/failure.h"

typedef enum MrNextStep
{
	MR_NEXT_STOP = 0,
	MR_NEXT_RETRY,				/* the same endpoint, after wait_ms */
	MR_NEXT_CANDIDATE			/* the next endpoint, at once */
} MrNextStep;

typedef struct MrSituation
{
	const MrFailure *failure;
	int			failures_here;	/* attempts at this endpoint, all failed */
	int			attempts_left;	/* by max_attempts */
	bool		more_candidates;
	int64		time_left_ms;	/* until the call's deadline */
} MrSituation;

extern MrNextStep mr_policy_next(const MrSituation *situation,
								 int64 *wait_ms);

#endif							/* MR_POLICY_H */

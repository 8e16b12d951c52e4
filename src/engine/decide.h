/*
 * decide.h
 *	  From a request to a decision: the catalog's endpoints become candidates,
 *	  the router orders them.
 *
 * No network.  The decision lives in CurrentMemoryContext and keeps the
 * catalog snapshot that it points into.
 */
#ifndef MR_DECIDE_H
#define MR_DECIDE_H

#include "postgres.h"

#include "catalog/snapshot.h"
#include "router/router.h"

typedef struct MrDecision
{
	const MrRequest *request;
	MrCatalog  *catalog;		/* pinned for the decision's memory context */
	const char *router_name;	/* default, or name:version */
	MrPromptFeatures features;
	int			ncandidates;
	int			nchosen;		/* the first nchosen candidates can serve */
	MrCandidate *candidates;	/* by rank; the excluded ones last */
} MrDecision;

extern MrDecision *mr_decide(const MrRequest *request);
extern const char *mr_decision_router(const MrRequest *request,
									  bool missing_ok);
extern bool mr_decision_require(const MrDecision *decision);

#endif							/* MR_DECIDE_H */

/*
 * run.h
 *	  A backend drives its own calls to their end.
 */
#ifndef MR_RUN_H
#define MR_RUN_H

#include "engine/call.h"

extern void mr_run_calls(MrCall **calls, int ncalls);
extern void mr_run_check_allowed(void);
extern void mr_call_report(const MrCall *call, int elevel);

#endif							/* MR_RUN_H */

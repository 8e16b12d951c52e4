/*
 * record.h
 *	  From a call to the rows of its record.  Private to src/engine.
 */
#ifndef MR_RECORD_H
#define MR_RECORD_H

#include "engine/call.h"

extern void mr_record_caller(const MrRequest *request, MrCaller *caller);
extern MrLedgerRecord *mr_record_of_call(const MrCall *call);

#endif							/* MR_RECORD_H */

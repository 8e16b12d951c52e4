/*
 * exchange.h
 *	  One attempt of a call: what is sent to its endpoint, and what the answer
 *	  or its absence means.  Private to src/engine.
 */
#ifndef MR_EXCHANGE_H
#define MR_EXCHANGE_H

#include "engine/call.h"

extern MrAttempt *mr_exchange_prepare(MrCall *call, int64 attempt_id);
extern void mr_exchange_send(MrCall *call);
extern bool mr_exchange_finish(MrCall *call);
extern void mr_exchange_cut(MrCall *call, MrFailureKind kind);

#endif							/* MR_EXCHANGE_H */

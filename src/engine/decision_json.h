/*
 * decision_json.h
 *	  Decisions on record: what audit.decision keeps of one, and deciding anew
 *	  from that.
 */
#ifndef MR_DECISION_JSON_H
#define MR_DECISION_JSON_H

#include "postgres.h"

#include "base/json.h"
#include "engine/decide.h"

/* For the record: UTF-8, in CurrentMemoryContext. */
extern const char *mr_decision_write(const MrDecision *decision);

/* From the record: NULL when the text is no decision. */
extern const MrJson *mr_decision_read(const char *json, size_t bytes);
extern bool mr_decision_had_messages(const MrJson *past);
extern void mr_decision_restore_needs(const MrJson *past, MrRequest *request);
extern bool mr_decision_covers(const MrJson *past, const MrRequest *request);
extern MrDecision *mr_decide_anew(const MrRequest *request,
								  const MrJson *past);

#endif							/* MR_DECISION_JSON_H */

/*
 * slots.h
 *	  The way of a record from the process that made it to the worker that
 *	  writes it: slots in shared memory.  Private to src/ledger.
 *
 * A call holds a slot from before its first request leaves until its record
 * is committed, so there is always room for the record of what was spent.
 */
#ifndef MR_SLOTS_H
#define MR_SLOTS_H

#include "postgres.h"

#include "ledger/rows.h"

typedef enum MrSlotState
{
	MR_SLOT_FREE = 0,
	MR_SLOT_OPEN,				/* held by a call, nothing to write */
	MR_SLOT_QUEUED,				/* a record waits for the worker */
	MR_SLOT_TAKEN,				/* the worker is writing it */
	MR_SLOT_WRITTEN,			/* committed; the owner may queue another */
	MR_SLOT_REFUSED				/* could not be written; see the log */
} MrSlotState;

extern bool mr_slots_available(void);
extern void mr_slots_init(void);

/* the owner's side */
extern int	mr_slots_acquire(int database);
extern MrSlotState mr_slots_state(int slot);
extern void mr_slots_queue(int slot, const MrLedgerRecord *record);
extern void mr_slots_abandon(int slot);
extern bool mr_slots_next_id(int database, int64 *id);

/* the worker's side */
extern int	mr_slots_take(int database, int *slots, int max);
extern const char *mr_slots_record(int slot, int *synchronous_commit);
extern void mr_slots_finish(const int *slots, int count, MrSlotState state);
extern void mr_slots_put_back(const int *slots, int count, bool first);
extern void mr_slots_return(int database);
extern bool mr_slots_held(int database);
extern bool mr_slots_want_ids(int database, uint32 *epoch);
extern void mr_slots_add_ids(int database, uint32 epoch, int64 first,
							 int64 count);

/* whoever finds the extension gone */
extern void mr_slots_begin_epoch(int database);

#endif							/* MR_SLOTS_H */

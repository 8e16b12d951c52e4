/*
 * slots.c
 *	  Slots, the queue of each database, and its blocks of ids, in shared
 *	  memory.
 *
 * One LWLock guards states, links and ids.  The record of a slot belongs to
 * its owner while OPEN, to the worker while TAKEN, and is only replaced under
 * the lock while QUEUED.  Records that do not fit a slot lie in a DSA area
 * whose size is bounded by modelroute.ledger_memory; where that is used up,
 * details are dropped so that the record fits, never the record.
 *
 * After a crash shared memory starts empty: what was queued and not yet
 * committed had not been returned to a client either.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "ledger/slots.h"

/* Enough for any record after mr_record_drop_details. */
#define SLOT_BYTES (12 * 1024)
#define AREA_BYTES (1024 * 1024)
#define NO_SLOT (-1)

typedef struct LedgerSlot
{
	MrSlotState state;
	int			next;			/* in the free list or a queue */
	int			database;		/* entry of the registry */
	Latch	   *owner;			/* NULL: nobody waits */
	int			synchronous_commit; /* of the owner's session */
	dsa_pointer overflow;		/* the record, when not in place */
	char		record[SLOT_BYTES] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} LedgerSlot;

typedef struct IdBlock
{
	int64		next;
	int64		left;
} IdBlock;

typedef struct LedgerQueue
{
	int			head;
	int			tail;
	IdBlock		ids;
	IdBlock		spare_ids;
} LedgerQueue;

typedef struct LedgerShared
{
	LWLock		lock;
	int			tranche;
	int			area_tranche;
	int			free_head;
	char	   *area;			/* same address in every process: forked */
	LedgerSlot *slots;
	LedgerQueue queues[FLEXIBLE_ARRAY_MEMBER];
} LedgerShared;

static LedgerShared *shared;
static dsa_area *area;			/* this process's view */

static Size
queues_bytes(void)
{
	return MAXALIGN(offsetof(LedgerShared, queues) +
					mr_guc_max_databases * sizeof(LedgerQueue));
}

static Size
shared_size(void)
{
	return queues_bytes() + MAXALIGN(AREA_BYTES) +
		(Size) mr_guc_ledger_slots * sizeof(LedgerSlot);
}

static void
init_area(void)
{
	dsa_area   *created = dsa_create_in_place(shared->area, AREA_BYTES,
											  shared->area_tranche, NULL);

	dsa_pin(created);
	dsa_set_size_limit(created, (Size) mr_guc_ledger_memory_kb * 1024);
	dsa_detach(created);
}

static void
init_shared(void *place)
{
	shared = place;
	shared->tranche = LWLockNewTrancheId();
	shared->area_tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(shared->tranche, "ModelrouteLedger");
	LWLockRegisterTranche(shared->area_tranche, "ModelrouteLedgerMemory");
	LWLockInitialize(&shared->lock, shared->tranche);
	shared->area = (char *) place + queues_bytes();
	shared->slots = (LedgerSlot *) (shared->area + MAXALIGN(AREA_BYTES));
	for (int i = 0; i < mr_guc_max_databases; i++)
		shared->queues[i].head = shared->queues[i].tail = NO_SLOT;
	for (int i = 0; i < mr_guc_ledger_slots; i++)
		shared->slots[i].next =
			i + 1 < mr_guc_ledger_slots ? i + 1 : NO_SLOT;
	init_area();
}

static const MrShmemSegment segment = {
	"modelroute ledger", shared_size, init_shared
};

/* Reserves the shared memory; from _PG_init of a preloaded library. */
void
mr_slots_init(void)
{
	mr_shmem_add(&segment);
}

/* Whether the library was preloaded. */
bool
mr_slots_available(void)
{
	return shared != NULL;
}

static dsa_area *
attached_area(void)
{
	if (area == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		area = dsa_attach_in_place(shared->area, NULL);
		dsa_pin_mapping(area);
		MemoryContextSwitchTo(old);
	}
	return area;
}

/* Takes a free slot for a call of the database; -1 = none is free. */
int
mr_slots_acquire(int database)
{
	int			index;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	index = shared->free_head;
	if (index != NO_SLOT)
	{
		LedgerSlot *slot = &shared->slots[index];

		shared->free_head = slot->next;
		slot->state = MR_SLOT_OPEN;
		slot->database = database;
		slot->owner = MyLatch;
		slot->overflow = InvalidDsaPointer;
	}
	LWLockRelease(&shared->lock);
	return index;
}

/* The state now; a change away from QUEUED or TAKEN sets the owner's latch. */
MrSlotState
mr_slots_state(int slot)
{
	MrSlotState state;

	LWLockAcquire(&shared->lock, LW_SHARED);
	state = shared->slots[slot].state;
	LWLockRelease(&shared->lock);
	return state;
}

static void
free_slot(int index)
{
	LedgerSlot *slot = &shared->slots[index];

	slot->state = MR_SLOT_FREE;
	slot->owner = NULL;
	slot->next = shared->free_head;
	shared->free_head = index;
}

static void
append_to_queue(int index)
{
	LedgerSlot *slot = &shared->slots[index];
	LedgerQueue *queue = &shared->queues[slot->database];

	slot->next = NO_SLOT;
	if (queue->tail == NO_SLOT)
		queue->head = index;
	else
		shared->slots[queue->tail].next = index;
	queue->tail = index;
	slot->state = MR_SLOT_QUEUED;
}

/*
 * Packs the record: in place when it fits, else into fresh shared memory,
 * else in place without its details.
 */
static void
place_record(LedgerSlot *slot, const MrLedgerRecord *record,
			 dsa_pointer overflow, size_t bytes)
{
	slot->overflow = overflow;
	slot->synchronous_commit = synchronous_commit;
	if (overflow != InvalidDsaPointer)
		mr_record_pack(record, dsa_get_address(attached_area(), overflow),
					   bytes);
	else
		mr_record_pack(record, slot->record, SLOT_BYTES);
}

/*
 * Gives the record to the worker.  False when the worker is writing an
 * earlier record of this slot just now.  Does not wake the worker.
 */
bool
mr_slots_queue(int index, const MrLedgerRecord *record)
{
	LedgerSlot *slot = &shared->slots[index];
	size_t		bytes = mr_record_bytes(record);
	dsa_pointer overflow = InvalidDsaPointer;
	dsa_pointer replaced = InvalidDsaPointer;
	MrLedgerRecord *shortened = NULL;
	bool		queued = true;

	if (bytes > SLOT_BYTES)
	{
		overflow = dsa_allocate_extended(attached_area(), bytes,
										 DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
		if (overflow == InvalidDsaPointer)
		{
			shortened = palloc(sizeof(MrLedgerRecord));
			*shortened = *record;
			mr_record_drop_details(shortened);
		}
	}

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (slot->state == MR_SLOT_TAKEN)
	{
		queued = false;
		replaced = overflow;
	}
	else
	{
		replaced = slot->state == MR_SLOT_QUEUED ? slot->overflow :
			InvalidDsaPointer;
		place_record(slot, shortened ? shortened : record, overflow, bytes);
		if (slot->state != MR_SLOT_QUEUED)
			append_to_queue(index);
	}
	LWLockRelease(&shared->lock);
	if (replaced != InvalidDsaPointer)
		dsa_free(attached_area(), replaced);
	return queued;
}

/* After a written intent: the call goes on with its slot. */
void
mr_slots_reopen(int slot)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->slots[slot].state = MR_SLOT_OPEN;
	LWLockRelease(&shared->lock);
}

/* The owner leaves; a queued record is still written. */
void
mr_slots_abandon(int index)
{
	LedgerSlot *slot = &shared->slots[index];

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	slot->owner = NULL;
	if (slot->state != MR_SLOT_QUEUED && slot->state != MR_SLOT_TAKEN)
		free_slot(index);
	LWLockRelease(&shared->lock);
}

/* Moves up to max queued slots of the database to TAKEN; their number. */
int
mr_slots_take(int database, int *slots, int max)
{
	LedgerQueue *queue = &shared->queues[database];
	int			count = 0;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	while (count < max && queue->head != NO_SLOT)
	{
		LedgerSlot *slot = &shared->slots[queue->head];

		slots[count++] = queue->head;
		slot->state = MR_SLOT_TAKEN;
		queue->head = slot->next;
		if (queue->head == NO_SLOT)
			queue->tail = NO_SLOT;
	}
	LWLockRelease(&shared->lock);
	return count;
}

/* The packed record of a taken slot. */
const char *
mr_slots_record(int index, int *sync)
{
	LedgerSlot *slot = &shared->slots[index];

	*sync = slot->synchronous_commit;
	if (slot->overflow != InvalidDsaPointer)
		return dsa_get_address(attached_area(), slot->overflow);
	return slot->record;
}

/* Ends taken slots as WRITTEN or REFUSED, or puts them back as QUEUED. */
void
mr_slots_finish(const int *slots, int count, MrSlotState state)
{
	for (int i = 0; i < count && state != MR_SLOT_QUEUED; i++)
	{
		LedgerSlot *slot = &shared->slots[slots[i]];

		if (slot->overflow != InvalidDsaPointer)
			dsa_free(attached_area(), slot->overflow);
		slot->overflow = InvalidDsaPointer;
	}
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < count; i++)
	{
		LedgerSlot *slot = &shared->slots[slots[i]];

		if (state == MR_SLOT_QUEUED)
			append_to_queue(slots[i]);
		else if (slot->owner == NULL)
			free_slot(slots[i]);
		else
		{
			slot->state = state;
			SetLatch(slot->owner);
		}
	}
	LWLockRelease(&shared->lock);
}

/*
 * A worker comes or is gone: what was taken and not committed is queued
 * again, and ids left over are forgotten, as the entry may come to stand for
 * another database.
 */
void
mr_slots_return(int database)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->queues[database].ids.left = 0;
	shared->queues[database].spare_ids.left = 0;
	for (int i = 0; i < mr_guc_ledger_slots; i++)
		if (shared->slots[i].state == MR_SLOT_TAKEN &&
			shared->slots[i].database == database)
			append_to_queue(i);
	LWLockRelease(&shared->lock);
}

/* The next id of the database; false when the worker has to bring more. */
bool
mr_slots_next_id(int database, int64 *id)
{
	LedgerQueue *queue = &shared->queues[database];
	bool		found;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (queue->ids.left == 0)
	{
		queue->ids = queue->spare_ids;
		queue->spare_ids.left = 0;
	}
	found = queue->ids.left > 0;
	if (found)
	{
		*id = queue->ids.next++;
		queue->ids.left--;
	}
	LWLockRelease(&shared->lock);
	return found;
}

/* Whether the worker should bring a block of ids. */
bool
mr_slots_want_ids(int database)
{
	return shared->queues[database].spare_ids.left == 0;
}

/* Adds a block whose reservation is committed. */
void
mr_slots_add_ids(int database, int64 first, int64 count)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->queues[database].spare_ids.next = first;
	shared->queues[database].spare_ids.left = count;
	LWLockRelease(&shared->lock);
}

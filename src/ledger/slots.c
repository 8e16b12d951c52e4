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
 * A slot holds one record at a time.  What its owner hands in while the worker
 * writes the one before (a call that ends early while its intent is written)
 * waits as the slot's successor, so records of a call never overtake each
 * other.
 *
 * An epoch is the time from one CREATE EXTENSION to its DROP: what a call of
 * an earlier epoch hands in is refused, since its ids mean nothing in the new
 * tables.
 *
 * After a crash shared memory starts empty: what was queued and not yet
 * committed had not been returned to a client either.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
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
	uint32		epoch;			/* of the queue, when it was acquired */
	Latch	   *owner;			/* NULL: nobody waits */
	int			synchronous_commit; /* of the owner's session */
	dsa_pointer overflow;		/* the record, when not in place */
	dsa_pointer successor;		/* of a TAKEN record */
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
	uint32		epoch;
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

/* Gives back what this process still holds when its calls are abandoned. */
static void
reap_at_exit(int code, Datum arg)
{
	for (int i = 0; i < mr_guc_ledger_slots; i++)
		if (shared->slots[i].owner == MyLatch)
			mr_slots_abandon(i);
}

/* Takes a free slot for a call of the database; -1 = none is free. */
int
mr_slots_acquire(int database)
{
	static bool registered = false;
	int			index;

	if (!registered)
	{
		on_shmem_exit(reap_at_exit, 0);
		registered = true;
	}
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	index = shared->free_head;
	if (index != NO_SLOT)
	{
		LedgerSlot *slot = &shared->slots[index];

		shared->free_head = slot->next;
		slot->state = MR_SLOT_OPEN;
		slot->database = database;
		slot->epoch = shared->queues[database].epoch;
		slot->owner = MyLatch;
		slot->overflow = InvalidDsaPointer;
		slot->successor = InvalidDsaPointer;
	}
	LWLockRelease(&shared->lock);
	return index;
}

/*
 * The state now, read without the lock: a change away from QUEUED or TAKEN
 * sets the owner's latch, which is a barrier.
 */
MrSlotState
mr_slots_state(int slot)
{
	return *(volatile MrSlotState *) &shared->slots[slot].state;
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

/* And in front of what is queued: the worker returns what it took. */
static void
prepend_to_queue(int index)
{
	LedgerSlot *slot = &shared->slots[index];
	LedgerQueue *queue = &shared->queues[slot->database];

	slot->next = queue->head;
	queue->head = index;
	if (queue->tail == NO_SLOT)
		queue->tail = index;
	slot->state = MR_SLOT_QUEUED;
}

/* A piece of the area that is asked for. */
typedef struct Allocation
{
	size_t		bytes;
	dsa_pointer place;
} Allocation;

static void
try_allocation(void *arg)
{
	Allocation *wanted = arg;

	wanted->place = dsa_allocate_extended(attached_area(), wanted->bytes,
										  DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
}

/*
 * Memory for a record, or InvalidDsaPointer.  A new segment may not be had
 * though the limit allows it; the record of what was spent must get through
 * all the same.
 */
static dsa_pointer
allocate(size_t bytes)
{
	Allocation	wanted = {bytes, InvalidDsaPointer};

	return mr_shmem_try(try_allocation, &wanted) ? wanted.place :
		InvalidDsaPointer;
}

static void
release(dsa_pointer place)
{
	if (place != InvalidDsaPointer)
		dsa_free(attached_area(), place);
}

/* The record in memory of its own, or InvalidDsaPointer. */
static dsa_pointer
pack_apart(const MrLedgerRecord *record, size_t bytes)
{
	dsa_pointer place = allocate(bytes);

	if (place != InvalidDsaPointer)
		mr_record_pack(record, dsa_get_address(attached_area(), place),
					   bytes);
	return place;
}

/*
 * What the record's commit must wait for: as the session wishes, but an
 * intent has to be on disk before the request leaves.
 */
static int
wished_commit(const MrLedgerRecord *record)
{
	return record->upsert ?
		Max(synchronous_commit, SYNCHRONOUS_COMMIT_LOCAL_FLUSH) :
		synchronous_commit;
}

/*
 * Puts the record into the slot, which is locked: apart when it was packed
 * apart, else in place.  Returns the memory that is no longer needed.
 */
static dsa_pointer
enter_record(int index, const MrLedgerRecord *record, dsa_pointer apart)
{
	LedgerSlot *slot = &shared->slots[index];
	dsa_pointer replaced;

	if (slot->state == MR_SLOT_TAKEN)
	{
		/* without memory for it, the intent stands: unknown is not untrue */
		replaced = slot->successor;
		slot->successor = apart;
		return replaced;
	}
	if (slot->epoch != shared->queues[slot->database].epoch)
	{
		if (slot->state != MR_SLOT_QUEUED)
			slot->state = MR_SLOT_REFUSED;
		return apart;
	}
	replaced = slot->state == MR_SLOT_QUEUED ? slot->overflow :
		InvalidDsaPointer;
	slot->overflow = apart;
	slot->synchronous_commit = wished_commit(record);
	if (apart == InvalidDsaPointer)
		mr_record_pack(record, slot->record, SLOT_BYTES);
	if (slot->state != MR_SLOT_QUEUED)
		append_to_queue(index);
	return replaced;
}

/*
 * Gives the record to the worker: in place when it fits, else in memory of
 * its own, else in place without its details.  Raises nothing but lack of
 * the process's own memory.  Does not wake the worker.
 */
void
mr_slots_queue(int index, const MrLedgerRecord *record)
{
	size_t		bytes = mr_record_bytes(record);
	MrSlotState state = mr_slots_state(index);
	bool		busy = state == MR_SLOT_QUEUED || state == MR_SLOT_TAKEN;
	dsa_pointer apart = InvalidDsaPointer;
	MrLedgerRecord *shortened = NULL;

	if (bytes > SLOT_BYTES || busy)
		apart = pack_apart(record, bytes);
	if (bytes > SLOT_BYTES && apart == InvalidDsaPointer)
	{
		shortened = palloc(sizeof(MrLedgerRecord));
		*shortened = *record;
		mr_record_drop_details(shortened);
		if (busy)
			apart = pack_apart(shortened, mr_record_bytes(shortened));
	}

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	apart = enter_record(index, shortened ? shortened : record, apart);
	LWLockRelease(&shared->lock);
	release(apart);
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

/* Ends one taken slot, which is locked. */
static void
finish_slot(int index, MrSlotState state)
{
	LedgerSlot *slot = &shared->slots[index];

	slot->overflow = slot->successor;
	slot->successor = InvalidDsaPointer;
	if (slot->overflow != InvalidDsaPointer)
		append_to_queue(index);
	else if (slot->owner == NULL)
		free_slot(index);
	else
	{
		slot->state = state;
		SetLatch(slot->owner);
	}
}

/* Ends taken slots as WRITTEN or REFUSED. */
void
mr_slots_finish(const int *slots, int count, MrSlotState state)
{
	for (int i = 0; i < count; i++)
		release(shared->slots[slots[i]].overflow);
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < count; i++)
		finish_slot(slots[i], state);
	LWLockRelease(&shared->lock);
}

/* Queues taken slots again, in the same order: as the first, or the last. */
void
mr_slots_put_back(const int *slots, int count, bool first)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = count - 1; first && i >= 0; i--)
		prepend_to_queue(slots[i]);
	for (int i = 0; !first && i < count; i++)
		append_to_queue(slots[i]);
	LWLockRelease(&shared->lock);
}

/*
 * A worker comes or is gone: what was taken and not committed is queued
 * again.
 */
void
mr_slots_return(int database)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < mr_guc_ledger_slots; i++)
		if (shared->slots[i].state == MR_SLOT_TAKEN &&
			shared->slots[i].database == database)
			prepend_to_queue(i);
	LWLockRelease(&shared->lock);
}

/* Whether any call of the database may hand in a record yet. */
bool
mr_slots_held(int database)
{
	bool		held = false;

	LWLockAcquire(&shared->lock, LW_SHARED);
	for (int i = 0; i < mr_guc_ledger_slots && !held; i++)
		held = shared->slots[i].state != MR_SLOT_FREE &&
			shared->slots[i].owner != NULL &&
			shared->slots[i].database == database;
	LWLockRelease(&shared->lock);
	return held;
}

/* The extension is gone: a new epoch begins, without ids. */
void
mr_slots_begin_epoch(int database)
{
	LedgerQueue *queue = &shared->queues[database];

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	queue->epoch++;
	queue->ids.left = 0;
	queue->spare_ids.left = 0;
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

/* Whether the worker should bring a block of ids, and for which epoch. */
bool
mr_slots_want_ids(int database, uint32 *epoch)
{
	LedgerQueue *queue = &shared->queues[database];
	bool		wanted;

	LWLockAcquire(&shared->lock, LW_SHARED);
	wanted = queue->spare_ids.left == 0;
	*epoch = queue->epoch;
	LWLockRelease(&shared->lock);
	return wanted;
}

/* Adds a block whose reservation is committed. */
void
mr_slots_add_ids(int database, uint32 epoch, int64 first, int64 count)
{
	LedgerQueue *queue = &shared->queues[database];

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (queue->epoch == epoch)
	{
		queue->spare_ids.next = first;
		queue->spare_ids.left = count;
	}
	LWLockRelease(&shared->lock);
}

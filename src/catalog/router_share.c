/*
 * router_share.c
 *	  Artifacts in shared memory, once per server, by the SHA-256 of their
 *	  bytes.
 *
 * A table in fixed shared memory, guarded by one LWLock, names for each
 * artifact the segment of dynamic shared memory that holds it.  Segments are
 * pinned while they are in the table; modelroute.router_memory bounds them
 * together.  What was used least recently leaves: a process that has it mapped
 * keeps it until it is done.  Since nothing but the content counts, it does not
 * matter which database, router or transaction a row with it belongs to.
 *
 * A segment that is found may be gone before it is attached, and its handle
 * may then be that of another one: its head tells.  After a crash there are
 * neither table nor segments left.
 */
#include "postgres.h"

#include "storage/lwlock.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "catalog/router_data.h"

#define SHARE_SLOTS 64			/* artifacts in shared memory */

/* What a segment begins with; the artifact follows. */
typedef struct ShareHead
{
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	uint64		length;
} ShareHead;

#define HEAD_BYTES MAXALIGN(sizeof(ShareHead))

typedef struct ShareSlot
{
	dsm_handle	handle;
	Size		bytes;			/* of the segment; 0 = free */
	uint64		used;			/* when, by the table's count */
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
} ShareSlot;

typedef struct ShareTable
{
	LWLock		lock;
	int			tranche;
	uint64		uses;
	Size		bytes;			/* of all slots */
	ShareSlot	slots[SHARE_SLOTS];
} ShareTable;

/* An attempt to make or to attach a segment. */
typedef struct Attempt
{
	dsm_handle	handle;			/* to attach */
	Size		bytes;			/* to make */
	dsm_segment *segment;		/* NULL: there is none */
} Attempt;

static ShareTable *table;

static ShareSlot *find_slot(const uint8 *sha256);
static bool attach(dsm_handle handle, const uint8 *sha256,
				   MrRouterShare *share);
static void try_attach(void *arg);
static void try_create(void *arg);
static bool publish(const uint8 *sha256, const Attempt *made);
static int	make_room(Size bytes, dsm_handle *evicted);
static ShareSlot *free_slot(void);
static ShareSlot *oldest_slot(void);

static Size
table_size(void)
{
	return sizeof(ShareTable);
}

static void
init_table(void *place)
{
	table = place;
	table->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(table->tranche, "ModelrouteRouters");
	LWLockInitialize(&table->lock, table->tranche);
}

static const MrShmemSegment segment = {
	"modelroute routers", table_size, init_table
};

/* Reserves the shared memory; from _PG_init of a preloaded library. */
void
mr_router_share_init(void)
{
	mr_shmem_add(&segment);
}

/* Maps the artifact, for good, if it is there. */
bool
mr_router_share_find(const uint8 *sha256, MrRouterShare *share)
{
	ShareSlot  *slot;
	dsm_handle	handle = DSM_HANDLE_INVALID;

	if (table == NULL)
		return false;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	slot = find_slot(sha256);
	if (slot != NULL)
	{
		handle = slot->handle;
		slot->used = ++table->uses;
	}
	LWLockRelease(&table->lock);
	return handle != DSM_HANDLE_INVALID && attach(handle, sha256, share);
}

/*
 * Puts an artifact there and maps it for good; false when it does not fit or
 * there is no memory.  When another process was faster, its copy is mapped.
 */
bool
mr_router_share_put(const uint8 *sha256, const char *bytes, size_t length,
					MrRouterShare *share)
{
	ShareHead	head = {.length = length};
	Attempt		made = {.bytes = HEAD_BYTES + length};
	char	   *place;

	if (table == NULL || made.bytes > (Size) mr_guc_router_memory_kb * 1024 ||
		!mr_shmem_try(try_create, &made) || made.segment == NULL)
		return false;
	place = dsm_segment_address(made.segment);
	memcpy(head.sha256, sha256, PG_SHA256_DIGEST_LENGTH);
	memcpy(place, &head, sizeof(head));
	memcpy(place + HEAD_BYTES, bytes, length);
	if (!publish(sha256, &made))
	{
		dsm_detach(made.segment);
		return mr_router_share_find(sha256, share);
	}
	share->segment = made.segment;
	share->bytes = place + HEAD_BYTES;
	share->length = length;
	return true;
}

/* The table is locked. */
static ShareSlot *
find_slot(const uint8 *sha256)
{
	for (int i = 0; i < SHARE_SLOTS; i++)
	{
		ShareSlot  *slot = &table->slots[i];

		if (slot->bytes > 0 &&
			memcmp(slot->sha256, sha256, PG_SHA256_DIGEST_LENGTH) == 0)
			return slot;
	}
	return NULL;
}

static bool
attach(dsm_handle handle, const uint8 *sha256, MrRouterShare *share)
{
	Attempt		attempt = {.handle = handle};
	ShareHead	head;
	char	   *place;

	if (!mr_shmem_try(try_attach, &attempt) || attempt.segment == NULL)
		return false;
	place = dsm_segment_address(attempt.segment);
	memcpy(&head, place, sizeof(head));
	if (memcmp(head.sha256, sha256, PG_SHA256_DIGEST_LENGTH) != 0)
	{
		dsm_detach(attempt.segment);
		return false;
	}
	share->segment = attempt.segment;
	share->bytes = place + HEAD_BYTES;
	share->length = head.length;
	return true;
}

static void
try_attach(void *arg)
{
	Attempt    *attempt = arg;

	attempt->segment = dsm_attach(attempt->handle);
	if (attempt->segment != NULL)
		dsm_pin_mapping(attempt->segment);
}

static void
try_create(void *arg)
{
	Attempt    *attempt = arg;

	attempt->segment = dsm_create(attempt->bytes,
								  DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (attempt->segment != NULL)
		dsm_pin_mapping(attempt->segment);
}

/* Enters a filled segment into the table; false when it has the content. */
static bool
publish(const uint8 *sha256, const Attempt *made)
{
	dsm_handle	evicted[SHARE_SLOTS];
	int			nevicted = 0;
	bool		entered = false;
	ShareSlot  *slot;

	dsm_pin_segment(made->segment);
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	if (find_slot(sha256) == NULL)
	{
		nevicted = make_room(made->bytes, evicted);
		slot = free_slot();
		slot->handle = dsm_segment_handle(made->segment);
		slot->bytes = made->bytes;
		slot->used = ++table->uses;
		memcpy(slot->sha256, sha256, PG_SHA256_DIGEST_LENGTH);
		table->bytes += made->bytes;
		entered = true;
	}
	LWLockRelease(&table->lock);
	if (!entered)
		dsm_unpin_segment(dsm_segment_handle(made->segment));
	for (int i = 0; i < nevicted; i++)
		dsm_unpin_segment(evicted[i]);
	return entered;
}

/*
 * Until so many bytes and a slot are free, takes out what was used least
 * recently; the caller unpins it.
 */
static int
make_room(Size bytes, dsm_handle *evicted)
{
	Size		limit = (Size) mr_guc_router_memory_kb * 1024;
	int			nevicted = 0;

	while (free_slot() == NULL || table->bytes + bytes > limit)
	{
		ShareSlot  *slot = oldest_slot();

		evicted[nevicted++] = slot->handle;
		table->bytes -= slot->bytes;
		slot->bytes = 0;
	}
	return nevicted;
}

static ShareSlot *
free_slot(void)
{
	for (int i = 0; i < SHARE_SLOTS; i++)
	{
		if (table->slots[i].bytes == 0)
			return &table->slots[i];
	}
	return NULL;
}

/* The slot used least recently; some slot is in use. */
static ShareSlot *
oldest_slot(void)
{
	ShareSlot  *oldest = NULL;

	for (int i = 0; i < SHARE_SLOTS; i++)
	{
		ShareSlot  *slot = &table->slots[i];

		if (slot->bytes > 0 && (oldest == NULL || slot->used < oldest->used))
			oldest = slot;
	}
	return oldest;
}

/*
 * health.c
 *	  Each endpoint's recent speed, moving averages and the median latency, in
 *	  an open-addressed table.
 *
 * A slot's key is claimed once by compare-and-swap and never changes; its
 * figures are written under the slot's spinlock and read without it: each is
 * one aligned 8-byte word, and a mixed reading of two moments does no harm.
 * When the table is full further endpoints have only their prior.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "engine/health.h"

#define PROBES 16
#define LOCAL_SLOTS 256
/* Weight of the newest call; the last 10 calls make up 0.9 of the average. */
#define NEWEST 0.2
/* Calls whose median latency is told: a slow one or two do not move it. */
#define RECENT 15

typedef struct HealthSlot
{
	pg_atomic_uint64 key;		/* 0 = free */
	slock_t		lock;
	MrObserved	observed;
	float		recent_ms[RECENT];	/* latencies, the oldest is next */
} HealthSlot;

typedef struct HealthTable
{
	int			nslots;			/* a power of two */
	HealthSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} HealthTable;

static HealthTable *table;

static Size
table_bytes(int nslots)
{
	return offsetof(HealthTable, slots) + nslots * sizeof(HealthSlot);
}

static Size
table_size(void)
{
	return table_bytes(pg_nextpower2_32(mr_guc_max_endpoints));
}

static void
fill_table(HealthTable *fresh, int nslots)
{
	fresh->nslots = nslots;
	for (int i = 0; i < nslots; i++)
	{
		pg_atomic_init_u64(&fresh->slots[i].key, 0);
		SpinLockInit(&fresh->slots[i].lock);
	}
}

static void
init_table(void *place)
{
	table = place;
	fill_table(table, pg_nextpower2_32(mr_guc_max_endpoints));
}

static const MrShmemSegment segment = {
	"modelroute health", table_size, init_table
};

/* Reserves the shared memory; from _PG_init of a preloaded library. */
void
mr_health_init(void)
{
	mr_shmem_add(&segment);
}

static HealthTable *
get_table(void)
{
	if (table == NULL)
	{
		HealthTable *fresh = MemoryContextAllocZero(TopMemoryContext,
													table_bytes(LOCAL_SLOTS));

		fill_table(fresh, LOCAL_SLOTS);
		table = fresh;
	}
	return table;
}

/* The slot of an endpoint of this database, claimed when claim is set. */
static HealthSlot *
find_slot(uint64 endpoint_key, bool claim)
{
	HealthTable *in = get_table();
	uint64		key = hash_combine64(endpoint_key, MyDatabaseId) | 1;

	for (int i = 0; i < PROBES; i++)
	{
		HealthSlot *slot = &in->slots[(key / 2 + i) & (in->nslots - 1)];
		uint64		found = pg_atomic_read_u64(&slot->key);

		if (found == key)
			return slot;
		if (found == 0 && !claim)
			return NULL;
		if (found == 0 &&
			(pg_atomic_compare_exchange_u64(&slot->key, &found, key) ||
			 found == key))
			return slot;
	}
	return NULL;
}

/* What was measured; count 0 when nothing was. */
void
mr_health_read(uint64 endpoint_key, MrObserved *observed)
{
	HealthSlot *slot = find_slot(endpoint_key, false);

	if (slot)
		*observed = slot->observed;
	else
		memset(observed, 0, sizeof(*observed));
}

static void
average_in(double *average, double newest, bool first)
{
	*average = first ? newest : *average + NEWEST * (newest - *average);
}

/* The median of the latencies known so far; count > 0. */
static double
median_of(const float *recent_ms, int64 count)
{
	float		sorted[RECENT];
	int			known = (int) Min(count, RECENT);

	for (int i = 0; i < known; i++)
	{
		int			at = i;

		for (; at > 0 && sorted[at - 1] > recent_ms[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = recent_ms[i];
	}
	return (sorted[(known - 1) / 2] + sorted[known / 2]) / 2;
}

/* Takes one good reply into the averages. */
void
mr_health_note(uint64 endpoint_key, double first_byte_ms, double latency_ms,
			   int64 output_tokens)
{
	HealthSlot *slot = find_slot(endpoint_key, true);
	MrObserved *observed;
	bool		first;

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->lock);
	observed = &slot->observed;
	first = observed->count == 0;
	average_in(&observed->first_byte_ms, first_byte_ms, first);
	slot->recent_ms[observed->count % RECENT] = latency_ms;
	observed->latency_ms = median_of(slot->recent_ms, observed->count + 1);
	average_in(&observed->ms_per_output_token,
			   latency_ms / Max(output_tokens, 1), first);
	observed->count++;
	SpinLockRelease(&slot->lock);
}

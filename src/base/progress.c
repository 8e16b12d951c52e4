/*
 * progress.c
 *	  How far trainings are, in a fixed number of slots in shared memory.
 *
 * A slot belongs to the process that took it; its figures are written and
 * copied under its spinlock.  The owner gives it back, also on an error; when
 * the process exits without having done so, its exit callback does.  Without
 * preload, or when all slots are taken, a training is not seen: then the slot
 * is NULL, which every function here takes.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/progress.h"
#include "base/shmem.h"

struct MrProgressSlot
{
	slock_t		lock;
	MrProgress	progress;		/* pid 0 = free */
};

static MrProgressSlot *slots;

static Size
slots_size(void)
{
	return MR_PROGRESS_SLOTS * sizeof(MrProgressSlot);
}

static void
init_slots(void *place)
{
	slots = place;
	for (int i = 0; i < MR_PROGRESS_SLOTS; i++)
		SpinLockInit(&slots[i].lock);
}

static const MrShmemSegment segment = {
	"modelroute progress", slots_size, init_slots
};

/* Reserves the shared memory; from _PG_init of a preloaded library. */
void
mr_progress_init(void)
{
	mr_shmem_add(&segment);
}

static void
end_all_at_exit(int code, Datum arg)
{
	for (int i = 0; i < MR_PROGRESS_SLOTS; i++)
		if (slots[i].progress.pid == MyProcPid)
			mr_progress_end(&slots[i]);
}

static bool
take_slot(MrProgressSlot *slot, const MrProgress *progress)
{
	bool		taken;

	SpinLockAcquire(&slot->lock);
	taken = slot->progress.pid == 0;
	if (taken)
		slot->progress = *progress;
	SpinLockRelease(&slot->lock);
	return taken;
}

/* The current role begins to train a router in this database. */
MrProgressSlot *
mr_progress_begin(const char *router)
{
	static bool registered = false;
	MrProgress	progress = {
		.pid = MyProcPid,
		.database = MyDatabaseId,
		.role = GetUserId(),
		.started_at = GetCurrentTimestamp()
	};

	if (slots == NULL)
		return NULL;
	if (!registered)
	{
		on_shmem_exit(end_all_at_exit, 0);
		registered = true;
	}
	strlcpy(progress.router, router, sizeof(progress.router));
	for (int i = 0; i < MR_PROGRESS_SLOTS; i++)
		if (take_slot(&slots[i], &progress))
			return &slots[i];
	return NULL;
}

/* How much was read so far. */
void
mr_progress_rows(MrProgressSlot *slot, int64 rows_read, int64 prompts)
{
	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->lock);
	slot->progress.rows_read = rows_read;
	slot->progress.prompts = prompts;
	SpinLockRelease(&slot->lock);
}

/* How much of a phase is done. */
void
mr_progress_phase(MrProgressSlot *slot, int phase, int64 done, int64 total)
{
	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->lock);
	slot->progress.phase = phase;
	slot->progress.done = done;
	slot->progress.total = total;
	SpinLockRelease(&slot->lock);
}

/* The training is over, however it ended. */
void
mr_progress_end(MrProgressSlot *slot)
{
	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->lock);
	memset(&slot->progress, 0, sizeof(slot->progress));
	SpinLockRelease(&slot->lock);
}

/* Copies the trainings under way, at most max; their number. */
int
mr_progress_list(MrProgress *list, int max)
{
	int			count = 0;

	for (int i = 0; slots != NULL && i < MR_PROGRESS_SLOTS && count < max; i++)
	{
		SpinLockAcquire(&slots[i].lock);
		list[count] = slots[i].progress;
		SpinLockRelease(&slots[i].lock);
		if (list[count].pid != 0)
			count++;
	}
	return count;
}

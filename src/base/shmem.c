/*
 * shmem.c
 *	  Requests and creates the segments that modules registered, and guards
 *	  attempts to get more shared memory at run time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/resowner.h"

#include "base/shmem.h"

#define MAX_SEGMENTS 8

static const MrShmemSegment *segments[MAX_SEGMENTS];
static int	nsegments;
static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

/* Registers a segment; only while libraries are preloaded. */
void
mr_shmem_add(const MrShmemSegment *segment)
{
	Assert(process_shared_preload_libraries_in_progress);
	if (nsegments == MAX_SEGMENTS)
		elog(ERROR, "too many shared memory segments");
	segments[nsegments++] = segment;
}

static void
request_segments(void)
{
	if (previous_request)
		previous_request();
	for (int i = 0; i < nsegments; i++)
		RequestAddinShmemSpace(segments[i]->size());
}

static void
create_segments(void)
{
	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nsegments; i++)
	{
		bool		found;
		Size		size = segments[i]->size();
		void	   *place = ShmemInitStruct(segments[i]->name, size, &found);

		if (!found)
		{
			memset(place, 0, size);
			segments[i]->init(place);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Installs the hooks, once all segments are registered. */
void
mr_shmem_init(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request_segments;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = create_segments;
}

/*
 * Calls attempt, which asks for dynamic shared memory, and tells whether it
 * got through.  There may be none to be had (no space in /dev/shm, no segment
 * slot), which raises: that error is forgotten.  The caller holds no LWLock,
 * so those left held are of the failed attempt, and so is what its resource
 * owner has; what a successful one made is pinned.  While the process exits
 * an error could not be caught, so nothing is tried then.
 */
bool
mr_shmem_try(void (*attempt) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner caller = CurrentResourceOwner;
	uint32		holdoff = InterruptHoldoffCount;
	volatile bool done = false;

	if (proc_exit_inprogress)
		return false;
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "modelroute memory");
	PG_TRY();
	{
		attempt(arg);
		done = true;
	}
	PG_CATCH();
	{
		LWLockReleaseAll();
		InterruptHoldoffCount = holdoff;
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ResourceOwnerRelease(CurrentResourceOwner,
							 RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	}
	PG_END_TRY();
	ResourceOwnerDelete(CurrentResourceOwner);
	CurrentResourceOwner = caller;
	return done;
}

/*
 * snapshot.c
 *	  The backend's snapshot of the catalog: built once, given up when a
 *	  transaction that changed the tables commits or a fact falls due.
 *
 * Two layers.  The data is what the tables hold, the same for every role;
 * a view is a copy of its endpoints with what depends on the role filled in.
 * One data and one view are current; older ones live as long as a caller pins
 * them.
 *
 * Statement triggers on the tables announce each change as an invalidation of
 * the table's relcache entry, so it reaches this backend at its own next
 * command, and the others when the transaction commits; after a rollback only
 * this backend hears of it again.  The callback counts, nothing else.  A
 * reading remembers the count from before it began: an invalidation that
 * arrives meanwhile makes it stale at once, and an error in the middle leaves
 * nothing to repair.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/data.h"
#include "catalog/router_data.h"

typedef struct Reading
{
	MrCatalogData *data;
	uint64		table_changes;	/* the count when it began */
	MrReadingMark mark;
	int			views;			/* it goes with the last of them */
} Reading;

typedef struct View
{
	MrCatalog	catalog;		/* first: callers hold a pointer to it */
	MemoryContext context;		/* under the reading's */
	Reading    *reading;
	Oid			role;
	uint64		role_changes;	/* the count when it was filled */
} View;

static uint64 table_changes = 1;
static uint64 role_changes = 1;
static uint64 last_generation = 0;
static Reading *current_reading = NULL;
static View *current_view = NULL;

static void refresh_reading(void);
static bool reading_is_current(const Reading *reading);
static void adopt_reading(MrCatalogData *data, uint64 changes);
static View *build_view(Reading *reading, Oid role);
static void retire_view(View *view);
static void release_view(void *arg);
static void note_table_change(Datum arg, Oid relid);
static void note_role_change(Datum arg, int cache_id, uint32 hash_value);

/* Once per process. */
void
mr_catalog_init(void)
{
	CacheRegisterRelcacheCallback(note_table_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_role_change, (Datum) 0);
}

/*
 * The catalog as of now for the current role.  Needs a transaction.  Raises
 * what reading a table can raise; the next call then tries again.
 */
MrCatalog *
mr_catalog_get(void)
{
	Oid			role = GetUserId();

	refresh_reading();
	if (current_view == NULL || current_view->role != role ||
		current_view->role_changes != role_changes)
	{
		View	   *view = build_view(current_reading, role);

		retire_view(current_view);
		current_view = view;
	}
	return &current_view->catalog;
}

/* Keeps a catalog until the context is reset or deleted. */
void
mr_catalog_pin(MrCatalog *catalog, MemoryContext context)
{
	MemoryContextCallback *callback =
		MemoryContextAlloc(context, sizeof(*callback));

	callback->func = release_view;
	callback->arg = catalog;
	MemoryContextRegisterResetCallback(context, callback);
	catalog->pins++;
}

/*
 * What the tables hold, for this module.  Outside a transaction nothing can
 * be read: then it is the last reading, or NULL when there was none.
 */
const MrCatalogData *
mr_catalog_data(void)
{
	if (IsTransactionState())
		refresh_reading();
	return current_reading != NULL ? current_reading->data : NULL;
}

/* Announces that the transaction changed a table, if it commits. */
void
mr_catalog_changed(Oid relid)
{
	CacheInvalidateRelcacheByRelid(relid);
}

static void
refresh_reading(void)
{
	uint64		changes;

	AcceptInvalidationMessages();
	if (current_reading != NULL && reading_is_current(current_reading))
		return;
	changes = table_changes;
	adopt_reading(mr_catalog_load(), changes);
}

static bool
reading_is_current(const Reading *reading)
{
	return reading->table_changes == table_changes &&
		GetCurrentStatementStartTimestamp() < reading->data->next_event &&
		mr_catalog_mark_holds(&reading->mark);
}

/* The mark of a reading that is taken now. */
MrReadingMark
mr_catalog_mark_reading(void)
{
	MrReadingMark mark = {.parallel = IsInParallelMode()};

	if (mark.parallel)
	{
		Snapshot	snapshot = GetActiveSnapshot();

		mark.xmin = snapshot->xmin;
		mark.xmax = snapshot->xmax;
		mark.xcnt = snapshot->xcnt;
	}
	return mark;
}

/* Whether a reading with this mark serves what is run now. */
bool
mr_catalog_mark_holds(const MrReadingMark *mark)
{
	MrReadingMark now;

	if (!mark->parallel)
		return true;
	now = mr_catalog_mark_reading();
	return now.parallel && now.xmin == mark->xmin &&
		now.xmax == mark->xmax && now.xcnt == mark->xcnt;
}

/* Takes the place of the current reading. */
static void
adopt_reading(MrCatalogData *data, uint64 changes)
{
	Reading    *reading = MemoryContextAllocZero(data->context,
												 sizeof(*reading));

	reading->data = data;
	reading->table_changes = changes;
	reading->mark = mr_catalog_mark_reading();

	retire_view(current_view);
	current_view = NULL;
	if (current_reading != NULL && current_reading->views == 0)
		MemoryContextDelete(current_reading->data->context);
	MemoryContextSetParent(data->context, TopMemoryContext);
	current_reading = reading;
}

static View *
build_view(Reading *reading, Oid role)
{
	const MrCatalogData *data = reading->data;
	Size		bytes = data->nendpoints * sizeof(MrEndpoint);
	MemoryContext context;
	MemoryContext saved;
	MrEndpoint *endpoints;
	bool	   *granted;
	uint64		changes = role_changes;
	View	   *view;

	/* Until it is complete it hangs under the caller's context. */
	context = AllocSetContextCreate(CurrentMemoryContext,
									"modelroute catalog view",
									ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(context);
	view = palloc0(sizeof(*view));
	endpoints = palloc(Max(bytes, 1));
	memcpy(endpoints, data->endpoints, bytes);
	granted = palloc0(Max(data->nendpoints, 1));
	mr_access_fill(data, role, endpoints, granted);
	MemoryContextSwitchTo(saved);

	view->catalog.generation = ++last_generation;
	view->catalog.nendpoints = data->nendpoints;
	view->catalog.endpoints = endpoints;
	view->catalog.granted = granted;
	view->catalog.npresets = data->npresets;
	view->catalog.presets = data->presets;
	view->context = context;
	view->reading = reading;
	view->role = role;
	view->role_changes = changes;
	MemoryContextSetParent(context, data->context);
	reading->views++;
	return view;
}

/* The view is no longer current: it goes now, or with its last pin. */
static void
retire_view(View *view)
{
	Reading    *reading;

	if (view == NULL || view->catalog.pins > 0)
		return;
	reading = view->reading;
	MemoryContextDelete(view->context);
	if (--reading->views == 0 && reading != current_reading)
		MemoryContextDelete(reading->data->context);
}

/* Reset callback of a context that pins a view. */
static void
release_view(void *arg)
{
	View	   *view = arg;

	view->catalog.pins--;
	if (view != current_view)
		retire_view(view);
}

static void
note_table_change(Datum arg, Oid relid)
{
	if (mr_catalog_reads(relid))
		table_changes++;
	mr_router_note_change(relid);
}

static void
note_role_change(Datum arg, int cache_id, uint32 hash_value)
{
	role_changes++;
}

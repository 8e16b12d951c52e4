/*
 * router_store.c
 *	  The artifacts of trained routers in this process: which version a name
 *	  stands for, and its bytes.
 *
 * A few names are remembered.  Each is looked up again when table router has
 * changed, which its trigger announces as those of the catalog do; only when
 * another version or other bytes come out of that are they read.  The bytes
 * are in shared memory where the library is preloaded and there is room, else
 * in a copy of this process's own; names with the same bytes have them in
 * common.
 *
 * A router that is no longer remembered lives as long as a caller pins it, and
 * its bytes as long as a router has them.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "catalog/data.h"
#include "catalog/router_data.h"

#define REMEMBERED	4			/* names looked up at a time */
#define SPEC_BYTES	80			/* of name or name:version, with the NUL */

/* The bytes of an artifact. */
typedef struct Content
{
	slist_node	node;			/* in contents */
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	const char *bytes;
	size_t		length;
	dsm_segment *segment;		/* NULL: the bytes are in context */
	MemoryContext context;		/* holds this */
	int			routers;		/* it goes with the last of them */
} Content;

typedef struct Router
{
	MrRouterBlob blob;			/* first: callers hold a pointer to it */
	MrRouterHead head;
	Content    *content;
	bool		remembered;
} Router;

/* What a name was found to stand for. */
typedef struct Memory
{
	char		spec[SPEC_BYTES];	/* empty = unused */
	Router	   *router;			/* NULL: there is none */
	uint64		changes;		/* the count when it was looked up */
	MrReadingMark mark;
	uint64		used;
} Memory;

static MrRouterCheck check_artifact;
static Oid	router_table = InvalidOid;
static uint64 table_changes = 1;
static uint64 uses = 0;
static Memory memories[REMEMBERED];
static slist_head contents = SLIST_STATIC_INIT(contents);

static Memory *find_memory(const char *name);
static void look_up(Memory *memory, const char *name);
static void forget(Memory *memory);
static Router *get_router(const Memory *memory, const MrRouterHead *head);
static void retire_router(Router *router);
static void release_router(void *arg);
static Content *get_content(const MrRouterHead *head);
static void fill_content(Content *content, const MrRouterHead *head);
static void require_sound(const MrRouterHead *head, bytea *artifact,
						  const char *aligned);
static void free_content(Content *content);

/* Once per process. */
void
mr_router_store_init(MrRouterCheck check)
{
	check_artifact = check;
}

/*
 * The router that "name", its latest version, or "name:version" stands for;
 * NULL when there is none.  Needs a transaction.  Raises XX001 when the
 * artifact is damaged, and what reading a table can raise.
 */
MrRouterBlob *
mr_router_get(const char *name)
{
	Memory	   *memory;

	AcceptInvalidationMessages();
	memory = find_memory(name);
	if (memory == NULL)
		return NULL;
	if (strcmp(memory->spec, name) != 0 || memory->changes != table_changes ||
		!mr_catalog_mark_holds(&memory->mark))
		look_up(memory, name);
	memory->used = ++uses;
	return memory->router != NULL ? &memory->router->blob : NULL;
}

/* Keeps a router until the context is reset or deleted. */
void
mr_router_pin(MrRouterBlob *router, MemoryContext context)
{
	MemoryContextCallback *callback =
		MemoryContextAlloc(context, sizeof(*callback));

	callback->func = release_router;
	callback->arg = router;
	MemoryContextRegisterResetCallback(context, callback);
	router->pins++;
}

/* A table changed; InvalidOid means any. */
void
mr_router_note_change(Oid relid)
{
	if (!OidIsValid(relid) || relid == router_table)
		table_changes++;
}

/* ----------
 * Names
 * ----------
 */

/* Where the name is remembered, or will be; NULL when it is too long. */
static Memory *
find_memory(const char *name)
{
	Memory	   *oldest = &memories[0];

	for (int i = 0; i < REMEMBERED; i++)
	{
		if (strcmp(memories[i].spec, name) == 0)
			return &memories[i];
		if (memories[i].used < oldest->used)
			oldest = &memories[i];
	}
	return strlen(name) < SPEC_BYTES ? oldest : NULL;
}

/*
 * Looks the name up in the table and remembers what it stands for.  An error
 * in the middle leaves it to be looked up again.
 */
static void
look_up(Memory *memory, const char *name)
{
	uint64		changes = table_changes;
	MrReadingMark mark = mr_catalog_mark_reading();
	MrRouterHead head = {0};
	Router	   *router = NULL;
	MrOwnerScope owner;

	if (strcmp(memory->spec, name) != 0)
		forget(memory);
	if (mr_router_parse(name, &head))
	{
		mr_catalog_begin_reading(&owner);
		router_table = mr_router_table();
		if (mr_router_read_head(&head))
			router = get_router(memory, &head);
		mr_catalog_end_reading(&owner);
	}
	if (router != memory->router)
		forget(memory);
	if (router != NULL)
		router->remembered = true;
	memory->router = router;
	strlcpy(memory->spec, name, SPEC_BYTES);
	memory->changes = changes;
	memory->mark = mark;
}

static void
forget(Memory *memory)
{
	Router	   *router = memory->router;

	memory->router = NULL;
	memory->spec[0] = '\0';
	if (router != NULL)
	{
		router->remembered = false;
		retire_router(router);
	}
}

/* ----------
 * Routers
 * ----------
 */

/* The router of a row: the one remembered, or a new one. */
static Router *
get_router(const Memory *memory, const MrRouterHead *head)
{
	Content    *content;
	Router	   *router = memory->router;

	if (router != NULL && strcmp(router->head.name, head->name) == 0 &&
		router->head.version == head->version &&
		memcmp(router->head.sha256, head->sha256, sizeof(head->sha256)) == 0)
		return router;

	content = get_content(head);
	router = MemoryContextAllocZero(content->context, sizeof(*router));
	router->head = *head;
	router->content = content;
	router->blob.name = router->head.name;
	router->blob.version = head->version;
	router->blob.bytes = content->bytes;
	router->blob.length = content->length;
	router->blob.shared = content->segment != NULL;
	content->routers++;
	return router;
}

/* Unless it is remembered or pinned, the router goes. */
static void
retire_router(Router *router)
{
	Content    *content = router->content;

	if (router->remembered || router->blob.pins > 0)
		return;
	pfree(router);
	if (--content->routers == 0)
		free_content(content);
}

/* Reset callback of a context that pins a router. */
static void
release_router(void *arg)
{
	Router	   *router = arg;

	router->blob.pins--;
	retire_router(router);
}

/* ----------
 * Contents
 * ----------
 */

/* The bytes of a row: those that are here already, else from elsewhere. */
static Content *
get_content(const MrRouterHead *head)
{
	slist_iter	iter;
	MemoryContext context;
	Content    *content;

	slist_foreach(iter, &contents)
	{
		content = slist_container(Content, node, iter.cur);
		if (memcmp(content->sha256, head->sha256, sizeof(head->sha256)) == 0)
			return content;
	}

	/* Until it is complete it hangs under the caller's context. */
	context = AllocSetContextCreate(CurrentMemoryContext, "modelroute router",
									ALLOCSET_SMALL_SIZES);
	content = MemoryContextAllocZero(context, sizeof(*content));
	content->context = context;
	memcpy(content->sha256, head->sha256, sizeof(head->sha256));
	fill_content(content, head);
	MemoryContextSetParent(context, TopMemoryContext);
	slist_push_head(&contents, &content->node);
	return content;
}

static void
fill_content(Content *content, const MrRouterHead *head)
{
	MrRouterShare share;
	char	   *copy = NULL;

	if (!mr_router_share_find(head->sha256, &share))
	{
		bytea	   *artifact = mr_router_read_artifact(head);

		content->length = VARSIZE_ANY_EXHDR(artifact);
		copy = MemoryContextAlloc(content->context, content->length);
		memcpy(copy, VARDATA_ANY(artifact), content->length);
		require_sound(head, artifact, copy);
		if (!mr_router_share_put(head->sha256, copy, content->length, &share))
		{
			content->bytes = copy;
			return;
		}
	}
	content->segment = share.segment;
	content->bytes = share.bytes;
	content->length = share.length;
	if (copy != NULL)
		pfree(copy);
}

/* Raises XX001 unless the artifact is what was stored and can be read. */
static void
require_sound(const MrRouterHead *head, bytea *artifact, const char *aligned)
{
	const char *problem = "Its bytes do not have the SHA-256 that the row tells.";
	Datum		digest = DirectFunctionCall1(sha256_bytea,
											 PointerGetDatum(artifact));
	bytea	   *sha256 = DatumGetByteaPP(digest);

	if (memcmp(VARDATA_ANY(sha256), head->sha256, sizeof(head->sha256)) == 0 &&
		check_artifact(aligned, VARSIZE_ANY_EXHDR(artifact), &problem))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("router \"%s\" version %d cannot be read", head->name,
					head->version),
			 errdetail("%s", problem),
			 errhint("Train it again, or remove it with SELECT modelroute.drop_router('%s', %d).",
					 head->name, head->version)));
}

static void
free_content(Content *content)
{
	slist_delete(&contents, &content->node);
	if (content->segment != NULL)
		dsm_detach(content->segment);
	MemoryContextDelete(content->context);
}

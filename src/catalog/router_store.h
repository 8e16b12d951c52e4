/*
 * router_store.h
 *	  Trained routers: versions of a name in table router, and their artifacts
 *	  in memory.
 */
#ifndef MR_ROUTER_STORE_H
#define MR_ROUTER_STORE_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

/*
 * A version of a router with its artifact, which is checked and aligned to 8
 * bytes.  Valid until the next call of mr_router_get; a caller that keeps it
 * across something that may process invalidations pins it.
 */
typedef struct MrRouterBlob
{
	const char *name;
	int			version;
	const char *bytes;
	size_t		length;
	bool		shared;			/* in shared memory */
	int			pins;
} MrRouterBlob;

/* A version to be. */
typedef struct MrRouterRow
{
	const char *name;
	int			feature_version;
	char	  **models;			/* UTF-8 */
	int			nmodels;
	int64		rows;
	int64		rows_skipped;
	int64		prompts;
	Jsonb	   *options;		/* or NULL */
	const char *report;			/* JSON object, UTF-8 */
	const char *artifact;
	size_t		artifact_bytes;
} MrRouterRow;

/* What became of it, in CurrentMemoryContext. */
typedef struct MrRouterVersion
{
	int			version;
	ArrayType  *models;			/* text[] */
	Jsonb	   *report;
} MrRouterVersion;

/*
 * Whether the bytes are an artifact that this version of the extension can
 * read; if not, *problem says why in a sentence.
 */
typedef bool (*MrRouterCheck) (const char *bytes, size_t length,
							   const char **problem);

extern void mr_router_store_init(MrRouterCheck check);
extern void mr_router_share_init(void);

extern MrRouterBlob *mr_router_get(const char *name);
extern void mr_router_pin(MrRouterBlob *router, MemoryContext context);

extern void mr_router_check_name(const char *name);
extern void mr_router_check_owner(const char *name);
extern MrRouterVersion mr_router_insert(const MrRouterRow *row);
extern int	mr_router_drop(const char *name, int version);

#endif							/* MR_ROUTER_STORE_H */

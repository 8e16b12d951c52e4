/*
 * snapshot.h
 *	  The backend's snapshot of the catalog tables, its transactional
 *	  invalidation, and credentials.
 */
#ifndef MR_SNAPSHOT_H
#define MR_SNAPSHOT_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/endpoint.h"
#include "base/failure.h"

/* One version of a preset, in the server encoding. */
typedef struct MrPreset
{
	const char *name;
	int			version;
	const char *model;			/* NULL when it names none */
	Jsonb	   *options;		/* an object, as the argument of a call */
} MrPreset;

/*
 * The catalog as of now for the current role.  endpoints is ordered by model,
 * provider; granted[i] tells whether the current role may use endpoint i.
 * Valid until the next call of mr_catalog_get; a caller that keeps it across
 * something that may process invalidations pins it.
 */
typedef struct MrCatalog
{
	uint64		generation;
	int			nendpoints;
	const MrEndpoint *endpoints;
	const bool *granted;
	int			npresets;
	const MrPreset *presets;	/* by name, version */
	int			pins;
} MrCatalog;

extern MrCatalog *mr_catalog_get(void);
extern void mr_catalog_pin(MrCatalog *catalog, MemoryContext context);
extern void mr_catalog_changed(Oid relid);
extern void mr_catalog_init(void);

/* A preset of the catalog, or NULL; version 0 is the latest. */
extern const MrPreset *mr_preset_find(const MrCatalog *catalog,
									  const char *name, int version);

/*
 * Change the table for a role, in the caller's transaction; raise 42501 when
 * the preset belongs to another.  version 0 drops all.
 */
extern int	mr_preset_store(const char *name, Jsonb *body, Oid author);
extern void mr_preset_remove(const char *name, int version, Oid author);

/*
 * The secret of a provider for a role, in CurrentMemoryContext, or NULL when
 * none is configured; failure is set (without the secret or its place) when
 * one is configured but cannot be read.  The caller wipes it after use.
 */
extern char *mr_credential_resolve(const char *provider, Oid role,
								   MrFailure *failure);
extern void mr_credential_check_env(const char *name);
extern void mr_credential_check_file(const char *path);

#endif							/* MR_SNAPSHOT_H */

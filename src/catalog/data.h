/*
 * data.h
 *	  What was read from the catalog tables, the same for every role; shared
 *	  by the files of this module.
 */
#ifndef MR_CATALOG_DATA_H
#define MR_CATALOG_DATA_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/owner.h"
#include "catalog/snapshot.h"

typedef struct MrCredentialRow
{
	const char *provider;
	Oid			role;			/* InvalidOid = every role */
	bool		is_file;		/* place is a path, not a variable's name */
	const char *place;
} MrCredentialRow;

typedef struct MrGrantRow
{
	Oid			role;
	const char *glob;
} MrGrantRow;

/*
 * One reading of the tables.  All of it lives in context.  In endpoints,
 * has_credential is not filled: it depends on the role.
 */
typedef struct MrCatalogData
{
	MemoryContext context;
	int			nendpoints;
	MrEndpoint *endpoints;		/* by model, provider in byte order */
	int			ncredentials;
	MrCredentialRow *credentials;
	int			ngrants;
	MrGrantRow *grants;
	int			npresets;
	MrPreset   *presets;		/* by name in byte order, version */
	TimestampTz next_event;		/* when a price or retirement falls due */
} MrCatalogData;

/*
 * When a reading was taken, as far as that limits its use: one made in
 * parallel mode used a snapshot that may be older than the invalidations
 * already counted, and serves that snapshot only.
 */
typedef struct MrReadingMark
{
	bool		parallel;
	TransactionId xmin;			/* of the snapshot, enough to tell it from */
	TransactionId xmax;			/* another one */
	uint32		xcnt;
} MrReadingMark;

/* load.c */
extern MrCatalogData *mr_catalog_load(void);
extern bool mr_catalog_reads(Oid relid);
extern void mr_catalog_begin_reading(MrOwnerScope *owner);
extern void mr_catalog_end_reading(const MrOwnerScope *owner);

/* snapshot.c */
extern const MrCatalogData *mr_catalog_data(void);
extern MrReadingMark mr_catalog_mark_reading(void);
extern bool mr_catalog_mark_holds(const MrReadingMark *mark);

/* access.c */
extern void mr_access_fill(const MrCatalogData *data, Oid role,
						   MrEndpoint *endpoints, bool *granted);
extern const MrCredentialRow *mr_access_credential(const MrCatalogData *data,
												   const char *provider,
												   Oid role);

#endif							/* MR_CATALOG_DATA_H */

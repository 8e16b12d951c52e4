/*
 * router_data.h
 *	  What the files about trained routers share with each other.
 */
#ifndef MR_ROUTER_DATA_H
#define MR_ROUTER_DATA_H

#include "postgres.h"

#include "common/sha2.h"
#include "storage/dsm.h"

#include "catalog/router_store.h"

#define MR_ROUTER_NAME_BYTES	64	/* of a name, with the NUL */

/* What a row of table router is known by. */
typedef struct MrRouterHead
{
	char		name[MR_ROUTER_NAME_BYTES];
	int			version;
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];	/* of the artifact */
} MrRouterHead;

/* Bytes in a segment that is mapped for good. */
typedef struct MrRouterShare
{
	dsm_segment *segment;
	const char *bytes;
	size_t		length;
} MrRouterShare;

/* router_rows.c; between mr_catalog_begin_reading and its end */
extern bool mr_router_parse(const char *text, MrRouterHead *head);
extern Oid	mr_router_table(void);
extern bool mr_router_read_head(MrRouterHead *head);
extern bytea *mr_router_read_artifact(const MrRouterHead *head);

/* router_share.c */
extern bool mr_router_share_find(const uint8 *sha256, MrRouterShare *share);
extern bool mr_router_share_put(const uint8 *sha256, const char *bytes,
								size_t length, MrRouterShare *share);

/* router_store.c */
extern void mr_router_note_change(Oid relid);

#endif							/* MR_ROUTER_DATA_H */

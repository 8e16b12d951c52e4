/*
 * versioned_name.h
 *	  Names of things that are kept in versions, presets and routers: name, or
 *	  name:version.
 */
#ifndef MR_VERSIONED_NAME_H
#define MR_VERSIONED_NAME_H

#include "postgres.h"

#define MR_VERSIONED_NAME_MAX_BYTES 100

typedef struct MrVersionedName
{
	char		name[MR_VERSIONED_NAME_MAX_BYTES + 1];
	int			version;		/* from 1; 0 = not stated: the latest */
} MrVersionedName;

extern bool mr_versioned_name_parse(const char *text, MrVersionedName *result);

#endif							/* MR_VERSIONED_NAME_H */

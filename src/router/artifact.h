/*
 * artifact.h
 *	  A trained router as one flat piece of memory: what is stored in table
 *	  router, shared between backends, and read by the predictor.
 *
 * Little-endian whatever the machine, offsets only, aligned to 8 bytes.
 */
#ifndef MR_ARTIFACT_H
#define MR_ARTIFACT_H

#include "postgres.h"

typedef struct MrArtifact MrArtifact;

/*
 * Whether the bytes are an artifact that this version can read; if not,
 * *problem says why in a sentence.  Every offset is checked, so that damaged
 * bytes never lead outside them.
 */
extern bool mr_artifact_check(const char *bytes, size_t length,
							  const char **problem);

#endif							/* MR_ARTIFACT_H */

/*
 * shmem.h
 *	  Fixed shared memory for modules: each registers a segment in _PG_init of
 *	  a preloaded library.
 */
#ifndef MR_SHMEM_H
#define MR_SHMEM_H

#include "postgres.h"

/*
 * size() is asked when all settings are known; init() runs in the postmaster
 * (again after a crash) with place zeroed.
 */
typedef struct MrShmemSegment
{
	const char *name;
	Size		(*size) (void);
	void		(*init) (void *place);
} MrShmemSegment;

extern void mr_shmem_add(const MrShmemSegment *segment);
extern void mr_shmem_init(void);
extern bool mr_shmem_try(void (*attempt) (void *arg), void *arg);

#endif							/* MR_SHMEM_H */

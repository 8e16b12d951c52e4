/*
 * progress.h
 *	  How far trainings of this server are, for everyone to see.
 */
#ifndef MR_PROGRESS_H
#define MR_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define MR_PROGRESS_SLOTS		64	/* trainings that can be seen at a time */
#define MR_PROGRESS_NAME_BYTES	64

/* One training as it was at a moment. */
typedef struct MrProgress
{
	int			pid;
	Oid			database;
	Oid			role;
	char		router[MR_PROGRESS_NAME_BYTES];
	int			phase;			/* the caller's own numbers */
	int64		rows_read;
	int64		prompts;		/* 0 = not known yet */
	int64		done;			/* of total, in this phase */
	int64		total;			/* 0 = not known */
	TimestampTz started_at;
} MrProgress;

typedef struct MrProgressSlot MrProgressSlot;

extern void mr_progress_init(void);
extern MrProgressSlot *mr_progress_begin(const char *router);
extern void mr_progress_rows(MrProgressSlot *slot, int64 rows_read,
							 int64 prompts);
extern void mr_progress_phase(MrProgressSlot *slot, int phase, int64 done,
							  int64 total);
extern void mr_progress_end(MrProgressSlot *slot);
extern int	mr_progress_list(MrProgress *list, int max);

#endif							/* MR_PROGRESS_H */

/*
 * stats.h: what the server has seen, by model.
 */
#ifndef UPSTREAM_STATS_H
#define UPSTREAM_STATS_H

#include "buf.h"

/* Request ids kept over all models, and bytes kept of each. */
#define STATS_IDS_MAX 8000000
#define STATS_ID_BYTES 64

typedef struct IdBlock
{
	struct IdBlock *next;
	size_t		used;
	char		data[64 * 1024];	/* ids, each ended by a line feed */
} IdBlock;

typedef struct ModelStats
{
	uint64_t	received;
	uint64_t	answered;		/* whole answers, of any status */
	uint64_t	ok;				/* of these: status 200 and no fault */
	uint64_t	faulted;		/* met a fault */
	uint64_t	refused;		/* 401, or 429 for max_in_flight */
	uint64_t	abandoned;		/* the client left before the end */
	uint64_t	in_flight;
	uint64_t	max_in_flight;
	uint64_t	id_count;
	IdBlock    *first_ids;
	IdBlock    *last_ids;
} ModelStats;

/* Requests that reached no model. */
typedef struct StatsTotals
{
	uint64_t	requests;		/* all that providers serve */
	uint64_t	unknown_model;
	uint64_t	bad_requests;
	uint64_t	ids_kept;
	uint64_t	ids_dropped;
} StatsTotals;

extern StatsTotals stats_totals;

void		stats_note_id(ModelStats *stats, const char *id, size_t len);
void		stats_free_model(ModelStats *stats);
void		stats_write(Buf *out, bool with_ids);
void		stats_write_id(Buf *out, const char *id);
void		stats_reset(void);

#endif

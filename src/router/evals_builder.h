/*
 * evals_builder.h
 *	  Evals while rows come in, shared by the files that gather and finish them.
 */
#ifndef MR_EVALS_BUILDER_H
#define MR_EVALS_BUILDER_H

#include "postgres.h"

#include "router/evals.h"

#define MR_EVALS_SCORE_UNIT	1073741824.0	/* 2^30 */
#define MR_EVALS_COST_UNIT	1e12
#define MR_EVALS_NONE	(-1)

/* A cell while rows come in. */
typedef struct MrEvalSum
{
	int32		model;
	int32		next;			/* of the same prompt, or MR_EVALS_NONE */
	int32		count;
	int32		ncosts;
	int32		ntokens;
	int64		score;
	int64		cost;
	int64		tokens;
} MrEvalSum;

/* A prompt while rows come in; cells is not set yet. */
typedef struct MrEvalEntry
{
	MrEvalPrompt prompt;
	int64		rows;
	int32		first;			/* index into sums, or MR_EVALS_NONE */
} MrEvalEntry;

struct MrEvalsBuilder
{
	MrEvals    *evals;
	size_t		max_bytes;
	size_t		bytes;			/* taken by entries, features, sums, pairs */
	int			shift;			/* prompts whose hash has that many zeroes
								 * stay */
	MrFeatureSpace *space;		/* to read a prompt in */
	uint64		model_hash[MR_EVALS_MODELS_MAX];
	int			nentries;
	int			entries_size;
	MrEvalEntry *entries;
	int			nsums;
	int			sums_size;
	MrEvalSum  *sums;
	int64		pairs_size;
	uint32		mask;			/* of the index */
	int32	   *index;			/* by key: entries, or MR_EVALS_NONE */
};

#endif							/* MR_EVALS_BUILDER_H */

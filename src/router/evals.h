/*
 * evals.h
 *	  Evals in memory: what models scored on prompts, gathered row by row within
 *	  a memory bound.
 *
 * Only features of a prompt are kept, not its text.  When the bound is reached,
 * prompts are left out by their hash, half of them each time; so what is kept
 * depends on which rows there are, not on their order.  Rows of the same
 * prompt, task and model are averaged.
 */
#ifndef MR_EVALS_H
#define MR_EVALS_H

#include "postgres.h"

#include "router/features.h"

#define MR_EVALS_MODELS_MAX		512 /* models of one set of evals */
#define MR_EVALS_MIN_BYTES		(1024 * 1024)

/*
 * One row.  Either model with score, or winner and loser.  Text is UTF-8 and
 * NUL-terminated; prompt_bytes without the NUL.
 */
typedef struct MrEvalRow
{
	const char *prompt;
	size_t		prompt_bytes;
	const char *task;			/* or NULL */
	const char *model;			/* or NULL: then winner and loser */
	const char *winner;
	const char *loser;
	double		score;			/* 0..1 */
	double		cost_usd;		/* of the call; NaN = not given */
	double		output_tokens;	/* of the call; NaN = not given */
} MrEvalRow;

/* One model's results on one prompt, averaged over its rows. */
typedef struct MrEvalCell
{
	int32		model;			/* index into models */
	float		score;
	float		cost_usd;		/* NaN = not given */
	float		output_tokens;	/* NaN = not given */
} MrEvalCell;

/* One comparison: winner was better than loser on the prompt. */
typedef struct MrEvalPair
{
	int32		prompt;			/* index into prompts */
	int32		winner;			/* index into models */
	int32		loser;
} MrEvalPair;

typedef struct MrEvalPrompt
{
	uint64		key;			/* hash of text and task */
	MrFeatures	features;
	uint32		input_tokens;
	int32		ncells;
	const MrEvalCell *cells;	/* by model */
} MrEvalPrompt;

typedef struct MrEvals
{
	MemoryContext context;		/* holds all of it */
	int64		rows;			/* that were added */
	int64		rows_kept;		/* of prompts that were kept */
	int			nmodels;
	char	  **models;			/* in byte order */
	int			nprompts;
	MrEvalPrompt *prompts;		/* by key */
	int64		npairs;
	MrEvalPair *pairs;			/* by prompt, winner, loser */
	double		kept_share;		/* of the prompts: 1, 1/2, 1/4, ... */
} MrEvals;

typedef struct MrEvalsBuilder MrEvalsBuilder;

extern MrEvalsBuilder *mr_evals_begin(MemoryContext context,
									  size_t max_bytes);
extern const char *mr_evals_add(MrEvalsBuilder *builder,
								const MrEvalRow *row);
extern MrEvals *mr_evals_end(MrEvalsBuilder *builder);

#endif							/* MR_EVALS_H */

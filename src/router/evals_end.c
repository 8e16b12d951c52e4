/*
 * evals_end.c
 *	  Brings gathered evals into their order: models by name, prompts by hash,
 *	  cells by model.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#include "router/evals_builder.h"

static void sort_models(MrEvalsBuilder *builder);
static void sort_prompts(MrEvalsBuilder *builder);
static void fill_cells(const MrEvalsBuilder *builder, MrEvalEntry *entry);

/* The evals in their order; the builder is used up. */
MrEvals *
mr_evals_end(MrEvalsBuilder *builder)
{
	MrEvals    *evals = builder->evals;
	MemoryContext saved = MemoryContextSwitchTo(evals->context);

	pfree(builder->space);
	pfree(builder->index);
	sort_models(builder);
	sort_prompts(builder);
	evals->kept_share = ldexp(1, -builder->shift);
	evals->nprompts = builder->nentries;
	evals->prompts =
		MemoryContextAllocExtended(evals->context, sizeof(MrEvalPrompt) *
								   Max(builder->nentries, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < builder->nentries; i++)
	{
		fill_cells(builder, &builder->entries[i]);
		evals->prompts[i] = builder->entries[i].prompt;
		evals->rows_kept += builder->entries[i].rows;
	}
	pfree(builder->entries);
	pfree(builder->sums);
	pfree(builder);
	MemoryContextSwitchTo(saved);
	return evals;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Puts the models in byte order and renumbers them everywhere. */
static void
sort_models(MrEvalsBuilder *builder)
{
	MrEvals    *evals = builder->evals;
	int			place[MR_EVALS_MODELS_MAX];
	char	  **sorted = palloc(sizeof(char *) * MR_EVALS_MODELS_MAX);

	memcpy(sorted, evals->models, sizeof(char *) * evals->nmodels);
	qsort(sorted, evals->nmodels, sizeof(char *), compare_names);
	for (int i = 0; i < evals->nmodels; i++)
		for (int j = 0; j < evals->nmodels; j++)
			if (sorted[j] == evals->models[i])
				place[i] = j;
	for (int i = 0; i < builder->nsums; i++)
		builder->sums[i].model = place[builder->sums[i].model];
	for (int64 i = 0; i < evals->npairs; i++)
	{
		evals->pairs[i].winner = place[evals->pairs[i].winner];
		evals->pairs[i].loser = place[evals->pairs[i].loser];
	}
	pfree(evals->models);
	evals->models = sorted;
}

static int
compare_entries(const void *a, const void *b)
{
	uint64		left = ((const MrEvalEntry *) a)->prompt.key;
	uint64		right = ((const MrEvalEntry *) b)->prompt.key;

	return left < right ? -1 : left > right;
}

static int
compare_pairs(const void *a, const void *b)
{
	const MrEvalPair *left = a;
	const MrEvalPair *right = b;

	if (left->prompt != right->prompt)
		return left->prompt < right->prompt ? -1 : 1;
	if (left->winner != right->winner)
		return left->winner < right->winner ? -1 : 1;
	return left->loser < right->loser ? -1 : left->loser > right->loser;
}

/* By key; the pairs then name their prompts by the new places. */
static void
sort_prompts(MrEvalsBuilder *builder)
{
	MrEvals    *evals = builder->evals;
	int			count = builder->nentries;
	uint64	   *keys = MemoryContextAllocExtended(evals->context,
												  sizeof(uint64) *
												  Max(count, 1),
												  MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
		keys[i] = builder->entries[i].prompt.key;
	qsort(builder->entries, count, sizeof(MrEvalEntry), compare_entries);
	for (int64 i = 0; i < evals->npairs; i++)
	{
		MrEvalEntry wanted = {.prompt.key = keys[evals->pairs[i].prompt]};
		MrEvalEntry *found = bsearch(&wanted, builder->entries, count,
									 sizeof(MrEvalEntry), compare_entries);

		evals->pairs[i].prompt = (int32) (found - builder->entries);
	}
	if (evals->npairs > 0)
		qsort(evals->pairs, evals->npairs, sizeof(MrEvalPair), compare_pairs);
	pfree(keys);
}

static int
compare_cells(const void *a, const void *b)
{
	return ((const MrEvalCell *) a)->model - ((const MrEvalCell *) b)->model;
}

static void
fill_cells(const MrEvalsBuilder *builder, MrEvalEntry *entry)
{
	MrEvalPrompt *prompt = &entry->prompt;
	MrEvalCell *cells = palloc(sizeof(MrEvalCell) * Max(prompt->ncells, 1));
	int			count = 0;
	int32		at = entry->first;

	while (at != MR_EVALS_NONE)
	{
		const MrEvalSum *sum = &builder->sums[at];

		cells[count++] = (MrEvalCell)
		{
			.model = sum->model,
				.score = sum->score / MR_EVALS_SCORE_UNIT / sum->count,
				.cost_usd = sum->ncosts > 0
				? sum->cost / MR_EVALS_COST_UNIT / sum->ncosts
				: get_float4_nan(),
				.output_tokens = sum->ntokens > 0
				? (double) sum->tokens / sum->ntokens : get_float4_nan()
		};
		at = sum->next;
	}
	qsort(cells, count, sizeof(MrEvalCell), compare_cells);
	prompt->cells = cells;
}

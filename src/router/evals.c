/*
 * evals.c
 *	  Gathers evals within a memory bound, in an order that does not depend on
 *	  that of the rows.
 *
 * Sums are integers (scores in 2^-30, costs in pico-USD), so that an average
 * does not depend on the order of its rows either.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "router/evals_builder.h"
#include "router/router.h"

#define COST_MAX	1e6			/* USD; keeps the sums within 64 bits */
#define TOKENS_MAX	1e9

static const char *check_row(const MrEvalRow *row);
static int	find_model(MrEvalsBuilder *builder, const char *name);
static MrEvalEntry *find_entry(MrEvalsBuilder *builder, const MrEvalRow *row);
static MrEvalEntry *add_entry(MrEvalsBuilder *builder, const MrEvalRow *row,
							  uint64 key);
static void fill_entry(MrEvalsBuilder *builder, const MrEvalRow *row,
					   MrEvalPrompt *prompt);
static size_t array_bytes(const MrFeatures *features);
static void add_sum(MrEvalsBuilder *builder, MrEvalEntry *entry, int model,
					const MrEvalRow *row);
static void add_pair(MrEvalsBuilder *builder, const MrEvalEntry *entry,
					 int winner, int loser);
static void halve(MrEvalsBuilder *builder);
static void drop_prompts(MrEvalsBuilder *builder);
static void drop_sums(MrEvalsBuilder *builder);
static void drop_pairs(MrEvalsBuilder *builder, const int32 *moved);
static void build_index(MrEvalsBuilder *builder, uint32 slots);
static void *grow(void *array, size_t bytes);

/*
 * Starts in a new context under the given one.  max_bytes bounds what the
 * prompts, cells and pairs take; while it ends up to twice as much is used for
 * a moment.
 */
MrEvalsBuilder *
mr_evals_begin(MemoryContext context, size_t max_bytes)
{
	MemoryContext own = AllocSetContextCreate(context, "modelroute evals",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(own);
	MrEvalsBuilder *builder = palloc0(sizeof(MrEvalsBuilder));

	builder->evals = palloc0(sizeof(MrEvals));
	builder->evals->context = own;
	builder->evals->models = palloc0(sizeof(char *) * MR_EVALS_MODELS_MAX);
	builder->max_bytes = Max(max_bytes, MR_EVALS_MIN_BYTES);
	builder->space = palloc(sizeof(MrFeatureSpace));
	builder->entries_size = 1024;
	builder->entries = palloc(sizeof(MrEvalEntry) * builder->entries_size);
	builder->sums_size = 1024;
	builder->sums = palloc(sizeof(MrEvalSum) * builder->sums_size);
	build_index(builder, 4096);
	MemoryContextSwitchTo(saved);
	return builder;
}

/*
 * Takes a row in; everything is copied.  A row that cannot be used comes back
 * as a sentence, and nothing has changed.
 */
const char *
mr_evals_add(MrEvalsBuilder *builder, const MrEvalRow *row)
{
	MemoryContext saved;
	const char *problem = check_row(row);
	bool		paired = row->model == NULL;
	int			model;
	int			loser = MR_EVALS_NONE;
	MrEvalEntry *entry;

	if (problem != NULL)
		return problem;
	saved = MemoryContextSwitchTo(builder->evals->context);
	model = find_model(builder, paired ? row->winner : row->model);
	if (paired && model != MR_EVALS_NONE)
		loser = find_model(builder, row->loser);
	if (model == MR_EVALS_NONE || (paired && loser == MR_EVALS_NONE))
		problem = "There are more than 512 models.";
	else
	{
		builder->evals->rows++;
		entry = find_entry(builder, row);
		if (entry != NULL)
		{
			entry->rows++;
			if (paired)
				add_pair(builder, entry, model, loser);
			else
				add_sum(builder, entry, model, row);
		}
		while (builder->bytes > builder->max_bytes && builder->shift < 63)
			halve(builder);
	}
	MemoryContextSwitchTo(saved);
	return problem;
}

static const char *
check_row(const MrEvalRow *row)
{
	StaticAssertStmt(MR_EVALS_MODELS_MAX == 512, "a message says so");
	if (row->model == NULL)
		return strcmp(row->winner, row->loser) == 0
			? "Winner and loser are the same model." : NULL;
	if (!(row->score >= 0 && row->score <= 1))
		return "A score must be from 0 to 1.";
	if (row->cost_usd < 0 || row->cost_usd > COST_MAX)
		return "A cost must be from 0 to 1000000 USD.";
	if (row->output_tokens < 0 || row->output_tokens > TOKENS_MAX)
		return "Output tokens must be from 0 to 1000000000.";
	return NULL;
}

/* The model's index; MR_EVALS_NONE when there is no place left. */
static int
find_model(MrEvalsBuilder *builder, const char *name)
{
	MrEvals    *evals = builder->evals;
	uint64		hash = hash_bytes_extended((const unsigned char *) name,
										   strlen(name), 0);

	for (int i = 0; i < evals->nmodels; i++)
		if (builder->model_hash[i] == hash)
			return i;
	if (evals->nmodels == MR_EVALS_MODELS_MAX)
		return MR_EVALS_NONE;
	builder->model_hash[evals->nmodels] = hash;
	evals->models[evals->nmodels] = pstrdup(name);
	return evals->nmodels++;
}

/* ----------
 * Prompts
 * ----------
 */

static inline bool
is_kept(const MrEvalsBuilder *builder, uint64 key)
{
	return builder->shift == 0 || key >> (64 - builder->shift) == 0;
}

/* The entry of the row's prompt, made when it is new; NULL: left out. */
static MrEvalEntry *
find_entry(MrEvalsBuilder *builder, const MrEvalRow *row)
{
	uint64		key = hash_bytes_extended((const unsigned char *) row->prompt,
										  row->prompt_bytes, 0);
	uint32		at;

	if (row->task != NULL)
		key = hash_combine64(key,
							 hash_bytes_extended((const unsigned char *)
												 row->task,
												 strlen(row->task), 0));
	if (!is_kept(builder, key))
		return NULL;
	for (at = (uint32) key & builder->mask; builder->index[at] != MR_EVALS_NONE;
		 at = (at + 1) & builder->mask)
	{
		MrEvalEntry *entry = &builder->entries[builder->index[at]];

		if (entry->prompt.key == key)
			return entry;
	}
	builder->index[at] = builder->nentries;
	return add_entry(builder, row, key);
}

static MrEvalEntry *
add_entry(MrEvalsBuilder *builder, const MrEvalRow *row, uint64 key)
{
	MrEvalEntry *entry;

	if (builder->nentries == builder->entries_size)
	{
		builder->entries_size *= 2;
		builder->entries = grow(builder->entries,
								sizeof(MrEvalEntry) * builder->entries_size);
	}
	entry = &builder->entries[builder->nentries++];
	memset(entry, 0, sizeof(MrEvalEntry));
	entry->prompt.key = key;
	entry->first = MR_EVALS_NONE;
	fill_entry(builder, row, &entry->prompt);
	builder->bytes += sizeof(MrEvalEntry) + 2 * sizeof(int32);
	if ((uint32) builder->nentries > builder->mask / 2)
	{
		pfree(builder->index);
		build_index(builder, (builder->mask + 1) * 2);
	}
	return entry;
}

/*
 * The features with their arrays in one piece: words first, surface signals
 * behind them.
 */
static void
fill_entry(MrEvalsBuilder *builder, const MrEvalRow *row,
		   MrEvalPrompt *prompt)
{
	MrFeatures *features = &prompt->features;
	uint32	   *words;
	uint16	   *surface;

	mr_features_read(row->prompt, row->prompt_bytes, row->task,
					 builder->space);
	*features = builder->space->features;
	words = palloc(array_bytes(features));
	surface = (uint16 *) (words + features->nwords);
	memcpy(words, features->words, features->nwords * sizeof(uint32));
	memcpy(surface, features->surface, features->nsurface * sizeof(uint16));
	features->words = words;
	features->surface = surface;
	prompt->input_tokens = (uint32)
		mr_router_count_tokens(row->prompt, row->prompt_bytes);
	builder->bytes += array_bytes(features) + 2 * sizeof(void *);
}

/* What the features' arrays take. */
static size_t
array_bytes(const MrFeatures *features)
{
	return features->nwords * sizeof(uint32)
		+ features->nsurface * sizeof(uint16);
}

static void
build_index(MrEvalsBuilder *builder, uint32 slots)
{
	builder->mask = slots - 1;
	builder->index = MemoryContextAllocExtended(builder->evals->context,
												sizeof(int32) * (size_t) slots,
												MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < slots; i++)
		builder->index[i] = MR_EVALS_NONE;
	for (int i = 0; i < builder->nentries; i++)
	{
		uint32		at = (uint32) builder->entries[i].prompt.key
			& builder->mask;

		while (builder->index[at] != MR_EVALS_NONE)
			at = (at + 1) & builder->mask;
		builder->index[at] = i;
	}
}

/* ----------
 * Cells and pairs
 * ----------
 */

static MrEvalSum *
find_sum(MrEvalsBuilder *builder, MrEvalEntry *entry, int model)
{
	MrEvalSum  *sum;

	for (int32 i = entry->first; i != MR_EVALS_NONE; i = builder->sums[i].next)
		if (builder->sums[i].model == model)
			return &builder->sums[i];
	if (builder->nsums == builder->sums_size)
	{
		builder->sums_size *= 2;
		builder->sums = grow(builder->sums,
							 sizeof(MrEvalSum) * (size_t) builder->sums_size);
	}
	sum = &builder->sums[builder->nsums];
	memset(sum, 0, sizeof(MrEvalSum));
	sum->model = model;
	sum->next = entry->first;
	entry->first = builder->nsums++;
	entry->prompt.ncells++;
	builder->bytes += sizeof(MrEvalSum) + sizeof(MrEvalCell);
	return sum;
}

static void
add_sum(MrEvalsBuilder *builder, MrEvalEntry *entry, int model,
		const MrEvalRow *row)
{
	MrEvalSum  *sum = find_sum(builder, entry, model);

	sum->count++;
	sum->score += (int64) (row->score * MR_EVALS_SCORE_UNIT + 0.5);
	if (!isnan(row->cost_usd))
	{
		sum->ncosts++;
		sum->cost += (int64) (row->cost_usd * MR_EVALS_COST_UNIT + 0.5);
	}
	if (!isnan(row->output_tokens))
	{
		sum->ntokens++;
		sum->tokens += (int64) (row->output_tokens + 0.5);
	}
}

static void
add_pair(MrEvalsBuilder *builder, const MrEvalEntry *entry, int winner,
		 int loser)
{
	MrEvals    *evals = builder->evals;
	MrEvalPair *pair;

	if (evals->npairs == builder->pairs_size)
	{
		size_t		size = Max(1024, 2 * builder->pairs_size);

		if (evals->pairs == NULL)
			evals->pairs = palloc(sizeof(MrEvalPair) * size);
		else
			evals->pairs = grow(evals->pairs, sizeof(MrEvalPair) * size);
		builder->pairs_size = size;
	}
	pair = &evals->pairs[evals->npairs++];
	pair->prompt = (int32) (entry - builder->entries);
	pair->winner = winner;
	pair->loser = loser;
	builder->bytes += sizeof(MrEvalPair);
}

static void *
grow(void *array, size_t bytes)
{
	return repalloc_huge(array, bytes);
}

/* ----------
 * The bound
 * ----------
 */

/* Leaves out half of the prompts, by a bit of their hash. */
static void
halve(MrEvalsBuilder *builder)
{
	builder->shift++;
	drop_prompts(builder);
	drop_sums(builder);
	pfree(builder->index);
	build_index(builder, builder->mask + 1);
	builder->bytes = builder->nentries
		* (sizeof(MrEvalEntry) + 2 * sizeof(int32) + 2 * sizeof(void *))
		+ builder->nsums * (sizeof(MrEvalSum) + sizeof(MrEvalCell))
		+ builder->evals->npairs * sizeof(MrEvalPair);
	for (int i = 0; i < builder->nentries; i++)
		builder->bytes += array_bytes(&builder->entries[i].prompt.features);
}

static void
drop_prompts(MrEvalsBuilder *builder)
{
	int32	   *moved = MemoryContextAllocExtended(builder->evals->context,
												   sizeof(int32) *
												   Max(builder->nentries, 1),
												   MCXT_ALLOC_HUGE);
	int			kept = 0;

	for (int i = 0; i < builder->nentries; i++)
	{
		MrEvalEntry *entry = &builder->entries[i];

		moved[i] = is_kept(builder, entry->prompt.key) ? kept : MR_EVALS_NONE;
		if (moved[i] == MR_EVALS_NONE)
			pfree(unconstify(uint32 *, entry->prompt.features.words));
		else
			builder->entries[kept++] = *entry;
	}
	builder->nentries = kept;
	drop_pairs(builder, moved);
	pfree(moved);
}

/* Packs the sums of the entries that are left. */
static void
drop_sums(MrEvalsBuilder *builder)
{
	MrEvalSum  *kept = MemoryContextAllocExtended(builder->evals->context,
												  sizeof(MrEvalSum) *
												  (size_t) builder->sums_size,
												  MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < builder->nentries; i++)
	{
		int32	   *link = &builder->entries[i].first;

		for (int32 at = *link; at != MR_EVALS_NONE; at = builder->sums[at].next)
		{
			kept[count] = builder->sums[at];
			*link = count;
			link = &kept[count++].next;
		}
		*link = MR_EVALS_NONE;
	}
	pfree(builder->sums);
	builder->sums = kept;
	builder->nsums = count;
}

static void
drop_pairs(MrEvalsBuilder *builder, const int32 *moved)
{
	MrEvals    *evals = builder->evals;
	int64		kept = 0;

	for (int64 i = 0; i < evals->npairs; i++)
	{
		MrEvalPair	pair = evals->pairs[i];

		pair.prompt = moved[pair.prompt];
		if (pair.prompt != MR_EVALS_NONE)
			evals->pairs[kept++] = pair;
	}
	evals->npairs = kept;
}

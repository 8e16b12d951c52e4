/*
 * ridge.c
 *	  Ridge regression in its dual form by conjugate gradients, all outputs at
 *	  once.
 *
 * With X the rows' feature vectors, each output solves (X X' + lambda I) a = y
 * and its weights are X' a.  No learning rate and no random start: the same
 * rows give the same weights.
 *
 * A row's vector has three parts of fixed length: words (length 1), surface
 * signals and task; within a part each known feature counts as its inverse
 * document frequency.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "router/ridge.h"

#define ITERATIONS_MAX	25
#define RESIDUAL		3e-3	/* of the norm of the right-hand side */
#define KNOWN_FROM		2		/* rows that a word must stand in */
#define ROWS_PER_TICK	256

/* Conjugate gradients of all outputs; arrays are [row * noutputs + output]. */
typedef struct Descent
{
	float	   *solution;
	float	   *residual;
	float	   *direction;
	float	   *image;			/* of direction */
	double	   *norm;			/* of residual, squared, one for each output */
	double	   *first_norm;
	double	   *step;
} Descent;

static float *allocate(size_t count);
static void start(MrRidge *ridge, Descent *descent);
static bool improve(MrRidge *ridge, Descent *descent);
static void multiply(MrRidge *ridge, Descent *descent);
static void gather(MrRidge *ridge, const float *from);
static void mask_targets(const MrRidge *ridge, float *array);
static void dot(const MrRidge *ridge, const float *a, const float *b,
				double *products);
static void count_documents(const MrRows *rows, int bits, int32 *count);

/* ----------
 * Vocabulary
 * ----------
 */

/* idf = ln((n + 1) / (df + 1)) + 1, of what stands in at least two rows. */
void
mr_vocabulary_build(MrVocabulary *vocabulary, const MrRows *rows, int bits)
{
	int			nbuckets = mr_layout_buckets(bits);
	int32	   *count = palloc0(sizeof(int32) * nbuckets);

	count_documents(rows, bits, count);
	vocabulary->bits = bits;
	vocabulary->pairs = rows->evals->nmodels <= MR_PAIR_MODELS_MAX;
	vocabulary->nrows = rows->nrows;
	vocabulary->nbuckets = nbuckets;
	vocabulary->idf = palloc0(nbuckets);
	for (int i = 0; i < nbuckets; i++)
	{
		bool		word = i < 1 << bits;
		double		idf = log((rows->nrows + 1.0) / (count[i] + 1.0)) + 1;

		if (count[i] >= (word ? KNOWN_FROM : 1))
			vocabulary->idf[i] = (uint8)
				Max(Min(idf / MR_IDF_UNIT + 0.5, 255), 1);
	}
	pfree(count);
}

void
mr_vocabulary_free(MrVocabulary *vocabulary)
{
	pfree(vocabulary->idf);
}

/* In how many rows each bucket stands; two words of one bucket are one. */
static void
count_documents(const MrRows *rows, int bits, int32 *count)
{
	int32	   *last = palloc0(sizeof(int32) << bits);
	bool		pairs = rows->evals->nmodels <= MR_PAIR_MODELS_MAX;

	for (int i = 0; i < rows->nrows; i++)
	{
		const MrFeatures *features =
			&rows->evals->prompts[rows->prompt[i]].features;

		for (int j = 0; j < features->nwords; j++)
		{
			uint32		bucket = mr_bucket_of_word(features->words[j], bits);

			if (last[bucket] == i + 1 ||
				!mr_word_counts(features->words[j], pairs))
				continue;
			last[bucket] = i + 1;
			count[bucket]++;
		}
		for (int j = 0; j < features->nsurface; j++)
			count[mr_bucket_of_surface(features->surface[j], bits)]++;
		if (features->task != 0)
			count[mr_bucket_of_task(features->task, bits)]++;
	}
	pfree(last);
}

/* ----------
 * Rows of X
 * ----------
 */

/* What a part's idf bytes are multiplied with, by its length. */
static float
part_factor(double length, uint64 square)
{
	return square == 0 ? 0 : (float) (length / sqrt((double) square));
}

typedef struct Factors
{
	float		words;
	float		surface;
	float		task;
} Factors;

static void
row_factors(const MrVocabulary *vocabulary, const MrFeatures *features,
			Factors *factors)
{
	const uint8 *idf = vocabulary->idf;
	uint64		words = 0;
	uint64		surface = 0;
	uint64		task = 0;

	for (int i = 0; i < features->nwords; i++)
	{
		uint32		value = idf[mr_bucket_of_word(features->words[i],
												  vocabulary->bits)];

		if (mr_word_counts(features->words[i], vocabulary->pairs))
			words += value * value;
	}
	for (int i = 0; i < features->nsurface; i++)
	{
		uint32		value = idf[mr_bucket_of_surface(features->surface[i],
													 vocabulary->bits)];

		surface += value * value;
	}
	if (features->task != 0)
		task = idf[mr_bucket_of_task(features->task, vocabulary->bits)];
	factors->words = part_factor(1, words);
	factors->surface = part_factor(MR_SURFACE_LENGTH, surface);
	factors->task = part_factor(MR_TASK_LENGTH, task * task);
}

/* Appends a known bucket to the last row. */
static void
append(MrDesign *design, uint32 bucket, float factor)
{
	uint8		idf = design->vocabulary->idf[bucket];
	size_t		at = design->start[design->nrows];

	if (idf == 0)
		return;
	design->bucket[at] = bucket;
	design->value[at] = factor * idf;
	design->start[design->nrows]++;
}

static void
append_row(MrDesign *design, const MrFeatures *features)
{
	int			bits = design->vocabulary->bits;
	Factors		factors;

	row_factors(design->vocabulary, features, &factors);
	design->start[design->nrows + 1] = design->start[design->nrows];
	design->nrows++;
	for (int i = 0; i < features->nwords; i++)
		if (mr_word_counts(features->words[i], design->vocabulary->pairs))
			append(design, mr_bucket_of_word(features->words[i], bits),
				   factors.words);
	for (int i = 0; i < features->nsurface; i++)
		append(design, mr_bucket_of_surface(features->surface[i], bits),
			   factors.surface);
	if (features->task != 0)
		append(design, mr_bucket_of_task(features->task, bits),
			   factors.task);
}

/* 8 bytes for each feature of each row, in CurrentMemoryContext. */
void
mr_design_build(MrDesign *design, const MrVocabulary *vocabulary,
				const MrRows *rows)
{
	size_t		most = 0;

	for (int i = 0; i < rows->nrows; i++)
	{
		const MrFeatures *features =
			&rows->evals->prompts[rows->prompt[i]].features;

		most += features->nwords + features->nsurface + 1;
	}
	design->vocabulary = vocabulary;
	design->nrows = 0;
	design->start = palloc_extended(sizeof(size_t) * (rows->nrows + 1),
									MCXT_ALLOC_HUGE);
	design->bucket = palloc_extended(sizeof(uint32) * Max(most, 1),
									 MCXT_ALLOC_HUGE);
	design->value = palloc_extended(sizeof(float) * Max(most, 1),
									MCXT_ALLOC_HUGE);
	design->start[0] = 0;
	for (int i = 0; i < rows->nrows; i++)
		append_row(design,
				   &rows->evals->prompts[rows->prompt[i]].features);
}

void
mr_design_free(MrDesign *design)
{
	pfree(design->start);
	pfree(design->bucket);
	pfree(design->value);
}

static inline void
apply_one(const MrVocabulary *vocabulary, const float *weights,
		  uint32 bucket, float factor, float *outputs, int count)
{
	float		value = factor * vocabulary->idf[bucket];
	const float *row = weights + (size_t) bucket * count;

	if (value == 0)
		return;
	for (int k = 0; k < count; k++)
		outputs[k] += value * row[k];
}

/* The outputs of one prompt: x' weights. */
void
mr_ridge_apply(const MrVocabulary *vocabulary, const float *weights,
			   int noutputs, const MrFeatures *features, float *outputs)
{
	Factors		factors;
	int			bits = vocabulary->bits;

	memset(outputs, 0, sizeof(float) * noutputs);
	row_factors(vocabulary, features, &factors);
	for (int i = 0; i < features->nwords; i++)
		if (mr_word_counts(features->words[i], vocabulary->pairs))
			apply_one(vocabulary, weights,
					  mr_bucket_of_word(features->words[i], bits),
					  factors.words, outputs, noutputs);
	for (int i = 0; i < features->nsurface; i++)
		apply_one(vocabulary, weights,
				  mr_bucket_of_surface(features->surface[i], bits),
				  factors.surface, outputs, noutputs);
	if (features->task != 0)
		apply_one(vocabulary, weights,
				  mr_bucket_of_task(features->task, bits),
				  factors.task, outputs, noutputs);
}

/* ----------
 * Conjugate gradients
 * ----------
 */

/* Fills ridge->weights, which has room for nbuckets x noutputs. */
void
mr_ridge_solve(MrRidge *ridge)
{
	size_t		cells = (size_t) ridge->design->nrows * ridge->noutputs;
	Descent		descent = {
		.solution = allocate(cells),
		.residual = allocate(cells),
		.direction = allocate(cells),
		.image = allocate(cells),
		.norm = palloc0(sizeof(double) * ridge->noutputs),
		.first_norm = palloc0(sizeof(double) * ridge->noutputs),
		.step = palloc0(sizeof(double) * ridge->noutputs)
	};

	start(ridge, &descent);
	for (int i = 0; i < ITERATIONS_MAX; i++)
		if (!improve(ridge, &descent))
			break;
	gather(ridge, descent.solution);
	pfree(descent.solution);
	pfree(descent.residual);
	pfree(descent.direction);
	pfree(descent.image);
	pfree(descent.norm);
	pfree(descent.first_norm);
	pfree(descent.step);
}

/* Zeroes. */
static float *
allocate(size_t count)
{
	size_t		bytes = sizeof(float) * Max(count, 1);
	float	   *array = MemoryContextAllocExtended(CurrentMemoryContext,
												   bytes, MCXT_ALLOC_HUGE);

	return memset(array, 0, bytes);
}

static void
start(MrRidge *ridge, Descent *descent)
{
	size_t		cells = (size_t) ridge->design->nrows * ridge->noutputs;

	for (size_t i = 0; i < cells; i++)
		descent->residual[i] = isnan(ridge->target[i]) ? 0 :
			ridge->target[i];
	memcpy(descent->direction, descent->residual, sizeof(float) * cells);
	dot(ridge, descent->residual, descent->residual, descent->norm);
	memcpy(descent->first_norm, descent->norm,
		   sizeof(double) * ridge->noutputs);
}

/* One step of each output; false when all are close enough. */
static bool
improve(MrRidge *ridge, Descent *descent)
{
	size_t		cells = (size_t) ridge->design->nrows * ridge->noutputs;
	int			count = ridge->noutputs;
	double	   *norm = descent->norm;
	bool		more = false;

	multiply(ridge, descent);
	dot(ridge, descent->direction, descent->image, descent->step);
	for (int k = 0; k < count; k++)
		descent->step[k] = descent->step[k] > 0
			? norm[k] / descent->step[k] : 0;
	for (size_t i = 0; i < cells; i++)
	{
		float		step = (float) descent->step[i % count];

		descent->solution[i] += step * descent->direction[i];
		descent->residual[i] -= step * descent->image[i];
	}
	memcpy(descent->step, norm, sizeof(double) * count);
	dot(ridge, descent->residual, descent->residual, norm);
	for (int k = 0; k < count; k++)
	{
		more |= norm[k] > RESIDUAL * RESIDUAL * descent->first_norm[k];
		descent->step[k] = descent->step[k] > 0
			? norm[k] / descent->step[k] : 0;
	}
	for (size_t i = 0; i < cells; i++)
		descent->direction[i] = descent->residual[i]
			+ (float) descent->step[i % count] * descent->direction[i];
	return more;
}

/* image = (X X' + lambda) direction, of rows with a target */
static void
multiply(MrRidge *ridge, Descent *descent)
{
	int			count = ridge->noutputs;

	gather(ridge, descent->direction);
	for (int i = 0; i < ridge->design->nrows; i++)
	{
		float	   *image = descent->image + (size_t) i * count;
		const float *direction = descent->direction + (size_t) i * count;

		if (i % ROWS_PER_TICK == 0 && ridge->tick)
			ridge->tick(ridge->tick_arg);
		mr_ridge_apply_row(ridge, i, image);
		for (int k = 0; k < count; k++)
			image[k] += (float) ridge->lambda[k] * direction[k];
	}
	mask_targets(ridge, descent->image);
}

/* The outputs of a row of the design: x' weights. */
void
mr_ridge_apply_row(const MrRidge *ridge, int row, float *outputs)
{
	const MrDesign *design = ridge->design;
	int			count = ridge->noutputs;

	memset(outputs, 0, sizeof(float) * count);
	for (size_t j = design->start[row]; j < design->start[row + 1]; j++)
	{
		const float *weights = ridge->weights
			+ (size_t) design->bucket[j] * count;
		float		value = design->value[j];

		for (int k = 0; k < count; k++)
			outputs[k] += value * weights[k];
	}
}

/* weights = X' from */
static void
gather(MrRidge *ridge, const float *from)
{
	const MrDesign *design = ridge->design;
	int			count = ridge->noutputs;

	memset(ridge->weights, 0, sizeof(float) *
		   (size_t) design->vocabulary->nbuckets * count);
	for (int i = 0; i < design->nrows; i++)
	{
		const float *row = from + (size_t) i * count;

		if (i % ROWS_PER_TICK == 0 && ridge->tick)
			ridge->tick(ridge->tick_arg);
		for (size_t j = design->start[i]; j < design->start[i + 1]; j++)
		{
			float	   *weights = ridge->weights
				+ (size_t) design->bucket[j] * count;
			float		value = design->value[j];

			for (int k = 0; k < count; k++)
				weights[k] += value * row[k];
		}
	}
}

/* A row without a target takes no part in its output. */
static void
mask_targets(const MrRidge *ridge, float *array)
{
	size_t		cells = (size_t) ridge->design->nrows * ridge->noutputs;

	for (size_t i = 0; i < cells; i++)
		if (isnan(ridge->target[i]))
			array[i] = 0;
}

static void
dot(const MrRidge *ridge, const float *a, const float *b, double *products)
{
	int			count = ridge->noutputs;

	memset(products, 0, sizeof(double) * count);
	for (int i = 0; i < ridge->design->nrows; i++)
		for (int k = 0; k < count; k++)
			products[k] += (double) a[(size_t) i * count + k]
				* b[(size_t) i * count + k];
}

/*
 * artifact.c
 *	  Reads an artifact: checks it, and predicts with it.
 *
 * Sums over a prompt's features are integers (idf byte x weight byte), so that
 * every machine gets the same; they cannot overflow: 4,096 features x 255 x 127
 * stay below 2^31.
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"
#include "utils/float.h"

#include "router/evals.h"
#include "router/fit.h"
#include "router/layout.h"

#define DISTANCE_CLASSES 128

/* Outputs that are summed together: as many as a processor holds at once. */
#define BLOCK_OUTPUTS		16
#define HALF_BLOCK_OUTPUTS	8

/* Rows are fetched into the cache so many words before they are read. */
#define FETCH_AHEAD			12
#define CACHE_LINE_BYTES	64

/* A feature of the prompt that training met, too. */
typedef struct Known
{
	const int8 *weights;		/* one for each output */
	int16		idf;
} Known;

/* What is known of one part of a prompt: words, surface signals, or task. */
typedef struct Part
{
	int			count;
	Known		known[MR_FEATURE_WORDS_MAX];
} Part;

typedef struct Reading
{
	const MrArtifact *artifact;
	uint32		histogram[256]; /* words by idf byte */
	double		trust;
	double		spread;			/* posterior variance / prior variance */
	double		difficulty;		/* slope x hardness */
	double		length;			/* what the prompt makes of lengths: a factor */
	float		outputs[MR_OUTPUTS(MR_EVALS_MODELS_MAX)];
} Reading;

static const char *find_problem(const MrArtifact *artifact, size_t length);
static bool check_models(const MrArtifact *artifact);
static void read_outputs(Reading *reading, const MrFeatures *features);
static void look_up_words(Reading *reading, const MrFeatures *features,
						  Part *part);
static int	look_up(const MrArtifact *artifact, uint32 bucket, Part *part);
static void add_part(Reading *reading, const Part *part, double length);
static void sum_part(const Part *part, int noutputs, int32 *sums);
static void scale_outputs(Reading *reading);
static void judge_words(Reading *reading);
static void ask_neighbours(Reading *reading);
static int	measure_distances(const Reading *reading, uint8 *classes);
static void fill_learned(const Reading *reading, int model,
						 MrLearned *learned);

static inline const MrArtifactModel *
models_of(const MrArtifact *artifact)
{
	return (const MrArtifactModel *)
		((const char *) artifact + artifact->models);
}

static inline size_t
row_bytes(const MrArtifact *artifact)
{
	return 1 + MR_OUTPUTS(artifact->nmodels);
}

/* Its place, then its outcome, one signed byte for each model. */
static inline const int8 *
neighbour_of(const MrArtifact *artifact, int neighbour)
{
	return (const int8 *) artifact + artifact->neighbours
		+ (size_t) 2 * neighbour * artifact->nmodels;
}

/* ----------
 * Checks
 * ----------
 */

bool
mr_artifact_check(const char *bytes, size_t length, const char **problem)
{
	*problem = find_problem((const MrArtifact *) bytes, length);
	return *problem == NULL;
}

/* Whether a stretch of the artifact lies within it. */
static bool
within(const MrArtifact *artifact, uint32 offset, size_t bytes)
{
	return offset >= sizeof(MrArtifact) && offset <= artifact->bytes &&
		bytes <= artifact->bytes - offset;
}

static const char *
find_problem(const MrArtifact *artifact, size_t length)
{
	if (length < sizeof(MrArtifact) ||
		memcmp(artifact->magic, MR_ARTIFACT_MAGIC, 8) != 0)
		return "It is not a router.";
	if (artifact->byte_order != MR_ARTIFACT_BYTE_ORDER)
		return "It was trained on a machine of another byte order.";
	if (artifact->version != MR_ARTIFACT_VERSION)
		return "It was trained by another version of the extension.";
	if (artifact->feature_version != MR_FEATURE_VERSION)
		return "It was trained on features that this version does not read.";
	if (artifact->bytes != length)
		return "It is cut short.";
	if (artifact->nmodels < 1 || artifact->nmodels > MR_EVALS_MODELS_MAX ||
		artifact->word_bits < MR_WORD_BITS_MIN ||
		artifact->word_bits > MR_WORD_BITS_MAX || artifact->prompts < 1 ||
		artifact->nneighbours < 0 ||
		artifact->nneighbours > MR_NEIGHBOUR_ROWS_MAX ||
		(artifact->nneighbours > 0 &&
		 artifact->nmodels > MR_NEIGHBOUR_MODELS_MAX) ||
		artifact->models % MAXIMUM_ALIGNOF != 0 ||
		!within(artifact, artifact->models,
				sizeof(MrArtifactModel) * artifact->nmodels) ||
		!within(artifact, artifact->rows, row_bytes(artifact) *
				mr_layout_buckets(artifact->word_bits)) ||
		!within(artifact, artifact->neighbours, (size_t) 2 *
				artifact->nneighbours * artifact->nmodels) ||
		!check_models(artifact))
		return "It is damaged.";
	return NULL;
}

/* Names must end within the artifact. */
static bool
check_models(const MrArtifact *artifact)
{
	const MrArtifactModel *models = models_of(artifact);

	for (int i = 0; i < artifact->nmodels; i++)
	{
		const char *name = (const char *) artifact + models[i].name;

		if (!within(artifact, models[i].name, 1) ||
			memchr(name, '\0', artifact->bytes - models[i].name) == NULL ||
			!(models[i].mean >= 0 && models[i].mean <= 1))
			return false;
	}
	return true;
}

/* ----------
 * What it holds
 * ----------
 */

int
mr_artifact_nmodels(const MrArtifact *artifact)
{
	return artifact->nmodels;
}

const char *
mr_artifact_model(const MrArtifact *artifact, int model)
{
	return (const char *) artifact + models_of(artifact)[model].name;
}

double
mr_artifact_mean(const MrArtifact *artifact, int model)
{
	return models_of(artifact)[model].mean;
}

double
mr_artifact_margin(const MrArtifact *artifact)
{
	return artifact->margin;
}

bool
mr_artifact_trusted(const MrArtifact *artifact)
{
	return artifact->trusted != 0;
}

/* ----------
 * Predictions
 * ----------
 */

void
mr_artifact_predict(const MrArtifact *artifact, const MrFeatures *features,
					MrLearned *learned)
{
	static Reading reading;

	reading.artifact = artifact;
	read_outputs(&reading, features);
	judge_words(&reading);
	reading.difficulty = mr_hardness(features) *
		Max(artifact->beta * artifact->beta_weight,
			MR_UNTRUSTED_BETA * (1 - reading.trust));
	reading.length = exp(reading.outputs[MR_OUTPUT_LENGTH(artifact->nmodels)]);
	if (artifact->nneighbours > 0)
		ask_neighbours(&reading);
	for (int i = 0; i < artifact->nmodels; i++)
		fill_learned(&reading, i, &learned[i]);
}

/* The ridge's outputs for the prompt, and the histogram of its words. */
static void
read_outputs(Reading *reading, const MrFeatures *features)
{
	const MrArtifact *artifact = reading->artifact;
	int			bits = artifact->word_bits;
	static Part part;

	memset(reading->outputs, 0,
		   sizeof(float) * MR_OUTPUTS(artifact->nmodels));
	look_up_words(reading, features, &part);
	add_part(reading, &part, 1);

	part.count = 0;
	for (int i = 0; i < features->nsurface; i++)
		look_up(artifact, mr_bucket_of_surface(features->surface[i], bits),
				&part);
	add_part(reading, &part, MR_SURFACE_LENGTH);

	if (features->task != 0)
	{
		part.count = 0;
		look_up(artifact, mr_bucket_of_task(features->task, bits), &part);
		add_part(reading, &part, MR_TASK_LENGTH);
	}
	scale_outputs(reading);
}

static inline const int8 *
row_of(const MrArtifact *artifact, uint32 bucket)
{
	return (const int8 *) artifact + artifact->rows
		+ bucket * row_bytes(artifact);
}

static inline void
fetch_row(const MrArtifact *artifact, uint32 bucket)
{
	const int8 *row = row_of(artifact, bucket);

	for (size_t at = 0; at < row_bytes(artifact); at += CACHE_LINE_BYTES)
		__builtin_prefetch(row + at);
}

static void
look_up_words(Reading *reading, const MrFeatures *features, Part *part)
{
	const MrArtifact *artifact = reading->artifact;
	static uint32 bucket[MR_FEATURE_WORDS_MAX];
	int			count = 0;

	for (int i = 0; i < features->nwords; i++)
	{
		bucket[count] = mr_bucket_of_word(features->words[i],
										  artifact->word_bits);
		count += mr_word_counts(features->words[i], artifact->pairs != 0);
	}
	memset(reading->histogram, 0, sizeof(reading->histogram));
	part->count = 0;
	for (int i = 0; i < Min(count, FETCH_AHEAD); i++)
		fetch_row(artifact, bucket[i]);
	for (int i = 0; i < count; i++)
	{
		if (i + FETCH_AHEAD < count)
			fetch_row(artifact, bucket[i + FETCH_AHEAD]);
		reading->histogram[look_up(artifact, bucket[i], part)]++;
	}
}

/* Returns the idf byte; 0 = training has not met the feature. */
static inline int
look_up(const MrArtifact *artifact, uint32 bucket, Part *part)
{
	const int8 *row = row_of(artifact, bucket);
	int			idf = (uint8) row[0];

	part->known[part->count] = (Known)
	{
		row + 1, idf
	};
	part->count += idf > 0;
	return idf;
}

static void
add_part(Reading *reading, const Part *part, double length)
{
	int			count = MR_OUTPUTS(reading->artifact->nmodels);
	static int32 sums[MR_OUTPUTS(MR_EVALS_MODELS_MAX)];
	uint64		square = 0;
	float		factor;

	for (int i = 0; i < part->count; i++)
		square += part->known[i].idf * part->known[i].idf;
	if (square == 0)
		return;
	sum_part(part, count, sums);
	factor = (float) (length / sqrt((double) square));
	for (int k = 0; k < count; k++)
		reading->outputs[k] += factor * sums[k];
}

/*
 * A few outputs of all features, so that the sums stay in registers; a product
 * fits into 16 bits.  Inlined for constant widths.
 */
static pg_attribute_always_inline void
sum_block(const Part *part, int first, int width, int32 *sums)
{
	int32		block[BLOCK_OUTPUTS] = {0};

	for (int i = 0; i < part->count; i++)
	{
		const int8 *weights = part->known[i].weights + first;
		int16		idf = part->known[i].idf;

		for (int k = 0; k < width; k++)
			block[k] += (int16) (idf * weights[k]);
	}
	memcpy(sums + first, block, sizeof(int32) * width);
}

/* The last block overlaps the one before: it must not leave the row. */
static void
sum_part(const Part *part, int noutputs, int32 *sums)
{
	if (noutputs >= BLOCK_OUTPUTS)
	{
		for (int at = 0; at < noutputs; at += BLOCK_OUTPUTS)
			sum_block(part, Min(at, noutputs - BLOCK_OUTPUTS),
					  BLOCK_OUTPUTS, sums);
	}
	else if (noutputs >= HALF_BLOCK_OUTPUTS)
	{
		sum_block(part, 0, HALF_BLOCK_OUTPUTS, sums);
		sum_block(part, noutputs - HALF_BLOCK_OUTPUTS, HALF_BLOCK_OUTPUTS,
				  sums);
	}
	else
		sum_block(part, 0, noutputs, sums);
}

static void
scale_outputs(Reading *reading)
{
	const MrArtifact *artifact = reading->artifact;
	const MrArtifactModel *models = models_of(artifact);
	int			nmodels = artifact->nmodels;

	for (int i = 0; i < nmodels; i++)
		reading->outputs[i] *= models[i].scale;
	reading->outputs[MR_OUTPUT_COMMON(nmodels)] *= artifact->common_scale;
	reading->outputs[MR_OUTPUT_LENGTH(nmodels)] *= artifact->length_scale;
}

/*
 * How far the learned part can be trusted, from how typical the words are; and
 * what is still open about a model's part of this prompt: with a diagonal in
 * place of the rows' covariance, sum(v^2 / (1 + df v^2 / lambda)) over the
 * words' values v.
 */
static void
judge_words(Reading *reading)
{
	const MrArtifact *artifact = reading->artifact;
	double		width = artifact->typical_high - artifact->typical_low;
	double		over = mr_typicality(reading->histogram,
									 reading->histogram[0],
									 artifact->prompts)
		- artifact->typical_low;
	double		square = 0;

	reading->trust = width > 0 ? Min(Max(over / width, 0), 1) : 1;
	for (int byte = 1; byte < 256; byte++)
		square += (double) reading->histogram[byte] * byte * byte;
	reading->spread = square > 0 ? 0 : 1;
	for (int byte = 1; byte < 256 && square > 0; byte++)
	{
		double		value = byte * byte / square;
		double		rows;

		if (reading->histogram[byte] == 0)
			continue;
		rows = (artifact->prompts + 1) * exp(1 - byte * MR_IDF_UNIT);
		reading->spread += reading->histogram[byte] * value
			/ (1 + rows * value / artifact->lambda);
	}
}

/* Steps of a quarter of a power of two, so that no distances are sorted. */
static inline int
distance_class(int32 distance)
{
	int			power;

	if (distance < 4)
		return distance;
	power = pg_leftmost_one_pos32(distance);
	return 4 * (power - 1) + ((distance >> (power - 2)) & 3);
}

/*
 * Blends in what the training prompts with the most similar expectations came
 * to: those within the distance that at least MR_NEIGHBOURS of them keep.
 */
static void
ask_neighbours(Reading *reading)
{
	const MrArtifact *artifact = reading->artifact;
	int			nmodels = artifact->nmodels;
	static uint8 classes[MR_NEIGHBOUR_ROWS_MAX];
	int32		outcome[MR_NEIGHBOUR_MODELS_MAX] = {0};
	int			limit = measure_distances(reading, classes);
	int			kept = 0;

	for (int i = 0; i < artifact->nneighbours; i++)
	{
		const int8 *row = neighbour_of(artifact, i) + nmodels;

		if (classes[i] > limit)
			continue;
		for (int m = 0; m < nmodels; m++)
			outcome[m] += row[m];
		kept++;
	}
	for (int m = 0; m < nmodels; m++)
		reading->outputs[m] += artifact->neighbour_share *
			(outcome[m] * artifact->outcome_scale / kept
			 - reading->outputs[m]);
}

/* Where the prompt is among the neighbours; used is -1 for each model, or 0. */
typedef struct Place
{
	int16		at[MR_NEIGHBOUR_MODELS_MAX];
	int16		used[MR_NEIGHBOUR_MODELS_MAX];
} Place;

static void
fill_place(const Reading *reading, Place *place)
{
	const MrArtifact *artifact = reading->artifact;

	memset(place, 0, sizeof(Place));
	for (int m = 0; m < artifact->nmodels; m++)
	{
		place->at[m] = (int16) rint(Min(Max(reading->outputs[m] /
											artifact->place_scale, -127),
										127));
		place->used[m] = -1;
	}
}

/* Inlined for constant widths, at least nmodels and at most twice that. */
static pg_attribute_always_inline void
classify_rows(const MrArtifact *artifact, const Place *place, int width,
			  uint8 *classes)
{
	for (int i = 0; i < artifact->nneighbours; i++)
	{
		const int8 *row = neighbour_of(artifact, i);
		int32		sum = 0;

		for (int m = 0; m < width; m++)
		{
			int16		step = (place->at[m] - row[m]) & place->used[m];

			sum += step * step;
		}
		classes[i] = distance_class(sum);
	}
}

/* The class of distance that holds enough neighbours. */
static int
measure_distances(const Reading *reading, uint8 *classes)
{
	const MrArtifact *artifact = reading->artifact;
	int			count = artifact->nneighbours;
	int			within[DISTANCE_CLASSES] = {0};
	int			limit = 0;
	int			kept = 0;
	Place		place;

	fill_place(reading, &place);
	if (artifact->nmodels >= MR_NEIGHBOUR_MODELS_MAX / 2)
		classify_rows(artifact, &place, MR_NEIGHBOUR_MODELS_MAX, classes);
	else if (artifact->nmodels >= MR_NEIGHBOUR_MODELS_MAX / 4)
		classify_rows(artifact, &place, MR_NEIGHBOUR_MODELS_MAX / 2, classes);
	else
		classify_rows(artifact, &place, artifact->nmodels, classes);
	for (int i = 0; i < count; i++)
		within[classes[i]]++;
	while (kept + within[limit] < Min(MR_NEIGHBOURS, count))
		kept += within[limit++];
	return limit;
}

static void
fill_learned(const Reading *reading, int model, MrLearned *learned)
{
	const MrArtifact *artifact = reading->artifact;
	const MrArtifactModel *known = &models_of(artifact)[model];
	const float *outputs = reading->outputs;
	double		around = reading->trust
		* (outputs[MR_OUTPUT_COMMON(artifact->nmodels)] + outputs[model])
		+ reading->difficulty * known->advantage;

	learned->quality = Min(Max(known->mean + artifact->slope * around, 0), 1);
	learned->mean = known->mean;
	learned->quality_stderr =
		sqrt(known->mean_stderr * known->mean_stderr
			 + known->noise / artifact->lambda * reading->spread);
	learned->output_tokens = known->tokens * reading->length;
	learned->cost_usd = known->cost_usd * reading->length;
}

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

/* The sums of one part of a prompt: words, surface signals, or task. */
typedef struct Part
{
	uint64		square;			/* of the idf bytes */
	int32		sums[MR_OUTPUTS(MR_EVALS_MODELS_MAX)];
} Part;

typedef struct Reading
{
	const MrArtifact *artifact;
	uint32		histogram[256]; /* words by idf byte */
	double		trust;
	double		spread;			/* posterior variance / prior variance */
	float		outputs[MR_OUTPUTS(MR_EVALS_MODELS_MAX)];
} Reading;

static const char *find_problem(const MrArtifact *artifact, size_t length);
static bool check_models(const MrArtifact *artifact);
static void read_outputs(Reading *reading, const MrFeatures *features);
static void add_row(const MrArtifact *artifact, uint32 bucket, Part *part);
static void add_part(Reading *reading, const Part *part, double length);
static void scale_outputs(Reading *reading);
static void judge_words(Reading *reading);
static void ask_neighbours(Reading *reading);
static int	measure_distances(const Reading *reading, int32 *distance);
static void fill_learned(const Reading *reading, const MrFeatures *features,
						 int model, MrLearned *learned);

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
	if (artifact->nneighbours > 0)
		ask_neighbours(&reading);
	for (int i = 0; i < artifact->nmodels; i++)
		fill_learned(&reading, features, i, &learned[i]);
}

/* The ridge's outputs for the prompt, and the histogram of its words. */
static void
read_outputs(Reading *reading, const MrFeatures *features)
{
	const MrArtifact *artifact = reading->artifact;
	const uint8 *rows = (const uint8 *) artifact + artifact->rows;
	int			bits = artifact->word_bits;
	size_t		sums = sizeof(int32) * MR_OUTPUTS(artifact->nmodels);
	static Part part;

	memset(reading->histogram, 0, sizeof(reading->histogram));
	memset(reading->outputs, 0,
		   sizeof(float) * MR_OUTPUTS(artifact->nmodels));
	part.square = 0;
	memset(part.sums, 0, sums);
	for (int i = 0; i < features->nwords; i++)
	{
		uint32		bucket = mr_bucket_of_word(features->words[i], bits);

		reading->histogram[rows[bucket * row_bytes(artifact)]]++;
		add_row(artifact, bucket, &part);
	}
	add_part(reading, &part, 1);

	part.square = 0;
	memset(part.sums, 0, sums);
	for (int i = 0; i < features->nsurface; i++)
		add_row(artifact, mr_bucket_of_surface(features->surface[i], bits),
				&part);
	add_part(reading, &part, MR_SURFACE_LENGTH);

	if (features->task != 0)
	{
		part.square = 0;
		memset(part.sums, 0, sums);
		add_row(artifact, mr_bucket_of_task(features->task, bits), &part);
		add_part(reading, &part, MR_TASK_LENGTH);
	}
	scale_outputs(reading);
}

static void
add_row(const MrArtifact *artifact, uint32 bucket, Part *part)
{
	const int8 *row = (const int8 *) artifact + artifact->rows
		+ bucket * row_bytes(artifact);
	int32		idf = (uint8) *row++;
	int			count = MR_OUTPUTS(artifact->nmodels);

	if (idf == 0)
		return;
	part->square += idf * idf;
	for (int k = 0; k < count; k++)
		part->sums[k] += idf * row[k];
}

static void
add_part(Reading *reading, const Part *part, double length)
{
	int			count = MR_OUTPUTS(reading->artifact->nmodels);
	float		factor = part->square == 0 ? 0
		: (float) (length / sqrt((double) part->square));

	for (int k = 0; k < count; k++)
		reading->outputs[k] += factor * part->sums[k];
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
		double		rows = (artifact->prompts + 1)
			* exp(1 - byte * MR_IDF_UNIT);

		if (reading->histogram[byte] > 0)
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
	static int32 distance[MR_NEIGHBOUR_ROWS_MAX];
	int32		outcome[MR_NEIGHBOUR_MODELS_MAX] = {0};
	int			limit = measure_distances(reading, distance);
	int			kept = 0;

	for (int i = 0; i < artifact->nneighbours; i++)
	{
		const int8 *row = neighbour_of(artifact, i) + nmodels;

		if (distance_class(distance[i]) > limit)
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

/* The class of distance that holds enough neighbours. */
static int
measure_distances(const Reading *reading, int32 *distance)
{
	const MrArtifact *artifact = reading->artifact;
	int			nmodels = artifact->nmodels;
	int			count = artifact->nneighbours;
	int32		place[MR_NEIGHBOUR_MODELS_MAX];
	int			within[DISTANCE_CLASSES] = {0};
	int			limit = 0;
	int			kept = 0;

	for (int m = 0; m < nmodels; m++)
		place[m] = (int32) rint(Min(Max(reading->outputs[m] /
										artifact->place_scale, -127), 127));
	for (int i = 0; i < count; i++)
	{
		const int8 *row = neighbour_of(artifact, i);
		int32		sum = 0;

		for (int m = 0; m < nmodels; m++)
			sum += (place[m] - row[m]) * (place[m] - row[m]);
		distance[i] = sum;
		within[distance_class(sum)]++;
	}
	while (kept + within[limit] < Min(MR_NEIGHBOURS, count))
		kept += within[limit++];
	return limit;
}

static void
fill_learned(const Reading *reading, const MrFeatures *features, int model,
			 MrLearned *learned)
{
	const MrArtifact *artifact = reading->artifact;
	const MrArtifactModel *known = &models_of(artifact)[model];
	const float *outputs = reading->outputs;
	double		length = outputs[MR_OUTPUT_LENGTH(artifact->nmodels)];
	double		difficulty = mr_hardness(features)
		* Max(artifact->beta * artifact->beta_weight,
			  MR_UNTRUSTED_BETA * (1 - reading->trust));
	double		around = reading->trust
		* (outputs[MR_OUTPUT_COMMON(artifact->nmodels)] + outputs[model])
		+ difficulty * known->advantage;

	learned->quality = Min(Max(known->mean + artifact->slope * around, 0), 1);
	learned->mean = known->mean;
	learned->quality_stderr =
		sqrt(known->mean_stderr * known->mean_stderr
			 + known->noise / artifact->lambda * reading->spread);
	learned->output_tokens = exp(known->ln_tokens + length);
	learned->cost_usd = exp(known->ln_cost + length);
}

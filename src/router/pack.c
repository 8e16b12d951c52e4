/*
 * pack.c
 *	  Packs a fit into an artifact: weights in one byte each, every output with
 *	  a scale of its own.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"

#include "router/layout.h"
#include "router/pack.h"

#define STEPS 127				/* of a signed byte */

/* Where the parts of an artifact begin. */
typedef struct Plan
{
	size_t		models;
	size_t		rows;
	size_t		neighbours;
	size_t		names;
	size_t		bytes;
	int			nneighbours;
} Plan;

static void plan_parts(const MrFit *fit, const MrRows *rows,
					   const MrValidation *validation, Plan *plan);
static void fill_head(MrArtifact *artifact, const MrFit *fit,
					  const MrRows *rows, const MrValidation *validation);
static void fill_models(MrArtifact *artifact, const MrFit *fit,
						const MrRows *rows, const MrValidation *validation);
static void fill_rows(MrArtifact *artifact, const MrFit *fit);
static void fill_neighbours(MrArtifact *artifact,
							const MrValidation *validation);
static double find_scale(const float *weights, size_t count, size_t stride);
static int8 to_byte(double value, double scale);

/* The artifact is in CurrentMemoryContext. */
void
mr_pack_artifact(const MrFit *fit, const MrRows *rows,
				 const MrValidation *validation, MrTrainResult *result)
{
	Plan		plan;
	MrArtifact *artifact;

	plan_parts(fit, rows, validation, &plan);
	artifact = palloc0(plan.bytes);
	artifact->bytes = plan.bytes;
	artifact->models = plan.models;
	artifact->rows = plan.rows;
	artifact->neighbours = plan.neighbours;
	artifact->names = plan.names;
	artifact->nneighbours = plan.nneighbours;
	fill_head(artifact, fit, rows, validation);
	fill_models(artifact, fit, rows, validation);
	fill_rows(artifact, fit);
	fill_neighbours(artifact, validation);
	result->artifact = (char *) artifact;
	result->artifact_bytes = plan.bytes;
}

static void
plan_parts(const MrFit *fit, const MrRows *rows,
		   const MrValidation *validation, Plan *plan)
{
	plan->nneighbours = validation->neighbour_share > 0
		? Min(validation->nrows, MR_NEIGHBOUR_ROWS_MAX) : 0;
	plan->models = MAXALIGN(sizeof(MrArtifact));
	plan->rows = plan->models + sizeof(MrArtifactModel) * fit->nmodels;
	plan->neighbours = plan->rows + (size_t) fit->vocabulary.nbuckets *
		(1 + MR_OUTPUTS(fit->nmodels));
	plan->names = plan->neighbours
		+ (size_t) 2 * plan->nneighbours * fit->nmodels;
	plan->bytes = plan->names;
	for (int i = 0; i < fit->nmodels; i++)
		plan->bytes += strlen(rows->evals->models[i]) + 1;
	plan->bytes = MAXALIGN(plan->bytes);
}

static void
fill_head(MrArtifact *artifact, const MrFit *fit, const MrRows *rows,
		  const MrValidation *validation)
{
	size_t		buckets = fit->vocabulary.nbuckets;

	memcpy(artifact->magic, MR_ARTIFACT_MAGIC, sizeof(artifact->magic));
	artifact->version = MR_ARTIFACT_VERSION;
	artifact->byte_order = MR_ARTIFACT_BYTE_ORDER;
	artifact->feature_version = MR_FEATURE_VERSION;
	artifact->nmodels = fit->nmodels;
	artifact->word_bits = fit->vocabulary.bits;
	artifact->prompts = rows->nrows;
	artifact->slope = validation->slope;
	artifact->margin = validation->margin;
	artifact->trusted = validation->trusted;
	artifact->pairs = fit->vocabulary.pairs;
	artifact->lambda = validation->lambda;
	artifact->beta = fit->beta;
	artifact->beta_weight = fit->beta_weight;
	artifact->typical_low = fit->typical_low;
	artifact->typical_high = fit->typical_high;
	artifact->neighbour_share = validation->neighbour_share;
	artifact->outcome_scale = 1.0 / STEPS;
	artifact->place_scale = find_scale(validation->place,
									   (size_t) validation->nrows *
									   fit->nmodels, 1);
	artifact->common_scale = find_scale(fit->common_weights, buckets, 2);
	artifact->length_scale = find_scale(fit->common_weights + 1, buckets, 2);
}

static void
fill_models(MrArtifact *artifact, const MrFit *fit, const MrRows *rows,
			const MrValidation *validation)
{
	MrArtifactModel *models = (MrArtifactModel *)
		((char *) artifact + artifact->models);
	size_t		name = artifact->names;

	for (int i = 0; i < fit->nmodels; i++)
	{
		const char *text = rows->evals->models[i];
		MrArtifactModel *model = &models[i];
		double		noise = validation->model_noise[i];

		model->name = name;
		strcpy((char *) artifact + name, text);
		name += strlen(text) + 1;
		model->prompts = fit->prompts[i];
		model->mean = fit->mean[i];
		model->mean_stderr = sqrt(noise / (fit->prompts[i] + 1.0));
		model->advantage = fit->advantage[i];
		model->noise = noise;
		model->tokens = exp(fit->ln_tokens[i]);
		model->cost_usd = exp(fit->ln_cost[i]);
		model->scale = find_scale(fit->model_weights + i,
								  fit->vocabulary.nbuckets, fit->nmodels);
	}
}

/* What one step of a signed byte is worth, so that the largest fits. */
static double
find_scale(const float *weights, size_t count, size_t stride)
{
	double		largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = Max(largest, fabs(weights[i * stride]));
	return largest > 0 ? largest / STEPS : 1;
}

static int8
to_byte(double value, double scale)
{
	return isnan(value) ? 0
		: (int8) Min(Max(rint(value / scale), -STEPS), STEPS);
}

/*
 * A weight is of a bucket's value, which is its idf: the reader multiplies
 * with the idf byte, so MR_IDF_UNIT drops out against the length.
 */
static void
fill_rows(MrArtifact *artifact, const MrFit *fit)
{
	const MrArtifactModel *models = (const MrArtifactModel *)
		((const char *) artifact + artifact->models);
	char	   *out = (char *) artifact + artifact->rows;

	for (int b = 0; b < fit->vocabulary.nbuckets; b++)
	{
		const float *weights = fit->model_weights
			+ (size_t) b * fit->nmodels;
		const float *common = fit->common_weights + (size_t) b * 2;

		*out++ = (char) fit->vocabulary.idf[b];
		for (int i = 0; i < fit->nmodels; i++)
			*out++ = to_byte(weights[i], models[i].scale);
		*out++ = to_byte(common[0], artifact->common_scale);
		*out++ = to_byte(common[1], artifact->length_scale);
	}
}

static void
fill_neighbours(MrArtifact *artifact, const MrValidation *validation)
{
	int			nmodels = artifact->nmodels;
	int8	   *out = (int8 *) artifact + artifact->neighbours;

	for (int i = 0; i < artifact->nneighbours; i++)
	{
		size_t		at = (size_t) i * nmodels;

		for (int m = 0; m < nmodels; m++)
			*out++ = to_byte(validation->place[at + m],
							 artifact->place_scale);
		for (int m = 0; m < nmodels; m++)
			*out++ = to_byte(validation->outcome[at + m],
							 artifact->outcome_scale);
	}
}

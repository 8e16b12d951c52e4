/*
 * classify.c
 *	  The kind of a prompt and the length of the reply to expect, by a linear
 *	  model over the prompt's features.
 *
 * training/ holds the prompts and the program that the model comes from.  The
 * logits become a distribution by softmax, in which DEFAULT, whose quality is
 * the mean over all kinds, stands at logit 0: it takes the share that the
 * evidence leaves open.  What the request itself says is added: tools, a schema
 * for the output, the length of the prompt, and the words it asks for.  Nothing
 * is allocated.
 */
#include "postgres.h"

#include <math.h>

#include "router/category_model.h"
#include "router/internal.h"

/* What tools and a JSON schema in the request say by themselves. */
#define TOOLS_SHARE			0.9 /* of tool use */
#define SCHEMA_SHARE		0.3 /* of extraction */

/*
 * Bytes at which a prompt is as likely long context as anything else; the share
 * is n^2 / (n^2 + 1) at n times as many.
 */
#define LONG_CONTEXT_BYTES	24000.0

#define BATCH				512 /* words whose weights add up to 16 bits */

#define NEGLIGIBLE			0.02	/* probabilities below are dropped */

/* Bounds of the expected output tokens. */
#define LEAST_TOKENS		2.0
#define MOST_TOKENS			8000.0

static double expect_tokens(double ln_tokens, uint32 asked_words);
static void declare_category(MrCategory category, MrPromptFeatures *features);
static void score_outputs(const MrFeatures *reading, double *score);
static void sum_words(const MrFeatures *reading, int32 *sum);
static void sum_surface(const MrFeatures *reading, int32 *sum);
static void softmax(const double *logit, double *probability);
static void weigh_request(const MrRequest *request, size_t bytes,
						  double *probability);
static void give_share(MrCategory category, double share,
					   double *probability);
static void drop_negligible(double *probability);
static MrCategory most_probable(const double *probability);

/*
 * Fill category, probability and output_tokens of the features, whose reading
 * is there.  A category that the request declares is certain; a prompt without
 * a word or sign is DEFAULT.
 */
void
mr_classify(const MrRequest *request, MrPromptFeatures *features)
{
	const MrFeatures *reading = features->reading;
	double		score[MR_CATEGORY_OUTPUTS];
	double		logit[MR_CATEGORIES];

	features->output_tokens = 0;
	if (request->category != MR_CATEGORY_DEFAULT || reading->nwords == 0)
	{
		declare_category(request->category, features);
		return;
	}
	score_outputs(reading, score);
	for (int i = 0; i < MR_CATEGORIES; i++)
		logit[i] = -INFINITY;
	logit[MR_CATEGORY_DEFAULT] = 0;
	for (int i = 0; i < MR_CATEGORY_TOKENS; i++)
		logit[mr_category_outputs[i].category] = score[i];
	softmax(logit, features->probability);
	weigh_request(request, reading->bytes, features->probability);
	drop_negligible(features->probability);
	features->category = most_probable(features->probability);

	/* with tools the reply is a call of one, of which the text says nothing */
	if (request->tools_json == NULL)
		features->output_tokens = expect_tokens(score[MR_CATEGORY_TOKENS],
												reading->asked_words);
}

static double
expect_tokens(double ln_tokens, uint32 asked_words)
{
	if (asked_words >= MR_CATEGORY_ASKED_LEAST)
		ln_tokens += MR_CATEGORY_ASKED_SHARE
			* (log(MR_CATEGORY_TOKENS_PER_WORD * asked_words) - ln_tokens);
	return Min(Max(exp(ln_tokens), LEAST_TOKENS), MOST_TOKENS);
}

static void
declare_category(MrCategory category, MrPromptFeatures *features)
{
	memset(features->probability, 0, sizeof(features->probability));
	features->probability[category] = 1;
	features->category = category;
}

static void
score_outputs(const MrFeatures *reading, double *score)
{
	int32		words[MR_CATEGORY_OUTPUTS];
	int32		surface[MR_CATEGORY_OUTPUTS];
	double		norm = sqrt((double) reading->nwords);

	sum_words(reading, words);
	sum_surface(reading, surface);
	for (int i = 0; i < MR_CATEGORY_OUTPUTS; i++)
	{
		const MrCategoryOutput *output = &mr_category_outputs[i];

		score[i] = output->bias + output->word_scale * words[i] / norm
			+ output->surface_scale * surface[i];
	}
}

/*
 * All lanes are summed, also those beyond the outputs, in types that let the
 * compiler do so at once; in batches whose sums fit.
 */
static void
sum_words(const MrFeatures *reading, int32 *sum)
{
	memset(sum, 0, MR_CATEGORY_OUTPUTS * sizeof(int32));
	for (int start = 0; start < reading->nwords; start += BATCH)
	{
		int			end = Min(start + BATCH, reading->nwords);
		uint16		total[MR_CATEGORY_LANES] = {0};

		for (int i = start; i < end; i++)
		{
			const char *weights = mr_category_words
				+ MR_CATEGORY_OUTPUTS * mr_category_bucket(reading->words[i]);

			for (int k = 0; k < MR_CATEGORY_LANES; k++)
				total[k] += (uint8) weights[k];
		}
		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			sum[k] += total[k] - (end - start) * MR_CATEGORY_ZERO;
	}
}

static void
sum_surface(const MrFeatures *reading, int32 *sum)
{
	for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
		sum[k] = 0;
	for (int i = 0; i < reading->nsurface; i++)
	{
		const char *weights = mr_category_surface[reading->surface[i]];

		if (weights[0] == '\0')
			continue;
		for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
			sum[k] += weights[k] - MR_CATEGORY_ZERO;
	}
}

static void
softmax(const double *logit, double *probability)
{
	double		most = 0;
	double		sum = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
		most = Max(most, logit[i]);
	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		probability[i] = exp(logit[i] - most);
		sum += probability[i];
	}
	for (int i = 0; i < MR_CATEGORIES; i++)
		probability[i] /= sum;
}

/*
 * What the request itself says takes a share from all that the text says.
 */
static void
weigh_request(const MrRequest *request, size_t bytes, double *probability)
{
	double		times = bytes / LONG_CONTEXT_BYTES;

	if (request->tools_json != NULL)
		give_share(MR_CATEGORY_TOOL_USE, TOOLS_SHARE, probability);
	if (request->capabilities & MR_CAPABILITY_JSON_SCHEMA)
		give_share(MR_CATEGORY_EXTRACTION_SUMMARIZATION, SCHEMA_SHARE,
				   probability);
	give_share(MR_CATEGORY_LONG_CONTEXT, times * times / (times * times + 1),
			   probability);
}

static void
give_share(MrCategory category, double share, double *probability)
{
	for (int i = 0; i < MR_CATEGORIES; i++)
		probability[i] *= 1 - share;
	probability[category] += share;
}

/*
 * Few categories make every prediction cheaper and change none.
 */
static void
drop_negligible(double *probability)
{
	double		kept = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (probability[i] < NEGLIGIBLE)
			probability[i] = 0;
		kept += probability[i];
	}
	for (int i = 0; i < MR_CATEGORIES; i++)
		probability[i] /= kept;
}

static MrCategory
most_probable(const double *probability)
{
	int			best = 0;

	for (int i = 1; i < MR_CATEGORIES; i++)
		if (probability[i] > probability[best])
			best = i;
	return best;
}

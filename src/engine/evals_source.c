/*
 * evals_source.c
 *	  Evals from a query, and what the catalog knows of their models.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/float.h"

#include "engine/evals_source.h"
#include "router/train_reader.h"

#define PRICE_UNIT		1e12	/* micro-USD per million tokens in a USD */

/* What adds rows to the evals. */
typedef struct Gathering
{
	const MrEvalsSource *source;
	MrEvalsBuilder *builder;
} Gathering;

static const char *add_row(void *arg, const MrEvalRow *row);
static void note_row(void *arg, int64 rows_read);
static void fill_prior(MrModelPrior *prior, const MrEndpoint *endpoint);
static bool is_cheaper(const MrEndpoint *endpoint, const MrEndpoint *other);
static bool has_prices(const MrEndpoint *endpoint);

/*
 * In CurrentMemoryContext, within maintenance_work_mem whatever the query
 * gives.  Raises what mr_evals_read does.
 */
MrEvals *
mr_evals_gather(MrEvalsSource *source)
{
	Size		bytes = Max((Size) maintenance_work_mem * 1024,
							MR_EVALS_MIN_BYTES);
	Gathering	gathering = {
		.source = source,
		.builder = mr_evals_begin(CurrentMemoryContext, bytes)
	};
	MrEvalsReader reader = {
		.prompts_only = source->prompts_only,
		.add = add_row,
		.progress = note_row,
		.arg = &gathering
	};

	mr_evals_read(source->query, &reader);
	source->rows_read = reader.rows_read;
	source->rows_skipped = reader.rows_skipped;
	return mr_evals_end(gathering.builder);
}

static const char *
add_row(void *arg, const MrEvalRow *row)
{
	return mr_evals_add(((Gathering *) arg)->builder, row);
}

static void
note_row(void *arg, int64 rows_read)
{
	const MrEvalsSource *source = ((Gathering *) arg)->source;

	if (source->progress != NULL)
		source->progress(source->progress_arg, rows_read);
}

/* What the catalog knows of each model of the evals. */
MrModelPrior *
mr_evals_priors(const MrEvals *evals)
{
	const MrCatalog *catalog = mr_catalog_get();
	MrModelPrior *priors = palloc(Max(evals->nmodels, 1) * sizeof(*priors));

	for (int i = 0; i < evals->nmodels; i++)
		fill_prior(&priors[i], mr_catalog_cheapest(catalog,
												   evals->models[i]));
	return priors;
}

static void
fill_prior(MrModelPrior *prior, const MrEndpoint *endpoint)
{
	prior->quality = get_float8_nan();
	prior->input_price = get_float8_nan();
	prior->output_price = get_float8_nan();
	if (endpoint == NULL)
		return;
	prior->quality = endpoint->quality[MR_CATEGORY_DEFAULT];
	if (has_prices(endpoint))
	{
		prior->input_price = endpoint->price.input / PRICE_UNIT;
		prior->output_price = endpoint->price.output / PRICE_UNIT;
	}
}

const MrEndpoint *
mr_catalog_cheapest(const MrCatalog *catalog, const char *model)
{
	const MrEndpoint *found = NULL;

	for (int i = 0; i < catalog->nendpoints; i++)
	{
		const MrEndpoint *endpoint = &catalog->endpoints[i];

		if (strcmp(endpoint->model, model) == 0 &&
			(found == NULL || is_cheaper(endpoint, found)))
			found = endpoint;
	}
	return found;
}

static bool
is_cheaper(const MrEndpoint *endpoint, const MrEndpoint *other)
{
	if (!has_prices(endpoint))
		return false;
	return !has_prices(other) ||
		endpoint->price.input + endpoint->price.output <
		other->price.input + other->price.output;
}

static bool
has_prices(const MrEndpoint *endpoint)
{
	return endpoint->has_price && endpoint->price.input != MR_PRICE_UNKNOWN &&
		endpoint->price.output != MR_PRICE_UNKNOWN;
}

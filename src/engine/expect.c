/*
 * expect.c
 *	  What a router expects of models, without selecting one.
 */
#include "postgres.h"

#include <math.h>

#include "engine/binding.h"
#include "engine/decide.h"
#include "engine/expect.h"

static MrExpected *expect_learned(const MrBinding *binding,
								  const MrFeatures *features, int *count);
static MrExpected *expect_priors(const MrRequest *request,
								 const MrCatalog *catalog,
								 const MrPromptFeatures *features,
								 int *count);

MrExpected *
mr_expect(const MrRequest *request, int *count)
{
	MrCatalog  *catalog = mr_catalog_get();
	const MrBinding *binding;
	MrPromptFeatures features;

	mr_catalog_pin(catalog, CurrentMemoryContext);
	binding = mr_binding_require(request->router, catalog);
	mr_router_read_prompt(request, &features);
	return binding->artifact != NULL
		? expect_learned(binding, features.reading, count)
		: expect_priors(request, catalog, &features, count);
}

static MrExpected *
expect_learned(const MrBinding *binding, const MrFeatures *features,
			   int *count)
{
	const MrLearned *learned = mr_binding_learn(binding, features);
	MrExpected *expected;

	*count = mr_artifact_nmodels(binding->artifact);
	expected = palloc(sizeof(MrExpected) * *count);
	for (int i = 0; i < *count; i++)
	{
		expected[i].model = pstrdup(mr_artifact_model(binding->artifact, i));
		expected[i].quality = learned[i].quality;
		expected[i].quality_stderr = learned[i].quality_stderr;
	}
	return expected;
}

/* Endpoints are ordered by model: the first of each stands for it. */
static MrExpected *
expect_priors(const MrRequest *request, const MrCatalog *catalog,
			  const MrPromptFeatures *features, int *count)
{
	MrExpected *expected = palloc(sizeof(MrExpected) *
								  Max(catalog->nendpoints, 1));
	MrBasis		basis = {0};

	*count = 0;
	for (int i = 0; i < catalog->nendpoints; i++)
	{
		const MrEndpoint *endpoint = &catalog->endpoints[i];
		MrCandidate candidate = {.endpoint = endpoint};

		if (!(endpoint->capabilities & MR_CAPABILITY_CHAT) ||
			(*count > 0 &&
			 strcmp(expected[*count - 1].model, endpoint->model) == 0))
			continue;
		mr_router_expect(request, features, &basis, &candidate, 1);
		if (isnan(candidate.quality))
			continue;
		expected[*count].model = endpoint->model;
		expected[*count].quality = candidate.quality;
		expected[(*count)++].quality_stderr = candidate.quality_stderr;
	}
	return expected;
}

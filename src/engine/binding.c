/*
 * binding.c
 *	  Ties a router to the catalog, and remembers the last tie of this process.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#include "base/request.h"
#include "catalog/router_store.h"
#include "engine/binding.h"
#include "router/evals.h"

/* The scale of priors against that of a router that knows no common model. */
#define UNTIED_STDERR	0.15
#define TIED_STDERR_MIN	0.05

static const MrBinding default_binding = {
	.name = MR_ROUTER_DEFAULT,
	.basis = {.margin = NAN, .trusted = true}
};

static MrBinding bound;
static MemoryContext bound_context;
static MrRouterBlob *bound_blob;
static uint64 bound_generation;

static void bind_router(MrRouterBlob *blob, const MrCatalog *catalog);
static void tie_priors(MrBinding *binding, const MrCatalog *catalog);

/*
 * The router of that name for a catalog; NULL when there is none.  Valid until
 * the next call, and as long as no invalidation is processed.
 */
const MrBinding *
mr_binding_get(const char *router, const MrCatalog *catalog)
{
	MrRouterBlob *blob;

	if (strcmp(router, MR_ROUTER_DEFAULT) == 0)
		return &default_binding;
	blob = mr_router_get(router);
	if (blob == NULL)
		return NULL;
	if (bound_blob != blob || bound_generation != catalog->generation)
		bind_router(blob, catalog);
	return &bound;
}

/* The same; raises 42704 when there is none. */
const MrBinding *
mr_binding_require(const char *router, const MrCatalog *catalog)
{
	const MrBinding *binding = mr_binding_get(router, catalog);

	if (binding == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("router \"%s\" does not exist", router),
				 errhint("View modelroute.router_list has the trained ones; \"%s\" is built in.",
						 MR_ROUTER_DEFAULT)));
	return binding;
}

/* What the router has learned, for each of its models; until the next call. */
const MrLearned *
mr_binding_learn(const MrBinding *binding, const MrFeatures *features)
{
	static MrLearned learned[MR_EVALS_MODELS_MAX];

	if (binding->artifact != NULL)
		mr_artifact_predict(binding->artifact, features, learned);
	return learned;
}

/*
 * The router is kept while it is bound, so that its address is its identity;
 * that of its bytes is not, for routers with the same ones share them.
 */
static void
bind_router(MrRouterBlob *blob, const MrCatalog *catalog)
{
	MrBinding	binding = {0};
	MemoryContext saved;
	int		   *column;

	bound_blob = NULL;
	if (bound_context == NULL)
		bound_context = AllocSetContextCreate(TopMemoryContext,
											  "modelroute router",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(bound_context);
	mr_router_pin(blob, bound_context);
	saved = MemoryContextSwitchTo(bound_context);
	binding.name = psprintf("%s:%d", blob->name, blob->version);
	binding.artifact = (const MrArtifact *) blob->bytes;
	column = palloc(sizeof(int) * Max(catalog->nendpoints, 1));
	for (int i = 0; i < catalog->nendpoints; i++)
		column[i] = mr_binding_column(binding.artifact,
									  catalog->endpoints[i].model);
	binding.column = column;
	tie_priors(&binding, catalog);
	MemoryContextSwitchTo(saved);

	bound = binding;
	bound_generation = catalog->generation;
	bound_blob = blob;
}

/* The artifact's models are in byte order; -1 = it has not seen this one. */
int
mr_binding_column(const MrArtifact *artifact, const char *model)
{
	int			low = 0;
	int			high = mr_artifact_nmodels(artifact);

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(mr_artifact_model(artifact, middle),
								   model);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/*
 * Priors and scores are on scales of their own.  Models with both tell how far
 * apart these are: the mean of score - prior, and its standard deviation as
 * the error of a score guessed from a prior.
 */
static void
tie_priors(MrBinding *binding, const MrCatalog *catalog)
{
	MrBasis    *basis = &binding->basis;
	double		sum = 0;
	double		square = 0;
	int			count = 0;

	for (int i = 0; i < catalog->nendpoints; i++)
	{
		double		prior = catalog->endpoints[i].quality[MR_CATEGORY_DEFAULT];
		double		difference;

		if (binding->column[i] < 0 || isnan(prior))
			continue;
		difference = mr_artifact_mean(binding->artifact, binding->column[i])
			- prior;
		sum += difference;
		square += difference * difference;
		count++;
	}
	basis->margin = mr_artifact_margin(binding->artifact);
	basis->trusted = mr_artifact_trusted(binding->artifact);
	basis->prior_shift = count > 0 ? sum / count : 0;
	basis->prior_stderr = count < 2 ? UNTIED_STDERR
		: Max(sqrt(Max(square / count - basis->prior_shift *
					   basis->prior_shift, 0)), TIED_STDERR_MIN);
}

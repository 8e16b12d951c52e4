/*
 * decide.c
 *	  From a request to a decision: which endpoints are candidates, what the
 *	  catalog, permissions and settings rule out, and the errors when nothing
 *	  is left.
 *
 * What rules out an endpoint whatever the request asks is remembered per
 * process until the catalog, the role or the allowed hosts change.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "engine/binding.h"
#include "engine/decide.h"
#include "engine/health.h"
#include "http/http.h"
#include "provider/provider.h"

/* What rules out each endpoint of one catalog for one role. */
typedef struct Standing
{
	const MrCatalog *catalog;
	uint64		generation;
	uint64		hosts_generation;
	Oid			role;
	int			nendpoints;
	MrExclusion *excluded_by;	/* in TopMemoryContext */
} Standing;

static Standing standing;

static const Standing *get_standing(const MrCatalog *catalog);
static MrExclusion judge_endpoint(const MrCatalog *catalog, int index);
static void check_pair(const MrRequest *request, const MrCatalog *catalog);
static void learn(const MrDecision *decision, const MrBinding *binding);
static int	collect_auto(const Standing *judged, MrCandidate *candidates);
static int	collect_named(const Standing *judged, const char *name,
						  MrCandidate *candidates);
static int	collect_qualified(const Standing *judged, const char *name,
							  MrCandidate *candidates);
static void add_candidate(const Standing *judged, int index,
						  MrCandidate *candidate);

/*
 * Decide without network.  The decision is in CurrentMemoryContext and points
 * to request.  It may have no candidate (an unknown model, an empty catalog),
 * or none that can serve: mr_decision_require raises then.
 */
MrDecision *
mr_decide(const MrRequest *request)
{
	MrDecision *decision = palloc(sizeof(MrDecision));
	MrCatalog  *catalog = mr_catalog_get();
	const MrBinding *binding;
	const Standing *judged;

	mr_catalog_pin(catalog, CurrentMemoryContext);
	judged = get_standing(catalog);
	decision->request = request;
	decision->catalog = catalog;
	binding = mr_binding_require(request->router, catalog);
	decision->router_name = pstrdup(binding->name);
	check_pair(request, catalog);
	decision->candidates =
		palloc(sizeof(MrCandidate) * Max(catalog->nendpoints, 1));
	if (strcmp(request->model, "auto") == 0)
		decision->ncandidates = collect_auto(judged, decision->candidates);
	else
		decision->ncandidates = collect_named(judged, request->model,
											  decision->candidates);
	mr_router_read_prompt(request, &decision->features);
	learn(decision, binding);
	decision->nchosen = mr_router_decide(request, &decision->features,
										 &binding->basis,
										 decision->candidates,
										 decision->ncandidates);
	return decision;
}

/*
 * The full name of the router that the request asks for, as audit.router has
 * it, in CurrentMemoryContext.  When there is none it is NULL, or raises 42704.
 */
const char *
mr_decision_router(const MrRequest *request, bool missing_ok)
{
	const MrBinding *binding = missing_ok
		? mr_binding_get(request->router, mr_catalog_get())
		: mr_binding_require(request->router, mr_catalog_get());

	return binding ? pstrdup(binding->name) : NULL;
}

/* Options strong and weak name models of the catalog. */
static void
check_pair(const MrRequest *request, const MrCatalog *catalog)
{
	const char *const names[] = {request->strong, request->weak};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		bool		found = names[i] == NULL;

		for (int j = 0; j < catalog->nendpoints && !found; j++)
			found = strcmp(catalog->endpoints[j].model, names[i]) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("model \"%s\" does not exist", names[i]),
					 errdetail("Option %s names it.",
							   i == 0 ? "strong" : "weak"),
					 errhint("Table modelroute.model has the models.")));
	}
	if (names[0] != NULL && names[1] != NULL &&
		strcmp(names[0], names[1]) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options strong and weak name the same model"),
				 errhint("Name two models, or leave one out.")));
}

/* What the router expects of its models, for the candidates they serve. */
static void
learn(const MrDecision *decision, const MrBinding *binding)
{
	const MrLearned *learned = mr_binding_learn(binding,
												decision->features.reading);

	for (int i = 0; i < decision->ncandidates; i++)
	{
		MrCandidate *candidate = &decision->candidates[i];
		int			column = binding->artifact == NULL ? -1
			: binding->column[candidate->endpoint -
						  decision->catalog->endpoints];

		candidate->learned = column < 0 ? NULL : &learned[column];
	}
}

static int
collect_auto(const Standing *judged, MrCandidate *candidates)
{
	int			count = 0;

	for (int i = 0; i < judged->nendpoints; i++)
		if (judged->catalog->endpoints[i].capabilities & MR_CAPABILITY_CHAT)
			add_candidate(judged, i, &candidates[count++]);
	return count;
}

/*
 * A model's name may hold a slash, so that a whole name goes before
 * provider/model.
 */
static int
collect_named(const Standing *judged, const char *name,
			  MrCandidate *candidates)
{
	int			count = 0;

	for (int i = 0; i < judged->nendpoints; i++)
		if (strcmp(judged->catalog->endpoints[i].model, name) == 0)
			add_candidate(judged, i, &candidates[count++]);
	return count > 0 ? count : collect_qualified(judged, name, candidates);
}

static int
collect_qualified(const Standing *judged, const char *name,
				  MrCandidate *candidates)
{
	int			count = 0;

	for (int i = 0; i < judged->nendpoints; i++)
	{
		const MrEndpoint *endpoint = &judged->catalog->endpoints[i];
		size_t		length = strlen(endpoint->provider);

		if (strncmp(name, endpoint->provider, length) == 0 &&
			name[length] == '/' &&
			strcmp(name + length + 1, endpoint->model) == 0)
			add_candidate(judged, i, &candidates[count++]);
	}
	return count;
}

static void
add_candidate(const Standing *judged, int index, MrCandidate *candidate)
{
	const MrEndpoint *endpoint = &judged->catalog->endpoints[index];

	candidate->endpoint = endpoint;
	candidate->excluded_by = judged->excluded_by[index];
	candidate->excluded_detail = NULL;
	candidate->reason = NULL;
	mr_health_read(endpoint->key, &candidate->observed);
}

/*
 * What rules out each endpoint of the catalog, whatever the request; valid
 * until the next call.
 */
static const Standing *
get_standing(const MrCatalog *catalog)
{
	if (likely(standing.excluded_by != NULL &&
			   standing.catalog == catalog &&
			   standing.generation == catalog->generation &&
			   standing.hosts_generation == mr_guc_allowed_hosts_generation &&
			   standing.role == GetUserId()))
		return &standing;

	if (standing.excluded_by != NULL)
		pfree(standing.excluded_by);
	standing.excluded_by = NULL;
	standing.catalog = NULL;
	standing.excluded_by =
		MemoryContextAlloc(TopMemoryContext, sizeof(MrExclusion) *
						   Max(catalog->nendpoints, 1));
	for (int i = 0; i < catalog->nendpoints; i++)
		standing.excluded_by[i] = judge_endpoint(catalog, i);
	standing.catalog = catalog;
	standing.nendpoints = catalog->nendpoints;
	standing.generation = catalog->generation;
	standing.hosts_generation = mr_guc_allowed_hosts_generation;
	standing.role = GetUserId();
	return &standing;
}

static MrExclusion
judge_endpoint(const MrCatalog *catalog, int index)
{
	const MrEndpoint *endpoint = &catalog->endpoints[index];
	const char *problem = NULL;

	if (!catalog->granted[index])
		return MR_EXCLUSION_NOT_GRANTED;
	if (!endpoint->enabled)
		return MR_EXCLUSION_DISABLED;
	if (endpoint->retired)
		return MR_EXCLUSION_RETIRED;
	if (mr_dialect_find(endpoint->api) == NULL)
		return MR_EXCLUSION_API;
	if (endpoint->needs_credential && !endpoint->has_credential)
		return MR_EXCLUSION_NO_CREDENTIAL;
	if (!mr_http_url_allowed(endpoint->base_url, &problem))
		return MR_EXCLUSION_HOST;
	return MR_EXCLUSION_NONE;
}

/*
 * decision_json.c
 *	  Writes decisions as audit.decision keeps them, reads them again, and
 *	  decides anew among the candidates that were kept.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "lib/stringinfo.h"
#include "utils/float.h"

#include "engine/decision_json.h"

#define AUTO "auto"

#define CANDIDATES_KEPT 8

#define PICO_PER_USD 1e12
#define COST_MAX_USD 9e6		/* so that it fits an int64 in pico-USD */

/* For a record without one: slower than anything. */
#define LATENCY_MISSING_MS 1e9

static void append_number(StringInfo out, const char *name, double value);
static void append_candidate(StringInfo out, const MrCandidate *candidate);
static void append_needs(StringInfo out, const MrRequest *request);
static void append_exclusions(StringInfo out, const MrDecision *decision);
static bool read_candidate(const MrJson *node, const MrDecision *decision,
						   MrCandidate *candidate);
static bool is_asked(const char *asked, const char *model,
					 const char *provider);
static const MrEndpoint *find_endpoint(const MrCatalog *catalog,
									   const char *model,
									   const char *provider);
static int	compare_names(const void *a, const void *b);

const char *
mr_decision_write(const MrDecision *decision)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"considered\":%d,\"candidates\":[",
					 decision->ncandidates);
	for (int i = 0; i < Min(decision->nchosen, CANDIDATES_KEPT); i++)
	{
		if (i > 0)
			appendStringInfoChar(&out, ',');
		append_candidate(&out, &decision->candidates[i]);
	}
	appendStringInfoChar(&out, ']');
	append_needs(&out, decision->request);
	if (decision->nchosen < decision->ncandidates)
		append_exclusions(&out, decision);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
append_candidate(StringInfo out, const MrCandidate *candidate)
{
	appendStringInfo(out, "{\"rank\":%d,\"model\":", candidate->rank);
	mr_json_append_string(out, candidate->endpoint->model);
	appendStringInfoString(out, ",\"provider\":");
	mr_json_append_string(out, candidate->endpoint->provider);
	append_number(out, "quality", candidate->quality);
	if (candidate->cost_picousd != MR_COST_UNKNOWN)
		append_number(out, "cost", mr_cost_usd(candidate->cost_picousd));
	append_number(out, "latency_ms", candidate->latency_ms);
	append_number(out, "utility", candidate->utility);
	appendStringInfoChar(out, '}');
}

static void
append_number(StringInfo out, const char *name, double value)
{
	if (!isnan(value) && !isinf(value))
		appendStringInfo(out, ",\"%s\":%.6g", name, value);
}

/* What the content alone does not tell. */
static void
append_needs(StringInfo out, const MrRequest *request)
{
	const char *separator = "";

	if (strcmp(request->model, AUTO) != 0)
	{
		appendStringInfoString(out, ",\"model\":");
		mr_json_append_string(out, request->model);
	}
	if (request->messages_json != NULL)
		appendStringInfo(out, ",\"messages\":%d", request->nmessages);
	if (request->max_tokens > 0)
		appendStringInfo(out, ",\"max_tokens\":%d", request->max_tokens);
	if (request->capabilities == 0)
		return;
	appendStringInfoString(out, ",\"capabilities\":[");
	for (uint32 left = request->capabilities; left != 0; left &= left - 1)
	{
		appendStringInfo(out, "%s\"%s\"", separator,
						 mr_capability_name(left & -left));
		separator = ",";
	}
	appendStringInfoChar(out, ']');
}

static void
append_exclusions(StringInfo out, const MrDecision *decision)
{
	int			counts[MR_EXCLUSION_FALLBACK + 1] = {0};
	const char *separator = "";

	for (int i = decision->nchosen; i < decision->ncandidates; i++)
		counts[decision->candidates[i].excluded_by]++;
	appendStringInfoString(out, ",\"excluded\":{");
	for (int i = 1; i <= MR_EXCLUSION_FALLBACK; i++)
	{
		if (counts[i] == 0)
			continue;
		appendStringInfo(out, "%s\"%s\":%d", separator,
						 mr_exclusion_name(i), counts[i]);
		separator = ",";
	}
	appendStringInfoChar(out, '}');
}

const MrJson *
mr_decision_read(const char *json, size_t bytes)
{
	const char *problem;
	const MrJson *past = mr_json_parse(json, bytes, &problem);

	return mr_json_is_array(mr_json_member(past, "candidates")) ? past : NULL;
}

/* Whether what was asked were messages, not a prompt. */
bool
mr_decision_had_messages(const MrJson *past)
{
	return mr_json_member(past, "messages") != NULL;
}

/* Adds what the call needed to what the request needs. */
void
mr_decision_restore_needs(const MrJson *past, MrRequest *request)
{
	const MrJson *word =
		mr_json_first(mr_json_member(past, "capabilities"));
	int64		max_tokens;

	for (; word != NULL; word = mr_json_next(word))
	{
		const char *name = mr_json_string(word);
		MrCapability capability;

		if (name != NULL && mr_capability_parse(name, &capability))
			request->capabilities |= capability;
	}
	if (request->max_tokens == 0 &&
		mr_json_get_int64(past, "max_tokens", &max_tokens) &&
		max_tokens > 0 && max_tokens <= INT_MAX)
		request->max_tokens = (int) max_tokens;
}

/*
 * Whether the candidates that were kept are those among which the request
 * chooses: not where the call asked for one model and the request does not.
 */
bool
mr_decision_covers(const MrJson *past, const MrRequest *request)
{
	const char *asked = mr_json_get_string(past, "model");

	return asked == NULL || strcmp(asked, request->model) == 0;
}

/*
 * Decides among the candidates that were kept, by what was expected of them
 * then: the content is not needed.  The decision is as mr_decide's, without
 * features.
 */
MrDecision *
mr_decide_anew(const MrRequest *request, const MrJson *past)
{
	MrDecision *decision = palloc0(sizeof(MrDecision));
	const MrJson *first = mr_json_first(mr_json_member(past, "candidates"));
	int			count = 0;

	for (const MrJson *node = first; node != NULL; node = mr_json_next(node))
		count++;
	decision->request = request;
	decision->router_name = mr_decision_router(request, false);
	decision->catalog = mr_catalog_get();
	mr_catalog_pin(decision->catalog, CurrentMemoryContext);
	decision->candidates = palloc0(sizeof(MrCandidate) * Max(count, 1));
	for (const MrJson *node = first; node != NULL; node = mr_json_next(node))
		if (read_candidate(node, decision,
						   &decision->candidates[decision->ncandidates]))
			decision->ncandidates++;
	qsort(decision->candidates, decision->ncandidates, sizeof(MrCandidate),
		  compare_names);
	decision->nchosen = mr_router_reorder(request, decision->candidates,
										  decision->ncandidates);
	return decision;
}

static bool
read_candidate(const MrJson *node, const MrDecision *decision,
			   MrCandidate *candidate)
{
	const char *model = mr_json_get_string(node, "model");
	const char *provider = mr_json_get_string(node, "provider");
	double		cost_usd;

	if (model == NULL || provider == NULL ||
		!is_asked(decision->request->model, model, provider))
		return false;
	candidate->endpoint = find_endpoint(decision->catalog, model,
										provider);
	candidate->quality_stderr = get_float8_nan();
	candidate->worst_cost_picousd = MR_COST_UNKNOWN;
	if (!mr_json_get_double(node, "quality", &candidate->quality))
		candidate->quality = get_float8_nan();
	if (!mr_json_get_double(node, "latency_ms", &candidate->latency_ms))
		candidate->latency_ms = LATENCY_MISSING_MS;
	candidate->cost_picousd = MR_COST_UNKNOWN;
	if (mr_json_get_double(node, "cost", &cost_usd) &&
		cost_usd >= 0 && cost_usd < COST_MAX_USD)
		candidate->cost_picousd = (int64) rint(cost_usd * PICO_PER_USD);
	return true;
}

/* By auto, by the model's name, or by provider/model. */
static bool
is_asked(const char *asked, const char *model, const char *provider)
{
	size_t		bytes = strlen(provider);

	return strcmp(asked, AUTO) == 0 || strcmp(asked, model) == 0 ||
		(strncmp(asked, provider, bytes) == 0 && asked[bytes] == '/' &&
		 strcmp(asked + bytes + 1, model) == 0);
}

/* The catalog's; or of one that is gone, its names, able to do anything. */
static const MrEndpoint *
find_endpoint(const MrCatalog *catalog, const char *model,
			  const char *provider)
{
	MrEndpoint *gone;

	for (int i = 0; i < catalog->nendpoints; i++)
		if (strcmp(catalog->endpoints[i].model, model) == 0 &&
			strcmp(catalog->endpoints[i].provider, provider) == 0)
			return &catalog->endpoints[i];
	gone = palloc0(sizeof(MrEndpoint));
	gone->model = model;
	gone->provider = provider;
	gone->capabilities = PG_UINT32_MAX;
	return gone;
}

/* The catalog's order: ties go by it. */
static int
compare_names(const void *a, const void *b)
{
	const MrEndpoint *x = ((const MrCandidate *) a)->endpoint;
	const MrEndpoint *y = ((const MrCandidate *) b)->endpoint;
	int			order = strcmp(x->model, y->model);

	return order != 0 ? order : strcmp(x->provider, y->provider);
}

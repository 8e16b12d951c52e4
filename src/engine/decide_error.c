/*
 * decide_error.c
 *	  The errors of a decision that has nothing to offer: which, why for each
 *	  endpoint, and what to type.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/varlena.h"

#include "base/text.h"
#include "engine/decide.h"

/* Exclusions listed one by one; more are grouped by kind. */
#define MAX_LISTED			10
#define MAX_NAMES_A_GROUP	3
#define MAX_SUGGESTIONS		3

/* A name that needs more edits than half its length is no suggestion. */
#define MAX_NAME_BYTES		255 /* as varstr_levenshtein takes */

/* What to type against each exclusion. */
static const struct
{
	bool		by_request;		/* the request itself leaves it out */
	const char *hint;
}			remedies[] = {
	[MR_EXCLUSION_DISABLED] = {false,
	"Set enabled to true in modelroute.provider, model or endpoint."},
	[MR_EXCLUSION_RETIRED] = {false,
	"The provider has retired the model; see endpoint.replacement for its successor."},
	[MR_EXCLUSION_NOT_GRANTED] = {false,
	"Ask an administrator for SELECT modelroute.grant_model('<model>', '<role>')."},
	[MR_EXCLUSION_NO_CREDENTIAL] = {false,
	"Give a key with SELECT modelroute.set_credential('<provider>', '{\"env\": \"<VARIABLE>\"}')."},
	[MR_EXCLUSION_HOST] = {false,
	"A superuser can add the provider's host to setting modelroute.allowed_hosts."},
	[MR_EXCLUSION_API] = {false,
	"Set api in modelroute.provider to a dialect that modelroute speaks."},
	[MR_EXCLUSION_MODELS] = {true,
	"Widen option \"models\"; its patterns match a model or provider/model."},
	[MR_EXCLUSION_EXCLUDE] = {true, "Narrow option \"exclude\"."},
	[MR_EXCLUSION_PROVIDER] = {true,
	"Relax \"only\" or \"ignore\" in option \"provider\"."},
	[MR_EXCLUSION_MAX_PRICE] = {false,
	"Raise \"max_price\" in option \"provider\"."},
	[MR_EXCLUSION_CAPABILITY] = {false,
		"Choose a model with the capability, or drop what needs it: tools, "
	"response_format, images, or option \"capabilities\"."},
	[MR_EXCLUSION_CONTEXT] = {false,
	"Shorten the prompt, lower option \"max_tokens\", or add a model with a larger context window."},
	[MR_EXCLUSION_MAX_OUTPUT] = {false, "Lower option \"max_tokens\"."},
	[MR_EXCLUSION_MAX_COST] = {false,
	"Raise option \"max_cost\", or lower the worst case with option \"max_tokens\"."},
	[MR_EXCLUSION_PRICE_UNKNOWN] = {false,
	"Add the model's price with modelroute.add_model(), or drop option \"max_cost\"."},
	[MR_EXCLUSION_MIN_QUALITY] = {false, "Lower option \"min_quality\"."},
	[MR_EXCLUSION_MAX_LATENCY] = {false, "Raise option \"max_latency_ms\"."},
	[MR_EXCLUSION_FALLBACK] = {true,
	"Set \"allow_fallbacks\" to true in option \"provider\"."}
};

StaticAssertDecl(lengthof(remedies) == MR_EXCLUSION_FALLBACK + 1,
				 "every exclusion has a remedy");

static void report_no_candidate(const MrDecision *decision, int elevel);
static void raise_unknown_model(const MrDecision *decision)
			pg_attribute_noreturn();
static bool all_not_granted(const MrDecision *decision);
static const char *to_server(const char *utf8);
static const char *suggest_models(const MrDecision *decision);
static int	name_distance(const char *wanted, const char *name);
static char *list_exclusions(MrDecision *decision);
static void append_each(StringInfo out, const MrDecision *decision);
static void append_groups(StringInfo out, const MrDecision *decision);
static void append_group(StringInfo out, const MrDecision *decision,
						 MrExclusion kind);
static const char *choose_hint(const MrDecision *decision);

/*
 * True if at least one candidate can serve; else raises: 42704 for a model
 * that the catalog does not know, 42501 for one that the role may not use,
 * 22023 with each exclusion in the DETAIL for the rest.  With on_error null
 * the latter two are a warning, and false.
 */
bool
mr_decision_require(const MrDecision *decision)
{
	if (likely(decision->nchosen > 0))
		return true;
	if (decision->ncandidates == 0 &&
		strcmp(decision->request->model, "auto") != 0)
		raise_unknown_model(decision);
	report_no_candidate(decision,
						decision->request->on_error == MR_ON_ERROR_NULL ?
						WARNING : ERROR);
	return false;
}

static void
report_no_candidate(const MrDecision *decision, int elevel)
{
	MrDecision	explained = *decision;
	const char *model = decision->request->model;

	if (decision->ncandidates == 0)
		ereport(elevel,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no model can serve the request"),
				 errdetail("The catalog has no chat model."),
				 errhint("Add one with SELECT modelroute.add_model('<model>', '<provider>').")));
	else if (strcmp(model, "auto") != 0 && all_not_granted(decision))
		ereport(elevel,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model \"%s\"",
						to_server(model)),
				 errhint("%s", remedies[MR_EXCLUSION_NOT_GRANTED].hint)));
	else
		ereport(elevel,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no model can serve the request"),
				 errdetail("%s", list_exclusions(&explained)),
				 errhint("%s", choose_hint(decision))));
}

static void
raise_unknown_model(const MrDecision *decision)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" is not in the catalog",
					to_server(decision->request->model)),
			 errhint("%s", suggest_models(decision))));
}

static bool
all_not_granted(const MrDecision *decision)
{
	for (int i = 0; i < decision->ncandidates; i++)
		if (decision->candidates[i].excluded_by != MR_EXCLUSION_NOT_GRANTED)
			return false;
	return true;
}

static const char *
to_server(const char *utf8)
{
	return mr_text_from_utf8_lossy(utf8, strlen(utf8));
}

/*
 * The catalog's names that are closest to what was asked for, nearest first.
 * Endpoints are in order of their model, so that repeated names are adjacent.
 */
static const char *
suggest_models(const MrDecision *decision)
{
	const char *wanted = decision->request->model;
	const char *slash = strrchr(wanted, '/');
	int			limit = Min(strlen(wanted), MAX_NAME_BYTES) / 2;
	StringInfoData hint;
	int			found = 0;
	const char *last = NULL;

	initStringInfo(&hint);
	if (slash != NULL && slash[1] != '\0')
		wanted = slash + 1;
	for (int distance = 0; distance <= limit; distance++)
		for (int i = 0; i < decision->catalog->nendpoints; i++)
		{
			const char *name = decision->catalog->endpoints[i].model;

			if (found == MAX_SUGGESTIONS ||
				(last != NULL && strcmp(name, last) == 0) ||
				name_distance(wanted, name) != distance)
				continue;
			last = name;
			appendStringInfo(&hint, "%s\"%s\"",
							 found++ > 0 ? ", " : "Did you mean ",
							 to_server(name));
		}
	if (found > 0)
		appendStringInfoString(&hint, "? ");
	appendStringInfoString(&hint, "Table modelroute.model lists the models; "
						   "add one with SELECT modelroute.add_model('<model>', '<provider>').");
	return hint.data;
}

/*
 * Edits between two names; a name that holds the wanted one is one edit away.
 */
static int
name_distance(const char *wanted, const char *name)
{
	if (strlen(wanted) > MAX_NAME_BYTES || strlen(name) > MAX_NAME_BYTES)
		return MAX_NAME_BYTES;
	if (strstr(name, wanted) != NULL)
		return 1;
	return varstr_levenshtein(wanted, strlen(wanted), name, strlen(name),
							  1, 1, 1, true);
}

static char *
list_exclusions(MrDecision *decision)
{
	StringInfoData out;

	mr_router_explain(decision->request, &decision->features,
					  decision->candidates, decision->ncandidates);
	initStringInfo(&out);
	if (decision->ncandidates <= MAX_LISTED)
		append_each(&out, decision);
	else
		append_groups(&out, decision);
	appendStringInfoChar(&out, '.');
	return out.data;
}

static void
append_each(StringInfo out, const MrDecision *decision)
{
	for (int i = 0; i < decision->ncandidates; i++)
	{
		const MrCandidate *candidate = &decision->candidates[i];

		appendStringInfo(out, "%s%s/%s: %s", i > 0 ? "; " : "",
						 to_server(candidate->endpoint->provider),
						 to_server(candidate->endpoint->model),
						 mr_exclusion_name(candidate->excluded_by));
		if (candidate->excluded_detail != NULL)
			appendStringInfo(out, " (%s)", candidate->excluded_detail);
	}
}

static void
append_groups(StringInfo out, const MrDecision *decision)
{
	for (int kind = MR_EXCLUSION_NONE + 1; kind < (int) lengthof(remedies);
		 kind++)
		append_group(out, decision, kind);
}

static void
append_group(StringInfo out, const MrDecision *decision, MrExclusion kind)
{
	StringInfoData names;
	int			count = 0;

	initStringInfo(&names);
	for (int i = 0; i < decision->ncandidates; i++)
	{
		const MrEndpoint *endpoint = decision->candidates[i].endpoint;

		if (decision->candidates[i].excluded_by != kind)
			continue;
		if (count++ < MAX_NAMES_A_GROUP)
			appendStringInfo(&names, "%s%s/%s", count > 1 ? ", " : "",
							 to_server(endpoint->provider),
							 to_server(endpoint->model));
	}
	if (count == 0)
		return;
	if (count > MAX_NAMES_A_GROUP)
		appendStringInfoString(&names, ", ...");
	appendStringInfo(out, "%s%s: %d (%s)", out->len > 0 ? "; " : "",
					 mr_exclusion_name(kind), count, names.data);
}

/*
 * The remedy for the most frequent exclusion among the endpoints that the
 * request did not leave out itself, or among all when it left out all.
 */
static const char *
choose_hint(const MrDecision *decision)
{
	int			counts[lengthof(remedies)] = {0};
	int			best = 0;

	for (int i = 0; i < decision->ncandidates; i++)
		counts[decision->candidates[i].excluded_by]++;
	for (int by_request = 0; by_request <= 1 && best == 0; by_request++)
		for (int kind = 1; kind < (int) lengthof(remedies); kind++)
			if (remedies[kind].by_request == (bool) by_request &&
				counts[kind] > 0 && (best == 0 || counts[kind] > counts[best]))
				best = kind;
	return remedies[best].hint;
}

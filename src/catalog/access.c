/*
 * access.c
 *	  What a role may use: grants on models, and which credential is its.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "base/glob.h"
#include "catalog/data.h"

/*
 * The globs that limit the role: those granted to it or to a role whose
 * privileges it has.  NIL = nothing limits it.
 */
static List *
collect_globs(const MrCatalogData *data, Oid role)
{
	List	   *globs = NIL;

	if (superuser_arg(role))
		return NIL;
	for (int i = 0; i < data->ngrants; i++)
	{
		const MrGrantRow *grant = &data->grants[i];

		if (has_privs_of_role(role, grant->role))
			globs = lappend(globs, unconstify(char *, grant->glob));
	}
	return globs;
}

static bool
match_any(List *globs, const MrEndpoint *endpoint)
{
	char	   *full_name = psprintf("%s/%s", endpoint->provider,
									 endpoint->model);
	bool		matched = false;
	ListCell   *cell;

	foreach(cell, globs)
	{
		const char *glob = lfirst(cell);

		matched = mr_glob_match(glob, endpoint->model) ||
			mr_glob_match(glob, full_name);
		if (matched)
			break;
	}
	pfree(full_name);
	return matched;
}

/*
 * The credential row that the role uses at the provider: its own, else the
 * one for every role, else NULL.
 */
const MrCredentialRow *
mr_access_credential(const MrCatalogData *data, const char *provider, Oid role)
{
	const MrCredentialRow *found = NULL;

	for (int i = 0; i < data->ncredentials; i++)
	{
		const MrCredentialRow *row = &data->credentials[i];

		if (strcmp(row->provider, provider) != 0)
			continue;
		if (row->role == role)
			return row;
		if (row->role == InvalidOid)
			found = row;
	}
	return found;
}

/* Fills has_credential and granted, one entry per endpoint, for a role. */
void
mr_access_fill(const MrCatalogData *data, Oid role,
			   MrEndpoint *endpoints, bool *granted)
{
	List	   *globs = collect_globs(data, role);

	for (int i = 0; i < data->nendpoints; i++)
	{
		MrEndpoint *endpoint = &endpoints[i];

		endpoint->has_credential =
			mr_access_credential(data, endpoint->provider, role) != NULL;
		granted[i] = globs == NIL || match_any(globs, endpoint);
	}
	list_free(globs);
}

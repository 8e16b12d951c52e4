/*
 * binding.h
 *	  A router tied to the catalog: which of its models each endpoint serves,
 *	  and what holds for models that it has not seen.
 */
#ifndef MR_BINDING_H
#define MR_BINDING_H

#include "postgres.h"

#include "catalog/snapshot.h"
#include "router/router.h"

typedef struct MrBinding
{
	const char *name;			/* "default", or name:version */
	const MrArtifact *artifact; /* NULL = default router */
	MrBasis		basis;
	const int  *column;			/* of each endpoint; -1 = not seen */
} MrBinding;

extern const MrBinding *mr_binding_get(const char *router,
									   const MrCatalog *catalog);
extern const MrBinding *mr_binding_require(const char *router,
										   const MrCatalog *catalog);
extern int	mr_binding_column(const MrArtifact *artifact, const char *model);
extern const MrLearned *mr_binding_learn(const MrBinding *binding,
										 const MrFeatures *features);

#endif							/* MR_BINDING_H */

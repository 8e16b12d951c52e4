/*
 * pack.h
 *	  From a fit and its validation to the artifact and the report.
 */
#ifndef MR_PACK_H
#define MR_PACK_H

#include "postgres.h"

#include "router/fit.h"
#include "router/validate.h"

extern void mr_pack_artifact(const MrFit *fit, const MrRows *rows,
							 const MrValidation *validation,
							 MrTrainResult *result);
extern char *mr_pack_report(const MrFit *fit, const MrRows *rows,
							const MrValidation *validation);

#endif							/* MR_PACK_H */

/*
 * model_name.h
 *	  What the argument model of a call may say beside the name of a model.
 */
#ifndef MR_MODEL_NAME_H
#define MR_MODEL_NAME_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/request.h"

extern void mr_request_set_model(MrRequest *request, text *model);
extern Jsonb *mr_request_apply_preset(MrRequest *request, Jsonb *options);
extern void mr_request_split_model(MrRequest *request);
extern bool mr_model_names_preset(const char *model);

#endif							/* MR_MODEL_NAME_H */

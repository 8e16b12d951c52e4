/*
 * model_name.c
 *	  What the argument model of a call means: auto, a model, a preset, whose
 *	  options and model then stand in for those that the call leaves open, or a
 *	  router with a threshold.
 *
 * A model of the catalog may have any name, and goes before what else its
 * name could mean.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/model_name.h"
#include "api/options.h"
#include "base/text.h"
#include "base/versioned_name.h"
#include "catalog/snapshot.h"

#define AUTO "auto"
#define ROUTER_PREFIX "router-"

static bool is_catalog_model(const char *name);
static char *preset_option(Jsonb *options);
static const MrPreset *require_preset(const char *reference);
static bool parse_threshold(const char *text, double *threshold);

/* The model as it was typed; NULL means auto.  Raises 22023 when empty. */
void
mr_request_set_model(MrRequest *request, text *model)
{
	request->model = AUTO;
	if (model != NULL)
		request->model = mr_text_to_utf8(VARDATA_ANY(model),
										 VARSIZE_ANY_EXHDR(model), NULL);
	if (request->model[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model must not be empty"),
				 errhint("Give a model, provider/model, '@preset', or 'auto'.")));
	request->requested_model = request->model;
}

/*
 * The options to read: those of the call (NULL when it has none) over those
 * of the preset that it names by its model or by option "preset".  The
 * request gets the preset's model unless the call names one.
 */
Jsonb *
mr_request_apply_preset(MrRequest *request, Jsonb *options)
{
	bool		by_model = request->model[0] == '@' &&
		mr_model_names_preset(request->model) &&
		!is_catalog_model(request->model);
	char	   *by_option = preset_option(options);
	const MrPreset *preset;

	if (!by_model && by_option == NULL)
		return options;
	if (by_model && by_option != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model and option \"preset\" name a preset each"),
				 errhint("Give one of them.")));
	preset = require_preset(by_model ? request->model + 1 : by_option);
	if (by_option != NULL && strcmp(request->model, AUTO) == 0)
		request->requested_model = psprintf("@%s", by_option);
	if (by_model || strcmp(request->model, AUTO) == 0)
		request->model = preset->model == NULL ? AUTO :
			mr_text_to_utf8(preset->model, strlen(preset->model), NULL);
	if (options == NULL)
		return preset->options;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(preset->options),
											  JsonbPGetDatum(options)));
}

/* Whether it has the form of a preset's name: @name or @name:version. */
bool
mr_model_names_preset(const char *model)
{
	MrVersionedName name;

	return model[0] == '@' && mr_versioned_name_parse(model + 1, &name);
}

static bool
is_catalog_model(const char *name)
{
	const MrCatalog *catalog = mr_catalog_get();

	for (int i = 0; i < catalog->nendpoints; i++)
		if (strcmp(catalog->endpoints[i].model, name) == 0)
			return true;
	return false;
}

/* Anything but text is left to the reader of options, which raises. */
static char *
preset_option(Jsonb *options)
{
	JsonbValue	value;

	if (options == NULL || !JB_ROOT_IS_OBJECT(options) ||
		getKeyJsonValueFromContainer(&options->root, "preset",
									 strlen("preset"), &value) == NULL ||
		value.type != jbvString)
		return NULL;
	return mr_text_to_utf8(value.val.string.val, value.val.string.len, NULL);
}

/* Valid until the catalog is asked for again. */
static const MrPreset *
require_preset(const char *reference)
{
	MrVersionedName name;
	const MrPreset *preset = NULL;

	if (mr_versioned_name_parse(reference, &name))
		preset = mr_preset_find(mr_catalog_get(), name.name, name.version);
	if (preset == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("preset \"%s\" does not exist",
						mr_text_from_utf8_lossy(reference,
												strlen(reference))),
				 errhint("Table modelroute.preset lists the presets; SELECT modelroute.set_preset('<name>', '{\"max_cost\": 0.01}') makes one.")));
	return preset;
}

/*
 * RouteLLM's form router-<name>-<threshold> becomes router, threshold and
 * model auto; it goes before option router.  What has not that form stays.
 */
void
mr_request_split_model(MrRequest *request)
{
	const char *name;
	const char *dash;
	double		threshold;
	MrVersionedName parsed;
	char	   *router;

	if (strncmp(request->model, ROUTER_PREFIX, strlen(ROUTER_PREFIX)) != 0)
		return;
	name = request->model + strlen(ROUTER_PREFIX);
	dash = strrchr(name, '-');
	if (dash == NULL || !parse_threshold(dash + 1, &threshold))
		return;
	router = pnstrdup(name, dash - name);
	if (!mr_versioned_name_parse(router, &parsed) ||
		is_catalog_model(request->model))
		return;
	if (threshold > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold %s of router \"%s\" is above 1",
						dash + 1, router),
				 errhint("Write the model as router-<name>-<threshold> with a threshold from 0 (always the strong model) to 1.")));
	request->router = router;
	request->strong_threshold = threshold;
	request->model = AUTO;
}

/* A plain decimal number, without sign or exponent. */
static bool
parse_threshold(const char *text, double *threshold)
{
	char	   *end;

	if (text[0] == '\0' || strspn(text, "0123456789.") != strlen(text))
		return false;
	*threshold = strtod(text, &end);
	return *end == '\0' && end > text;
}

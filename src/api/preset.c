/*
 * preset.c
 *	  SQL functions set_preset and drop_preset.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/model_name.h"
#include "api/options.h"
#include "api/preset.h"
#include "base/versioned_name.h"
#include "catalog/snapshot.h"

#define PRESET_MAX_BYTES 65536	/* as table preset has it */

PG_FUNCTION_INFO_V1(mr_sql_set_preset);
PG_FUNCTION_INFO_V1(mr_sql_drop_preset);

static char *read_name(FunctionCallInfo fcinfo);
static void check_body(Jsonb *body);
static text *read_model(Jsonb *body);
static Jsonb *without_model(Jsonb *body);
static void refuse_body(const char *message, const char *hint)
			pg_attribute_noreturn();

/* The version that holds the body. */
Datum
mr_sql_set_preset(PG_FUNCTION_ARGS)
{
	char	   *name = read_name(fcinfo);
	Jsonb	   *body;

	if (PG_ARGISNULL(1))
		refuse_body("body must not be NULL",
					"drop_preset(name) drops a preset.");
	body = PG_GETARG_JSONB_P(1);
	check_body(body);
	PG_RETURN_INT32(mr_preset_store(name, body, GetUserId()));
}

/* One version, or with version NULL all. */
Datum
mr_sql_drop_preset(PG_FUNCTION_ARGS)
{
	char	   *name = read_name(fcinfo);
	int			version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);

	if (!PG_ARGISNULL(1) && version < 1)
		refuse_body("version must be at least 1",
					"Leave it out to drop all versions.");
	mr_preset_remove(name, version, GetUserId());
	PG_RETURN_VOID();
}

static char *
read_name(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(0) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(0));

	mr_preset_check_name(name);
	return name;
}

void
mr_preset_check_name(const char *name)
{
	MrVersionedName parsed;

	if (name == NULL || strchr(name, ':') != NULL ||
		!mr_versioned_name_parse(name, &parsed))
		refuse_body("preset has a malformed name",
					"Use up to 100 letters, digits, dots, hyphens and underscores, and begin with a letter or digit.");
}

/*
 * Whatever a call with these options would refuse is refused here, but for
 * models and routers that do not exist: they may come later.
 */
static void
check_body(Jsonb *body)
{
	MrRequest	request;
	text	   *model;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(body))
		refuse_body("body must be a JSON object",
					"For example '{\"model\": \"auto\", \"objective\": \"cost\"}'.");
	if (strlen(JsonbToCString(NULL, &body->root, VARSIZE(body))) >
		PRESET_MAX_BYTES)
		refuse_body("body is too long", "It may have 65536 bytes.");
	if (getKeyJsonValueFromContainer(&body->root, "preset", strlen("preset"),
									 &value) != NULL)
		refuse_body("a preset cannot name another preset",
					"Write out its options.");
	model = read_model(body);
	mr_request_init(&request, model, without_model(body), MR_ON_ERROR_RAISE);
}

/* Its model as an argument, or NULL. */
static text *
read_model(Jsonb *body)
{
	JsonbValue	value;
	char	   *model;

	if (getKeyJsonValueFromContainer(&body->root, "model", strlen("model"),
									 &value) == NULL ||
		value.type == jbvNull)
		return NULL;
	if (value.type != jbvString || value.val.string.len == 0 ||
		value.val.string.len > MR_OPTION_TEXT_MAX_BYTES)
		refuse_body("\"model\" must be a string that is not empty",
					"Give a model, provider/model, or 'auto'.");
	model = pnstrdup(value.val.string.val, value.val.string.len);
	if (mr_model_names_preset(model))
		refuse_body("a preset cannot name another preset",
					"Write out its options.");
	return cstring_to_text(model);
}

static Jsonb *
without_model(Jsonb *body)
{
	Datum		key = CStringGetTextDatum("model");

	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
											  JsonbPGetDatum(body), key));
}

static void
refuse_body(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

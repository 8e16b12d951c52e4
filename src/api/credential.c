/*
 * credential.c
 *	  The check of set_credential's argument source.
 *
 * No message repeats the argument: it may be the secret itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "catalog/snapshot.h"

static char *get_text(Jsonb *source, const char *key);

PG_FUNCTION_INFO_V1(mr_sql_check_credential_source);

/*
 * Raises 22023 unless source is {"env": NAME} or {"file": PATH}, and what
 * the named place itself does wrong.
 */
Datum
mr_sql_check_credential_source(PG_FUNCTION_ARGS)
{
	Jsonb	   *source = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);
	char	   *env = get_text(source, "env");
	char	   *file = get_text(source, "file");

	if ((env == NULL) == (file == NULL) || JB_ROOT_COUNT(source) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credential has a wrong form"),
				 errdetail("A credential names the place of the secret and never holds the secret."),
				 errhint("Write {\"env\": \"MODELROUTE_OPENAI_KEY\"} or {\"file\": \"openai.key\"}."),
				 errhidestmt(true), errhidecontext(true)));
	if (env != NULL)
		mr_credential_check_env(env);
	else
		mr_credential_check_file(file);
	PG_RETURN_VOID();
}

/* The text under a key of an object, else NULL. */
static char *
get_text(Jsonb *source, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (source == NULL || !JB_ROOT_IS_OBJECT(source))
		return NULL;
	value = getKeyJsonValueFromContainer(&source->root, key, strlen(key),
										 &buffer);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

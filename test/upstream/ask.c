/*
 * ask.c: reads the parts of a request that the dialects share.
 */
#include <string.h>

#include "ask.h"

/* Sets a 400; always false, so callers can return it.  code is JSON text. */
bool
ask_refuse(ApiError *error, const char *message, const char *param,
		   const char *code)
{
	error->status = 400;
	error->message = message;
	error->param = param;
	error->code = code;
	return false;
}

/* Reads the body, which must be one JSON object and nothing more. */
bool
ask_parse(Ask *ask, const char *body, size_t len, ApiError *error)
{
	const char *end = body;

	ask->json = cJSON_ParseWithLengthOpts(body, len, &end, false);
	while (end < body + len && strchr(" \t\r\n", *end) != NULL)
		end++;
	if (!cJSON_IsObject(ask->json) || end < body + len)
		return ask_refuse(error, "the body of the request is not valid JSON",
						  NULL, NULL);
	return true;
}

/* Reads the model's name. */
bool
ask_read_model(Ask *ask, ApiError *error)
{
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(ask->json, "model");

	if (!cJSON_IsString(model) || model->valuestring[0] == '\0')
		return ask_refuse(error, "you must provide a model parameter",
						  "model", "\"missing_required_parameter\"");
	ask->model = model->valuestring;
	return true;
}

/* Reads `stream`. */
bool
ask_read_stream(Ask *ask, ApiError *error)
{
	const cJSON *stream = cJSON_GetObjectItemCaseSensitive(ask->json,
														   "stream");

	if (stream != NULL && !cJSON_IsBool(stream) && !cJSON_IsNull(stream))
		return ask_refuse(error, "stream must be true or false", "stream",
						  "\"invalid_type\"");
	ask->stream = cJSON_IsTrue(stream);
	return true;
}

static void
note_text(Ask *ask, const char *text, bool of_user)
{
	size_t		len = strlen(text);

	ask->text_bytes += len;
	if (of_user)
		buf_append(&ask->joined, text, len);
}

/* A content is a string, or parts of which some have text. */
static bool
read_content(Ask *ask, const cJSON *content, bool of_user)
{
	const cJSON *part;

	ask->joined.len = of_user ? 0 : ask->joined.len;
	if (cJSON_IsString(content))
	{
		note_text(ask, content->valuestring, of_user);
		return true;
	}
	if (!cJSON_IsArray(content))
		return content == NULL || cJSON_IsNull(content);
	cJSON_ArrayForEach(part, content)
	{
		const cJSON *text = cJSON_GetObjectItemCaseSensitive(part, "text");

		if (!cJSON_IsObject(part))
			return false;
		if (cJSON_IsString(text))
			note_text(ask, text->valuestring, of_user);
	}
	return true;
}

static bool
role_is_known(const char *const *roles, const cJSON *role)
{
	for (; *roles != NULL && cJSON_IsString(role); roles++)
	{
		if (strcmp(*roles, role->valuestring) == 0)
			return true;
	}
	return false;
}

/*
 * Reads `system` (where the dialect has it) and `messages`, whose roles must
 * be in the list that ends with NULL.
 */
bool
ask_read_messages(Ask *ask, const char *const *roles, ApiError *error)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(ask->json,
															 "messages");
	const cJSON *message;

	if (!cJSON_IsArray(messages) || messages->child == NULL)
		return ask_refuse(error, "messages must be a non-empty array",
						  "messages", "\"missing_required_parameter\"");
	read_content(ask, cJSON_GetObjectItemCaseSensitive(ask->json, "system"),
				 false);
	cJSON_ArrayForEach(message, messages)
	{
		const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");

		if (!role_is_known(roles, role))
			return ask_refuse(error, "a message has an unknown role",
							  "messages", "\"invalid_value\"");
		if (!read_content(ask, cJSON_GetObjectItemCaseSensitive(message,
																"content"),
						  strcmp(role->valuestring, "user") == 0))
			return ask_refuse(error, "a message's content must be a string "
							  "or an array of objects", "messages",
							  "\"invalid_type\"");
	}
	ask->prompt = ask->joined.len > 0 ? ask->joined.data : "";
	ask->prompt_len = ask->joined.len;
	return true;
}

/* Gives back what the request took. */
void
ask_free(Ask *ask)
{
	cJSON_Delete(ask->json);
	buf_free(&ask->joined);
}

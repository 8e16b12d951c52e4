/*
 * admin.c: answers the calls that configure the server and read what it saw.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "admin.h"
#include "last.h"
#include "listen.h"

/* Answers with a JSON body. */
void
admin_answer(Conn *conn, int status, const Buf *body)
{
	answer_body(&conn->answer, status, ANSWER_JSON, NULL, body->data,
				body->len);
	conn_answer_after(conn, 0);
}

/* Answers with an error message. */
void
admin_refuse(Conn *conn, int status, const char *message)
{
	Buf			body = {0};

	buf_puts(&body, "{\"error\":{\"message\":\"");
	buf_json_clean(&body, message, strlen(message));
	buf_puts(&body, "\",\"type\":\"invalid_request_error\",\"param\":null,"
			 "\"code\":null}}");
	admin_answer(conn, status, &body);
	buf_free(&body);
}

static void
answer_text(Conn *conn, const char *text)
{
	Buf			body = {.data = (char *) text, .len = strlen(text)};

	admin_answer(conn, 200, &body);
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
		: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Finds name=value in the query and decodes the value; false without it. */
static bool
read_query(const Conn *conn, const char *name, char *value, size_t size)
{
	const char *at = conn->in.data + conn->req.query.at;
	const char *end = at + conn->req.query.len;
	size_t		name_len = strlen(name);
	size_t		len = 0;

	while (at < end && !((size_t) (end - at) > name_len &&
						 memcmp(at, name, name_len) == 0 &&
						 at[name_len] == '='))
	{
		const char *next = memchr(at, '&', (size_t) (end - at));

		at = next ? next + 1 : end;
	}
	if (at == end)
		return false;
	for (at += name_len + 1; at < end && *at != '&' && len + 1 < size; at++)
	{
		if (*at == '%' && end - at > 2 && hex_value(at[1]) >= 0 &&
			hex_value(at[2]) >= 0)
		{
			value[len++] = (char) (hex_value(at[1]) * 16 + hex_value(at[2]));
			at += 2;
		}
		else
			value[len++] = *at == '+' ? ' ' : *at;
	}
	value[len] = '\0';
	return true;
}

/* The body as JSON, which the caller deletes; NULL if it was answered. */
static cJSON *
read_body(Conn *conn)
{
	cJSON	   *json = cJSON_ParseWithLength(conn->in.data +
											 conn->req.head_len,
											 conn->req.body_len);

	if (json == NULL)
		admin_refuse(conn, 400, "the body is not JSON");
	return json;
}

/* GET /stats, /stats?ids=0, /stats?id=ID */
void
admin_stats(Conn *conn)
{
	char		value[STATS_ID_BYTES + 1];
	Buf			body = {0};

	if (read_query(conn, "id", value, sizeof(value)))
		stats_write_id(&body, value);
	else
		stats_write(&body, !(read_query(conn, "ids", value, sizeof(value)) &&
							 strcmp(value, "0") == 0));
	admin_answer(conn, 200, &body);
	buf_free(&body);
}

/* POST /stats/reset */
void
admin_stats_reset(Conn *conn)
{
	stats_reset();
	answer_text(conn, "{\"reset\":true}");
}

/* POST /admin/models */
void
admin_models_put(Conn *conn)
{
	cJSON	   *json = read_body(conn);
	Problem		problem;
	char		text[64];

	if (json == NULL)
		return;
	snprintf(text, sizeof(text), "{\"models\":%d}",
			 cJSON_IsArray(json) ? cJSON_GetArraySize(json) : 1);
	if (model_upsert_all(json, &problem))
		answer_text(conn, text);
	else
		admin_refuse(conn, 400, problem.text);
	cJSON_Delete(json);
}

static void
write_config(Model *model, void *arg)
{
	Buf		   *out = arg;
	char	   *text = cJSON_PrintUnformatted(model->config->source);

	if (out->len > 1)
		buf_puts(out, ",");
	buf_puts(out, text);
	cJSON_free(text);
}

/* GET /admin/models */
void
admin_models_get(Conn *conn)
{
	Buf			body = {0};

	buf_puts(&body, "[");
	model_each(write_config, &body);
	buf_puts(&body, "]");
	admin_answer(conn, 200, &body);
	buf_free(&body);
}

/* DELETE /admin/models, /admin/models?name=KEY */
void
admin_models_delete(Conn *conn)
{
	char		key[MODEL_KEY_MAX];

	if (!read_query(conn, "name", key, sizeof(key)))
	{
		model_delete_all();
		answer_text(conn, "{\"deleted\":true}");
	}
	else if (model_delete(key))
		answer_text(conn, "{\"deleted\":true}");
	else
		admin_refuse(conn, 404, "no such model");
}

/* POST /admin/seed {"seed":N} */
void
admin_seed(Conn *conn)
{
	cJSON	   *json = read_body(conn);
	const cJSON *seed = cJSON_GetObjectItem(json, "seed");
	char		text[64];

	if (json == NULL)
		return;
	if (cJSON_IsNumber(seed) && seed->valuedouble >= 0 &&
		seed->valuedouble <= 9007199254740991.0)
	{
		model_set_seed((uint64_t) seed->valuedouble);
		snprintf(text, sizeof(text), "{\"seed\":%" PRIu64 "}", model_seed());
		answer_text(conn, text);
	}
	else
		admin_refuse(conn, 400, "seed must be a whole number");
	cJSON_Delete(json);
}

/* GET /admin/last, /admin/last?n=N */
void
admin_last(Conn *conn)
{
	char		value[16];
	Buf			body = {0};

	last_write(&body, read_query(conn, "n", value, sizeof(value)) ?
			   atoi(value) : LAST_REQUESTS);
	admin_answer(conn, 200, &body);
	buf_free(&body);
}

/* POST /admin/listen {"port":P,"listening":true|false} */
void
admin_listen(Conn *conn)
{
	cJSON	   *json = read_body(conn);
	const cJSON *port = cJSON_GetObjectItem(json, "port");
	const cJSON *listening = cJSON_GetObjectItem(json, "listening");
	char		text[64];
	int			opened;

	if (json == NULL)
		return;
	if (!cJSON_IsNumber(port) || port->valueint < 0 ||
		port->valueint > 65535 || !cJSON_IsBool(listening))
		admin_refuse(conn, 400, "port and listening are needed");
	else if (cJSON_IsFalse(listening) && !listen_close(port->valueint))
		admin_refuse(conn, 404, "nothing listens on this port");
	else
	{
		opened = cJSON_IsTrue(listening) ?
			listen_open(listen_default_address(), port->valueint)
			: port->valueint;
		snprintf(text, sizeof(text), "{\"port\":%d,\"listening\":%s}", opened,
				 cJSON_IsTrue(listening) ? "true" : "false");
		if (opened > 0)
			answer_text(conn, text);
		else
			admin_refuse(conn, 409, "cannot listen on this port");
	}
	cJSON_Delete(json);
}

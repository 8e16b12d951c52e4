/*
 * route.c: finds the endpoint for a method and path, under an optional
 * /p/PREFIX and an optional /v1.
 */
#include <string.h>

#include "conn.h"
#include "admin.h"
#include "last.h"
#include "route.h"

/* A path taken apart. */
typedef struct Target
{
	const char *prefix;
	size_t		prefix_len;
	const char *rest;
	size_t		rest_len;
	bool		bare;			/* no prefix and no version before rest */
} Target;

typedef struct Endpoint
{
	const char *method;
	const char *path;
	const Dialect *dialect;		/* of a model endpoint */
	void		(*admin) (Conn *conn);	/* of the others */
} Endpoint;

static const Endpoint endpoints[] = {
	{"POST", "/chat/completions", &dialect_openai, NULL},
	{"POST", "/messages", &dialect_anthropic, NULL},
	{"POST", "/embeddings", &dialect_embeddings, NULL},
	{"GET", "/models", NULL, NULL},
	{"GET", "/stats", NULL, admin_stats},
	{"POST", "/stats/reset", NULL, admin_stats_reset},
	{"POST", "/admin/models", NULL, admin_models_put},
	{"GET", "/admin/models", NULL, admin_models_get},
	{"DELETE", "/admin/models", NULL, admin_models_delete},
	{"POST", "/admin/seed", NULL, admin_seed},
	{"GET", "/admin/last", NULL, admin_last},
	{"POST", "/admin/listen", NULL, admin_listen},
};

static bool
skip(Target *target, const char *start)
{
	size_t		len = strlen(start);

	if (target->rest_len < len || memcmp(target->rest, start, len) != 0)
		return false;
	target->rest += len;
	target->rest_len -= len;
	return true;
}

static Target
split_path(const Conn *conn)
{
	Target		target = {.rest = conn->in.data + conn->req.path.at,
	.rest_len = conn->req.path.len, .bare = true};

	if (skip(&target, "/p/"))
	{
		const char *slash = memchr(target.rest, '/', target.rest_len);

		target.prefix = target.rest;
		target.prefix_len = slash ? (size_t) (slash - target.rest)
			: target.rest_len;
		target.rest += target.prefix_len;
		target.rest_len -= target.prefix_len;
		target.bare = false;
	}
	if (target.rest_len > 4 && memcmp(target.rest, "/v1/", 4) == 0)
	{
		skip(&target, "/v1");
		target.bare = false;
	}
	return target;
}

static void
answer_models(Conn *conn, const Target *target)
{
	Buf			body = {0};

	stats_totals.requests++;
	last_record(conn);
	if (conn->req.anthropic_version.len > 0)
		anthropic_write_models(&body, target->prefix, target->prefix_len);
	else
		openai_write_models(&body, target->prefix, target->prefix_len);
	admin_answer(conn, 200, &body);
	buf_free(&body);
}

/* Lets the endpoint of the connection's request answer it. */
void
route_request(Conn *conn)
{
	Target		target = split_path(conn);
	bool		path_known = false;

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
	{
		const Endpoint *endpoint = &endpoints[i];

		if (strlen(endpoint->path) != target.rest_len ||
			memcmp(endpoint->path, target.rest, target.rest_len) != 0 ||
			(endpoint->admin != NULL && !target.bare))
			continue;
		path_known = true;
		if (!span_is(&conn->in, conn->req.method, endpoint->method))
			continue;
		if (endpoint->dialect != NULL)
			serve_request(conn, endpoint->dialect, target.prefix,
						  target.prefix_len);
		else if (endpoint->admin != NULL)
			endpoint->admin(conn);
		else
			answer_models(conn, &target);
		return;
	}
	admin_refuse(conn, path_known ? 405 : 404, path_known ?
				 "this path does not take this method" : "unknown path");
}

/*
 * json.h
 *	  JSON in and out: reading text into a tree that is safe to use in the
 *	  server, and writing UTF-8 JSON into a StringInfo.
 *
 * A tree lives in the memory context that was current when it was parsed and
 * dies with it; nothing has to be freed.  Every string of a tree is valid
 * UTF-8 without NUL, and no tree is deeper than MR_JSON_MAX_DEPTH.
 */
#ifndef MR_JSON_H
#define MR_JSON_H

#include "postgres.h"

#include "lib/stringinfo.h"

#define MR_JSON_MAX_DEPTH 128

/* Integers are exact up to here; a number of a tree is a double. */
#define MR_JSON_MAX_INTEGER (INT64CONST(1) << 53)

/* A node is cJSON's, but only json.c looks inside. */
typedef struct cJSON MrJson;

/* Reading.  Every function takes NULL for a node and then finds nothing. */
extern const MrJson *mr_json_parse(const char *text, size_t bytes,
								   const char **problem);
extern const MrJson *mr_json_get(const MrJson *node, const char *path);
extern const MrJson *mr_json_member(const MrJson *object, const char *key);
extern const MrJson *mr_json_first(const MrJson *node);
extern const MrJson *mr_json_next(const MrJson *node);
extern const char *mr_json_key(const MrJson *node);

extern bool mr_json_is_object(const MrJson *node);
extern bool mr_json_is_array(const MrJson *node);
extern bool mr_json_is_null(const MrJson *node);
extern bool mr_json_is_true(const MrJson *node);
extern const char *mr_json_string(const MrJson *node);
extern bool mr_json_double(const MrJson *node, double *value);
extern bool mr_json_int64(const MrJson *node, int64 *value);
extern const char *mr_json_get_string(const MrJson *node, const char *path);
extern bool mr_json_get_double(const MrJson *node, const char *path,
							   double *value);
extern bool mr_json_get_int64(const MrJson *node, const char *path,
							  int64 *value);

/* Writing. */
extern void mr_json_append(StringInfo out, const MrJson *node);
extern char *mr_json_print(const MrJson *node);
extern void mr_json_append_text(StringInfo out, const char *text,
								size_t bytes);
extern void mr_json_append_string(StringInfo out, const char *text);
extern void mr_json_append_double(StringInfo out, double value);

#endif							/* MR_JSON_H */

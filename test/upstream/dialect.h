/*
 * dialect.h: the wire formats, one const table of operations for each.
 */
#ifndef UPSTREAM_DIALECT_H
#define UPSTREAM_DIALECT_H

#include <cjson/cJSON.h>

#include "buf.h"

struct Ask;
struct Exchange;

/* An error answer; what is NULL gets the dialect's usual value. */
typedef struct ApiError
{
	int			status;
	const char *type;
	const char *code;			/* JSON text */
	const char *message;
	const char *param;
	bool		quota;			/* a 429 that no retry mends */
} ApiError;

typedef struct Dialect
{
	const char *name;
	bool		generates;		/* its replies have a content */

	/* Reads a request; on false the error says why. */
	bool		(*read) (struct Ask *ask, const cJSON *json, ApiError *error);

	/* Headers of every answer. */
	void		(*write_headers) (Buf *out, const struct Exchange *exchange);
	void		(*write_error) (Buf *out, const struct Exchange *exchange,
								const ApiError *error);

	/* Usage as cJSON, after so many tokens of output. */
	cJSON	   *(*make_usage) (const struct Exchange *exchange,
							   uint64_t output_tokens);

	/* A plain reply: all up to the filler, and all after it. */
	void		(*write_open) (Buf *out, const struct Exchange *exchange,
							   const struct Ask *ask);
	void		(*write_close) (Buf *out, const struct Exchange *exchange);

	/* Server-sent events. */
	void		(*stream_open) (Buf *out, const struct Exchange *exchange);
	void		(*stream_piece) (Buf *out, const struct Exchange *exchange,
								 const char *text, size_t len);
	void		(*stream_close) (Buf *out, const struct Exchange *exchange);
	void		(*stream_error) (Buf *out, const struct Exchange *exchange);
} Dialect;

extern const Dialect dialect_openai;
extern const Dialect dialect_embeddings;
extern const Dialect dialect_anthropic;

void		openai_write_models(Buf *out, const char *prefix,
								size_t prefix_len);
void		openai_write_headers(Buf *out, const struct Exchange *exchange);
void		openai_write_error(Buf *out, const struct Exchange *exchange,
							   const ApiError *error);
cJSON	   *openai_make_usage(const struct Exchange *exchange,
							  uint64_t output_tokens);
void		anthropic_write_models(Buf *out, const char *prefix,
								   size_t prefix_len);

#endif

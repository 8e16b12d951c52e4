/*
 * ask.h: what a request asks of a model, in no dialect.
 */
#ifndef UPSTREAM_ASK_H
#define UPSTREAM_ASK_H

#include "dialect.h"

#define ASK_NO_LIMIT (-1)

/* Strings point into json or joined. */
typedef struct Ask
{
	cJSON	   *json;
	const char *model;
	const char *prompt;			/* text of the last user message */
	size_t		prompt_len;
	uint64_t	text_bytes;		/* of all messages */
	double		max_tokens;
	bool		stream;
	bool		include_usage;
	Buf			joined;

	/* Embeddings. */
	const cJSON *inputs;
	int			dimensions;		/* 0 = the model's */
	bool		base64;
} Ask;

bool		ask_parse(Ask *ask, const char *body, size_t len,
					  ApiError *error);
bool		ask_read_model(Ask *ask, ApiError *error);
bool		ask_read_messages(Ask *ask, const char *const *roles,
							  ApiError *error);
bool		ask_read_stream(Ask *ask, ApiError *error);
bool		ask_refuse(ApiError *error, const char *message,
					   const char *param, const char *code);
void		ask_free(Ask *ask);

#endif

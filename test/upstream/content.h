/*
 * content.h: what a model says.
 */
#ifndef UPSTREAM_CONTENT_H
#define UPSTREAM_CONTENT_H

#include "serve.h"

void		content_build(Exchange *exchange, const Ask *ask);
uint64_t	content_tokens(uint64_t bytes);

#endif

/*
 * text.h
 *	  Text between UTF-8, which is what travels, and the server encoding.
 */
#ifndef MR_TEXT_H
#define MR_TEXT_H

#include "postgres.h"

extern char *mr_text_from_utf8(const char *utf8, size_t bytes,
							   size_t *result_bytes);
extern char *mr_text_from_utf8_lossy(const char *utf8, size_t bytes);
extern char *mr_text_to_utf8(const char *value, size_t bytes,
							 size_t *utf8_bytes);

#endif							/* MR_TEXT_H */

/*
 * buf.h: growable byte buffers that every part of the server shares.
 */
#ifndef UPSTREAM_BUF_H
#define UPSTREAM_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buf
{
	char	   *data;
	size_t		len;
	size_t		cap;
} Buf;

/* What a buffer may keep between two requests. */
#define BUF_KEEP_BYTES (128 * 1024)

void	   *mem_alloc(size_t bytes);
char	   *mem_strdup(const char *text);
void		die(const char *format,...)
			__attribute__((format(printf, 1, 2), noreturn));

char	   *buf_reserve(Buf *buf, size_t more);
void		buf_append(Buf *buf, const void *bytes, size_t len);
void		buf_puts(Buf *buf, const char *text);
void		buf_printf(Buf *buf, const char *format,...)
			__attribute__((format(printf, 2, 3)));
void		buf_json(Buf *buf, const char *text, size_t len);
void		buf_json_clean(Buf *buf, const char *text, size_t len);
void		buf_clear(Buf *buf);
void		buf_free(Buf *buf);

size_t		utf8_cut(const char *text, size_t len, size_t max);
size_t		utf8_valid(const char *text, size_t len);

#endif

/*
 * buf.c: growable byte buffers, JSON string escaping and UTF-8 boundaries.
 *
 * Running out of memory ends the program: a test server has nothing better
 * to do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

/* Ends the program with a message on standard error. */
void
die(const char *format,...)
{
	va_list		args;

	fputs("upstream: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Zeroed memory that the caller frees. */
void *
mem_alloc(size_t bytes)
{
	void	   *memory = calloc(1, bytes);

	if (memory == NULL)
		die("out of memory");
	return memory;
}

/* A copy of text that the caller frees. */
char *
mem_strdup(const char *text)
{
	char	   *copy = strdup(text);

	if (copy == NULL)
		die("out of memory");
	return copy;
}

/* Makes room for `more` bytes and gives the place where they go. */
char *
buf_reserve(Buf *buf, size_t more)
{
	size_t		cap = buf->cap ? buf->cap : 512;

	if (buf->len + more <= buf->cap)
		return buf->data + buf->len;
	while (cap < buf->len + more)
		cap *= 2;
	buf->data = realloc(buf->data, cap);
	if (buf->data == NULL)
		die("out of memory");
	buf->cap = cap;
	return buf->data + buf->len;
}

/* Appends bytes. */
void
buf_append(Buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(buf_reserve(buf, len), bytes, len);
	buf->len += len;
}

/* Appends a string without its end mark. */
void
buf_puts(Buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

/* Appends formatted text. */
void
buf_printf(Buf *buf, const char *format,...)
{
	va_list		args;
	int			wanted;
	size_t		room;

	buf_reserve(buf, 128);
	room = buf->cap - buf->len;
	va_start(args, format);
	wanted = vsnprintf(buf->data + buf->len, room, format, args);
	va_end(args);
	if (wanted < 0)
		die("cannot format");
	if ((size_t) wanted >= room)
	{
		buf_reserve(buf, (size_t) wanted + 1);
		va_start(args, format);
		vsnprintf(buf->data + buf->len, (size_t) wanted + 1, format, args);
		va_end(args);
	}
	buf->len += (size_t) wanted;
}

/* Writes one character of a JSON string; gives the bytes written. */
static size_t
escape_byte(char *out, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = "btnvfr";

	out[0] = '\\';
	if (byte == '"' || byte == '\\')
	{
		out[1] = (char) byte;
		return 2;
	}
	if (byte >= 8 && byte <= 13 && byte != 11)
	{
		out[1] = shorts[byte - 8];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[byte >> 4];
	out[5] = hex[byte & 15];
	return 6;
}

/*
 * Appends text as the inside of a JSON string.  Bytes from 0x80 pass as they
 * are, so what is not UTF-8 stays so.
 */
void
buf_json(Buf *buf, const char *text, size_t len)
{
	size_t		start = 0;

	buf_reserve(buf, len + 8);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char byte = (unsigned char) text[i];

		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		buf_append(buf, text + start, i - start);
		buf->len += escape_byte(buf_reserve(buf, 8), byte);
		start = i + 1;
	}
	buf_append(buf, text + start, len - start);
}

/* The length of the valid UTF-8 sequence at text, 0 if there is none. */
static size_t
utf8_sequence(const unsigned char *text, size_t len)
{
	size_t		need;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	need = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (need > len)
		return 0;
	for (size_t i = 1; i < need; i++)
	{
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((text[0] == 0xe0 && text[1] < 0xa0) ||
		(text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) ||
		(text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return need;
}

/* How many bytes at the start of text are valid UTF-8. */
size_t
utf8_valid(const char *text, size_t len)
{
	size_t		at = 0;

	while (at < len)
	{
		size_t		step = utf8_sequence((const unsigned char *) text + at,
										 len - at);

		if (step == 0)
			break;
		at += step;
	}
	return at;
}

/* As buf_json, but a byte that is not UTF-8 becomes U+FFFD. */
void
buf_json_clean(Buf *buf, const char *text, size_t len)
{
	size_t		at = 0;

	while (at < len)
	{
		size_t		good = utf8_valid(text + at, len - at);

		buf_json(buf, text + at, good);
		at += good;
		if (at < len)
		{
			buf_puts(buf, "\xef\xbf\xbd");
			at++;
		}
	}
}

/* The greatest length up to max that does not split a UTF-8 sequence. */
size_t
utf8_cut(const char *text, size_t len, size_t max)
{
	size_t		cut = max;

	if (len <= max)
		return len;
	while (cut > 0 && max - cut < 4 &&
		   ((unsigned char) text[cut] & 0xc0) == 0x80)
		cut--;
	if (((unsigned char) text[cut] & 0xc0) == 0x80)
		return max;
	return cut;
}

/* Empties the buffer for the next use and gives back what is very large. */
void
buf_clear(Buf *buf)
{
	if (buf->cap > BUF_KEEP_BYTES)
		buf_free(buf);
	buf->len = 0;
}

/* Gives back the memory. */
void
buf_free(Buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->cap = 0;
}

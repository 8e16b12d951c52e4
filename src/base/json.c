/*
 * json.c
 *	  JSON in and out: checks before cJSON, trees in memory contexts, and a
 *	  writer.
 *
 * cJSON's allocator hooks are process-wide, so they are ours only while cJSON
 * parses and malloc's again after: another library in this backend may use
 * cJSON too.  No function here that calls cJSON can raise while the hooks are
 * ours; running out of memory is raised once cJSON has returned.  A tree must
 * never be given to cJSON_Delete.
 *
 * What cJSON 1.7.15 accepts and the server could not bear is refused before:
 * invalid UTF-8, NUL (raw, as \u0000, or as the result of bad hex digits) and
 * deep nesting.  Lone surrogates cJSON refuses itself.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include <cjson/cJSON.h>

#include "base/json.h"

/* Nodes and strings are carved from blocks that grow between these sizes. */
#define JSON_BLOCK_MIN_BYTES 1024
#define JSON_BLOCK_MAX_BYTES (64 * 1024)

#define ONES	UINT64CONST(0x0101010101010101)
#define HIGHS	UINT64CONST(0x8080808080808080)

/* The allocator behind cJSON during one parse. */
typedef struct JsonArena
{
	char	   *next;
	size_t		left;
	size_t		block_bytes;	/* of the next block */
	bool		out_of_memory;
} JsonArena;

static JsonArena arena;

static const char *check_text(const char *text, size_t bytes);
static const char *check_structure(const char *p, const char *end);
static const char *skip_string(const char *p, const char *end,
							   const char **problem);
static const char *find_quote(const char *p, const char *end);
static const char *check_unicode_escape(const char *p, const char *end);
static const MrJson *parse_checked(const char *text, size_t bytes);
static void *arena_alloc(size_t bytes);
static void *arena_refill(size_t bytes);
static void arena_free(void *pointer);
static void append_number(StringInfo out, double value);
static void append_members(StringInfo out, const MrJson *node);
static const char *find_escape(const char *p, const char *end);
static void append_escape(StringInfo out, unsigned char c);

/*
 * Read JSON text of the given length; it need not be NUL-terminated.
 *
 * Returns the tree, or NULL with a static text in *problem.  Raises only when
 * memory runs out.
 */
const MrJson *
mr_json_parse(const char *text, size_t bytes, const char **problem)
{
	const MrJson *tree;

	*problem = check_text(text, bytes);
	if (*problem != NULL)
		return NULL;

	tree = parse_checked(text, bytes);
	if (arena.out_of_memory)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while reading JSON of %zu bytes.", bytes)));
	if (tree == NULL)
		*problem = "invalid JSON";
	return tree;
}

/* What forbids giving the text to cJSON, or NULL. */
static const char *
check_text(const char *text, size_t bytes)
{
	if (bytes == 0)
		return "empty text";
	if (bytes > MaxAllocSize)
		return "text too long";
	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) bytes) != (int) bytes)
		return "invalid UTF-8 or a NUL byte";
	return check_structure(text, text + bytes);
}

/* Bound the depth and check the escapes, without judging the grammar. */
static const char *
check_structure(const char *p, const char *end)
{
	const char *problem = NULL;
	int			depth = 0;

	while (p < end)
	{
		switch (*p++)
		{
			case '"':
				p = skip_string(p, end, &problem);
				if (problem != NULL)
					return problem;
				break;
			case '{':
			case '[':
				if (++depth > MR_JSON_MAX_DEPTH)
					return "nested too deeply";
				break;
			case '}':
			case ']':
				depth--;
				break;
			default:
				break;
		}
	}
	return NULL;
}

/* From behind the opening quote to behind the closing one, or the end. */
static const char *
skip_string(const char *p, const char *end, const char **problem)
{
	for (;;)
	{
		p = find_quote(p, end);
		if (p >= end)
			return end;
		if (*p == '"')
			return p + 1;

		/* a backslash and the byte that it escapes */
		if (p + 1 < end && p[1] == 'u')
			*problem = check_unicode_escape(p + 2, end);
		if (*problem != NULL)
			return end;
		p += 2;
	}
}

/*
 * The first quote or backslash.  Eight bytes at a time: (w - ONES) & ~w has
 * the high bit set in the lowest zero byte of w (and nowhere if there is
 * none).
 */
static const char *
find_quote(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8)
	{
		uint64		word;
		uint64		quote;
		uint64		slash;

		memcpy(&word, p, 8);
		quote = word ^ (ONES * '"');
		slash = word ^ (ONES * '\\');
		if ((((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) & HIGHS)
			break;
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Four hex digits that are not all zero: cJSON makes NUL of anything else. */
static const char *
check_unicode_escape(const char *p, const char *end)
{
	bool		nonzero = false;

	if (end - p < 4)
		return "incomplete \\u escape";
	for (int i = 0; i < 4; i++)
	{
		if (!isxdigit((unsigned char) p[i]))
			return "invalid \\u escape";
		if (p[i] != '0')
			nonzero = true;
	}
	return nonzero ? NULL : "\\u0000 cannot be represented as text";
}

/* Must not raise: cJSON's hooks are ours until it returns. */
static const MrJson *
parse_checked(const char *text, size_t bytes)
{
	cJSON_Hooks hooks = {.malloc_fn = arena_alloc, .free_fn = arena_free};
	const char *rest = NULL;
	const MrJson *tree;

	memset(&arena, 0, sizeof(arena));
	arena.block_bytes = Min(Max(bytes * 2, JSON_BLOCK_MIN_BYTES),
							JSON_BLOCK_MAX_BYTES);
	cJSON_InitHooks(&hooks);
	tree = cJSON_ParseWithLengthOpts(text, bytes, &rest, false);
	cJSON_InitHooks(NULL);

	if (tree == NULL)
		return NULL;
	for (; rest < text + bytes; rest++)
	{
		if (strchr(" \t\r\n", *rest) == NULL)
			return NULL;
	}
	return tree;
}

static void *
arena_alloc(size_t bytes)
{
	void	   *pointer;

	if (bytes > MaxAllocSize)
	{
		arena.out_of_memory = true;
		return NULL;
	}
	bytes = MAXALIGN(bytes);
	if (bytes > arena.left)
		return arena_refill(bytes);
	pointer = arena.next;
	arena.next += bytes;
	arena.left -= bytes;
	return pointer;
}

/* A large piece gets memory of its own; else a new block is begun. */
static void *
arena_refill(size_t bytes)
{
	bool		own = bytes > arena.block_bytes / 4;
	size_t		block_bytes = own ? bytes : arena.block_bytes;
	char	   *block;

	block = MemoryContextAllocExtended(CurrentMemoryContext, block_bytes,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (block == NULL)
		arena.out_of_memory = true;
	else if (!own)
	{
		arena.next = block + bytes;
		arena.left = block_bytes - bytes;
		arena.block_bytes = Min(block_bytes * 2, JSON_BLOCK_MAX_BYTES);
	}
	return block;
}

/* Memory goes with the memory context. */
static void
arena_free(void *pointer)
{
	(void) pointer;
}

/*
 * The node at a path of member names and array indexes joined by dots, such
 * as choices.0.message; NULL when there is none.
 */
const MrJson *
mr_json_get(const MrJson *node, const char *path)
{
	while (node != NULL && *path != '\0')
	{
		size_t		length = strcspn(path, ".");
		const MrJson *child = node->child;

		if (cJSON_IsArray(node))
		{
			for (long i = strtol(path, NULL, 10); i > 0 && child; i--)
				child = child->next;
		}
		else if (cJSON_IsObject(node))
		{
			while (child != NULL && (strncmp(child->string, path, length) != 0
									 || child->string[length] != '\0'))
				child = child->next;
		}
		else
			child = NULL;

		node = child;
		path += length + (path[length] == '.');
	}
	return node;
}

/* The member with this exact name, which may hold dots. */
const MrJson *
mr_json_member(const MrJson *object, const char *key)
{
	const MrJson *child = NULL;

	if (mr_json_is_object(object))
		child = object->child;
	while (child != NULL && strcmp(child->string, key) != 0)
		child = child->next;
	return child;
}

/* The first element of an array or member of an object. */
const MrJson *
mr_json_first(const MrJson *node)
{
	return node == NULL ? NULL : node->child;
}

const MrJson *
mr_json_next(const MrJson *node)
{
	return node == NULL ? NULL : node->next;
}

/* The name of a member; NULL for an element of an array. */
const char *
mr_json_key(const MrJson *node)
{
	return node == NULL ? NULL : node->string;
}

bool
mr_json_is_object(const MrJson *node)
{
	return cJSON_IsObject(node);
}

bool
mr_json_is_array(const MrJson *node)
{
	return cJSON_IsArray(node);
}

bool
mr_json_is_null(const MrJson *node)
{
	return cJSON_IsNull(node);
}

bool
mr_json_is_true(const MrJson *node)
{
	return cJSON_IsTrue(node);
}

/* The text of a string node, in the tree; NULL for anything else. */
const char *
mr_json_string(const MrJson *node)
{
	return cJSON_IsString(node) ? node->valuestring : NULL;
}

bool
mr_json_double(const MrJson *node, double *value)
{
	if (!cJSON_IsNumber(node) || !isfinite(node->valuedouble))
		return false;
	*value = node->valuedouble;
	return true;
}

/* False when the number is no integer or might not be exact. */
bool
mr_json_int64(const MrJson *node, int64 *value)
{
	double		number;

	if (!mr_json_double(node, &number) || number != floor(number) ||
		fabs(number) > (double) MR_JSON_MAX_INTEGER)
		return false;
	*value = (int64) number;
	return true;
}

const char *
mr_json_get_string(const MrJson *node, const char *path)
{
	return mr_json_string(mr_json_get(node, path));
}

bool
mr_json_get_double(const MrJson *node, const char *path, double *value)
{
	return mr_json_double(mr_json_get(node, path), value);
}

bool
mr_json_get_int64(const MrJson *node, const char *path, int64 *value)
{
	return mr_json_int64(mr_json_get(node, path), value);
}

/*
 * Write a tree without white space.  Numbers are written from their double,
 * one that overflowed as null.
 */
void
mr_json_append(StringInfo out, const MrJson *node)
{
	switch (node->type & 0xFF)
	{
		case cJSON_False:
			appendStringInfoString(out, "false");
			break;
		case cJSON_True:
			appendStringInfoString(out, "true");
			break;
		case cJSON_Number:
			append_number(out, node->valuedouble);
			break;
		case cJSON_String:
			mr_json_append_string(out, node->valuestring);
			break;
		case cJSON_Array:
		case cJSON_Object:
			append_members(out, node);
			break;
		default:
			appendStringInfoString(out, "null");
			break;
	}
}

static void
append_number(StringInfo out, double value)
{
	if (isfinite(value))
		mr_json_append_double(out, value);
	else
		appendStringInfoString(out, "null");
}

static void
append_members(StringInfo out, const MrJson *node)
{
	bool		object = mr_json_is_object(node);

	appendStringInfoChar(out, object ? '{' : '[');
	for (const MrJson *child = node->child; child; child = child->next)
	{
		if (child != node->child)
			appendStringInfoChar(out, ',');
		if (object)
		{
			mr_json_append_string(out, child->string);
			appendStringInfoChar(out, ':');
		}
		mr_json_append(out, child);
	}
	appendStringInfoChar(out, object ? '}' : ']');
}

/* The tree as text in CurrentMemoryContext. */
char *
mr_json_print(const MrJson *node)
{
	StringInfoData out;

	initStringInfo(&out);
	mr_json_append(&out, node);
	return out.data;
}

/* Write a finite double so that it reads back the same. */
void
mr_json_append_double(StringInfo out, double value)
{
	char		text[40];

	if (value == floor(value) && fabs(value) <= (double) MR_JSON_MAX_INTEGER)
		snprintf(text, sizeof(text), INT64_FORMAT, (int64) value);
	else
	{
		snprintf(text, sizeof(text), "%.15g", value);
		if (strtod(text, NULL) != value)
			snprintf(text, sizeof(text), "%.17g", value);
	}
	appendStringInfoString(out, text);
}

void
mr_json_append_string(StringInfo out, const char *text)
{
	mr_json_append_text(out, text, strlen(text));
}

/*
 * Write UTF-8 text as a JSON string with its quotes.  Bytes over 0x7F go
 * through as they are; runs that need no escape are copied whole.
 */
void
mr_json_append_text(StringInfo out, const char *text, size_t bytes)
{
	const char *end = text + bytes;

	if (bytes > MaxAllocSize)
		elog(ERROR, "JSON string of %zu bytes", bytes);
	enlargeStringInfo(out, (int) bytes + 2);
	appendStringInfoCharMacro(out, '"');
	while (text < end)
	{
		const char *run_end = find_escape(text, end);

		appendBinaryStringInfo(out, text, (int) (run_end - text));
		text = run_end;
		if (text < end)
			append_escape(out, (unsigned char) *text++);
	}
	appendStringInfoCharMacro(out, '"');
}

/* The first byte that JSON wants escaped; see find_quote. */
static const char *
find_escape(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8)
	{
		uint64		word;
		uint64		quote;
		uint64		slash;
		uint64		control;

		memcpy(&word, p, 8);
		quote = word ^ (ONES * '"');
		slash = word ^ (ONES * '\\');
		control = word - ONES * 0x20;
		if ((((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
			 (control & ~word)) & HIGHS)
			break;
	}
	while (p < end && (unsigned char) *p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static void
append_escape(StringInfo out, unsigned char c)
{
	static const char letters[] = "btn\0fr";	/* 0x08 to 0x0D */
	static const char hex[] = "0123456789abcdef";

	enlargeStringInfo(out, 6);
	appendStringInfoCharMacro(out, '\\');
	if (c == '"' || c == '\\')
		appendStringInfoCharMacro(out, c);
	else if (c >= 0x08 && c <= 0x0D && letters[c - 0x08] != '\0')
		appendStringInfoCharMacro(out, letters[c - 0x08]);
	else
	{
		appendStringInfoString(out, "u00");
		appendStringInfoCharMacro(out, hex[c >> 4]);
		appendStringInfoCharMacro(out, hex[c & 0x0F]);
	}
}

/*
 * embed.c: the OpenAI embeddings endpoint with deterministic unit vectors.
 *
 * A vector is the sum of random signs for each word and, with half weight, for
 * the whole text, brought to length one: the same text gives the same vector
 * under every seed, and texts that share words are near to each other.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "content.h"
#include "rng.h"

#define INPUTS_MAX 2048
#define DIMENSIONS_MAX 65536
/* Words of a text that count; the rest would only cost time. */
#define WORDS_MAX 256

static bool
read_options(Ask *ask, const cJSON *json, ApiError *error)
{
	const cJSON *dimensions = cJSON_GetObjectItemCaseSensitive(json,
															   "dimensions");
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(json,
														   "encoding_format");

	if (cJSON_IsNumber(dimensions))
		ask->dimensions = dimensions->valueint;
	if (dimensions != NULL && (!cJSON_IsNumber(dimensions) ||
							   ask->dimensions < 1 ||
							   ask->dimensions > DIMENSIONS_MAX))
		return ask_refuse(error, "dimensions must be in 1..65536",
						  "dimensions", NULL);
	ask->base64 = cJSON_IsString(format) &&
		strcmp(format->valuestring, "base64") == 0;
	if (format != NULL && !ask->base64 &&
		(!cJSON_IsString(format) || strcmp(format->valuestring, "float") != 0))
		return ask_refuse(error, "encoding_format must be float or base64",
						  "encoding_format", NULL);
	return true;
}

/* Whether the input is one text, or one list of tokens. */
static bool
is_single(const cJSON *input)
{
	return cJSON_IsString(input) ||
		(cJSON_IsArray(input) && cJSON_IsNumber(input->child));
}

static bool
count_input(Ask *ask, const cJSON *input)
{
	if (cJSON_IsString(input) && input->valuestring[0] != '\0')
	{
		ask->text_bytes += strlen(input->valuestring);
		if (ask->prompt_len == 0)
		{
			ask->prompt = input->valuestring;
			ask->prompt_len = strlen(input->valuestring);
		}
		return true;
	}
	ask->text_bytes += 4 * (uint64_t) cJSON_GetArraySize(input);
	return is_single(input) && cJSON_IsArray(input);
}

static bool
read_embeddings(Ask *ask, const cJSON *json, ApiError *error)
{
	const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, "input");
	const cJSON *item;
	bool		good = true;

	ask->inputs = input;
	ask->prompt = "";
	if (is_single(input))
		good = count_input(ask, input);
	else
	{
		good = cJSON_IsArray(input) && input->child != NULL &&
			cJSON_GetArraySize(input) <= INPUTS_MAX;
		cJSON_ArrayForEach(item, input)
			good = good && count_input(ask, item);
	}
	if (!good)
		return ask_refuse(error, "input must be a non-empty string or an "
						  "array of at most 2048 of them", "input", NULL);
	return read_options(ask, json, error);
}

static void
add_signs(float *vector, int dimensions, uint64_t hash, float weight)
{
	uint64_t	bits = 0;

	for (int i = 0; i < dimensions; i++)
	{
		if (i % 64 == 0)
			bits = rng_mix(hash + (uint64_t) i);
		vector[i] += bits & 1 ? weight : -weight;
		bits >>= 1;
	}
}

static void
add_words(float *vector, int dimensions, const char *text)
{
	for (int words = 0; words < WORDS_MAX && *text != '\0'; words++)
	{
		uint64_t	hash = 0;

		while (*text != '\0' && isspace((unsigned char) *text))
			text++;
		if (*text == '\0')
			break;
		for (; *text != '\0' && !isspace((unsigned char) *text); text++)
			hash = rng_mix(hash ^ (uint64_t) tolower((unsigned char) *text));
		add_signs(vector, dimensions, hash, 1);
	}
}

/* Fills the vector of a text or a list of tokens; its length is one. */
static void
make_vector(float *vector, int dimensions, const cJSON *input)
{
	const cJSON *token;
	uint64_t	hash = 0;
	double		square = 0;

	memset(vector, 0, sizeof(float) * (size_t) dimensions);
	if (cJSON_IsString(input))
	{
		hash = rng_hash(1, input->valuestring, strlen(input->valuestring));
		add_words(vector, dimensions, input->valuestring);
	}
	cJSON_ArrayForEach(token, input)
		hash = rng_mix(hash ^ (uint64_t) token->valueint);
	add_signs(vector, dimensions, hash, 0.5f);
	for (int i = 0; i < dimensions; i++)
		square += (double) vector[i] * vector[i];
	for (int i = 0; i < dimensions; i++)
		vector[i] = (float) (vector[i] / sqrt(square));
}

static void
write_base64(Buf *out, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";
	char	   *to = buf_reserve(out, (len + 2) / 3 * 4);
	char	   *start = to;

	for (size_t i = 0; i < len; i += 3)
	{
		uint32_t	word = (uint32_t) bytes[i] << 16;

		if (i + 1 < len)
			word |= (uint32_t) bytes[i + 1] << 8;
		if (i + 2 < len)
			word |= bytes[i + 2];
		*to++ = digits[word >> 18];
		*to++ = digits[word >> 12 & 63];
		*to++ = i + 1 < len ? digits[word >> 6 & 63] : '=';
		*to++ = i + 2 < len ? digits[word & 63] : '=';
	}
	out->len += (size_t) (to - start);
}

/* Base64 is of little-endian floats, which is what this host has. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte order");

static void
write_vector(Buf *out, const float *vector, int dimensions, bool base64)
{
	buf_puts(out, base64 ? "\"" : "[");
	if (base64)
		write_base64(out, (const unsigned char *) vector,
					 sizeof(float) * (size_t) dimensions);
	for (int i = 0; !base64 && i < dimensions; i++)
		buf_printf(out, i > 0 ? ",%.9g" : "%.9g", (double) vector[i]);
	buf_puts(out, base64 ? "\"" : "]");
}

static void
write_open(Buf *out, const Exchange *exchange, const Ask *ask)
{
	int			dimensions = ask->dimensions ? ask->dimensions
		: (int) exchange->config->dimensions;
	float	   *vector = mem_alloc(sizeof(float) * (size_t) dimensions);
	const cJSON *input = is_single(ask->inputs) ? ask->inputs
		: ask->inputs->child;

	buf_puts(out, "{\"object\":\"list\",\"data\":[");
	for (int index = 0; input != NULL && exchange->shape != REPLY_EMPTY;
		 index++)
	{
		buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%d,"
				   "\"embedding\":", index > 0 ? "," : "", index);
		if (exchange->shape == REPLY_NULL)
			buf_puts(out, "null");
		else
		{
			make_vector(vector, dimensions, input);
			write_vector(out, vector, dimensions, ask->base64);
		}
		buf_puts(out, "}");
		input = input == ask->inputs ? NULL : input->next;
	}
	free(vector);
}

static void
write_close(Buf *out, const Exchange *exchange)
{
	buf_puts(out, "],\"model\":\"");
	buf_append(out, exchange->name.data, exchange->name.len);
	buf_puts(out, "\"");
	if (exchange->usage.len > 0)
	{
		buf_puts(out, ",\"usage\":");
		buf_append(out, exchange->usage.data, exchange->usage.len);
	}
	buf_puts(out, "}");
}

const Dialect dialect_embeddings = {
	.name = "embeddings",
	.read = read_embeddings,
	.write_headers = openai_write_headers,
	.write_error = openai_write_error,
	.make_usage = openai_make_usage,
	.write_open = write_open,
	.write_close = write_close,
};

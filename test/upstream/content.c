/*
 * content.c: makes the content of a reply from the model's configuration, the
 * seed and the prompt.
 *
 * A content is a text that is kept in memory, then filler that is not.
 */
#include <inttypes.h>
#include <string.h>

#include "content.h"
#include "rng.h"

#define ECHO_BYTES 80
#define CATEGORY_MARK "[category:"

/* What the placeholders of a template stand for. */
typedef struct Facts
{
	const ModelConfig *config;
	const Ask  *ask;
	const char *category;
	size_t		category_len;
	const char *grade;			/* "" without skill */
	uint64_t	hash;
	uint64_t	n;
} Facts;

static void write_template(Buf *out, const char *text, const Facts *facts);

/* Tokens are counted as four bytes each. */
uint64_t
content_tokens(uint64_t bytes)
{
	return (bytes + 3) / 4;
}

static void
find_category(Facts *facts)
{
	const char *end = facts->ask->prompt + facts->ask->prompt_len;
	const char *mark = memmem(facts->ask->prompt, facts->ask->prompt_len,
							  CATEGORY_MARK, strlen(CATEGORY_MARK));
	const char *stop;

	facts->category = "default";
	facts->category_len = strlen("default");
	if (mark == NULL)
		return;
	mark += strlen(CATEGORY_MARK);
	stop = memchr(mark, ']', (size_t) (end - mark));
	if (stop != NULL)
	{
		facts->category = mark;
		facts->category_len = (size_t) (stop - mark);
	}
}

/* Whether the model is good at this prompt: the same for the same seed. */
static const char *
find_grade(const Facts *facts)
{
	const ModelConfig *config = facts->config;
	const Skill *found = NULL;

	for (int i = 0; i < config->skill_count; i++)
	{
		const Skill *skill = &config->skills[i];

		if (strlen(skill->category) == facts->category_len &&
			memcmp(skill->category, facts->category, facts->category_len) == 0)
			found = skill;
		else if (found == NULL && strcmp(skill->category, "default") == 0)
			found = skill;
	}
	if (config->skill_count == 0)
		return "";
	return rng_unit(rng_draw(facts->hash, 0, RNG_SKILL)) <
		(found ? found->good : 0) ? "[good]" : "[bad]";
}

static void
find_facts(Facts *facts, const Exchange *exchange, const Ask *ask)
{
	uint64_t	model = rng_hash(model_seed(), ask->model, strlen(ask->model));

	facts->config = exchange->config;
	facts->ask = ask;
	facts->n = exchange->n + 1;
	facts->hash = rng_hash(model, ask->prompt, ask->prompt_len);
	find_category(facts);
	facts->grade = find_grade(facts);
}

/* Writes the text that stands before any filler. */
static void
write_text(Buf *out, const Facts *facts)
{
	const ModelConfig *config = facts->config;
	const Ask  *ask = facts->ask;

	if (config->reply_json != NULL)
	{
		buf_puts(out, config->reply_json);
		return;
	}
	if (facts->grade[0] != '\0' &&
		(config->reply == NULL || strstr(config->reply, "{grade}") == NULL))
		buf_printf(out, "%s ", facts->grade);
	if (config->reply != NULL)
	{
		write_template(out, config->reply, facts);
		return;
	}
	buf_printf(out, "model %s says: ", ask->model);
	buf_append(out, ask->prompt,
			   utf8_cut(ask->prompt, ask->prompt_len, ECHO_BYTES));
}

static void
write_placeholder(Buf *out, const char *name, size_t len, const Facts *facts)
{
	if (len == 5 && memcmp(name, "model", 5) == 0)
		buf_puts(out, facts->ask->model);
	else if (len == 6 && memcmp(name, "prompt", 6) == 0)
		buf_append(out, facts->ask->prompt, facts->ask->prompt_len);
	else if (len == 4 && memcmp(name, "hash", 4) == 0)
		buf_printf(out, "%016" PRIx64, facts->hash);
	else if (len == 1 && name[0] == 'n')
		buf_printf(out, "%" PRIu64, facts->n);
	else if (len == 5 && memcmp(name, "grade", 5) == 0)
		buf_puts(out, facts->grade);
	else if (len == 8 && memcmp(name, "category", 8) == 0)
		buf_append(out, facts->category, facts->category_len);
	else
	{
		buf_puts(out, "{");
		buf_append(out, name, len);
		buf_puts(out, "}");
	}
}

/* Replaces the placeholders; braces that hold none stay as they are. */
static void
write_template(Buf *out, const char *text, const Facts *facts)
{
	while (*text != '\0')
	{
		size_t		plain = strcspn(text, "{");
		size_t		len;

		buf_append(out, text, plain);
		text += plain;
		if (*text == '\0')
			break;
		len = strcspn(text + 1, "{}");
		if (text[1 + len] != '}')
		{
			buf_append(out, text, 1);
			text++;
			continue;
		}
		write_placeholder(out, text + 1, len, facts);
		text += len + 2;
	}
}

/* Cuts the content where the caller's limit of tokens ends it. */
static void
apply_limit(Exchange *exchange, double max_tokens)
{
	uint64_t	bytes = exchange->text.len + exchange->pad;
	uint64_t	limit = (uint64_t) max_tokens * 4;

	if (max_tokens < 0 || content_tokens(bytes) <= (uint64_t) max_tokens)
		return;
	exchange->cut_by_limit = true;
	if (limit >= exchange->text.len)
	{
		exchange->pad = limit - exchange->text.len;
		return;
	}
	exchange->pad = 0;
	exchange->text.len = utf8_cut(exchange->text.data, exchange->text.len,
								  (size_t) limit);
}

/* Sets the text, the filler and the number of output tokens. */
void
content_build(Exchange *exchange, const Ask *ask)
{
	Facts		facts;
	uint64_t	wanted = (uint64_t) exchange->config->reply_bytes;

	find_facts(&facts, exchange, ask);
	write_text(&exchange->text, &facts);
	if (wanted > exchange->text.len)
		exchange->pad = wanted - exchange->text.len;
	apply_limit(exchange, ask->max_tokens);
	exchange->output_tokens = content_tokens(exchange->text.len +
											 exchange->pad);
}

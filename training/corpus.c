/*
 * corpus.c
 *	  Reads the files of prompts: records that open with a line "--- N", the
 *	  tokens of the reply, and hold the prompt.
 */
#include "postgres.h"

#include <math.h>

#include "corpus.h"
#include "plain.h"

#define MARK "--- "

const MrCategory learned_categories[MR_CATEGORY_TOKENS] = {
	MR_CATEGORY_CODE,
	MR_CATEGORY_MATH,
	MR_CATEGORY_REASONING,
	MR_CATEGORY_KNOWLEDGE,
	MR_CATEGORY_INSTRUCTION_FOLLOWING,
	MR_CATEGORY_WRITING_CHAT,
	MR_CATEGORY_MULTILINGUAL,
	MR_CATEGORY_EXTRACTION_SUMMARIZATION,
	MR_CATEGORY_TOOL_USE
};

static void read_category(const char *path, int output, Corpus *corpus);
static char *read_file(const char *path);
static char *read_record(const char *path, char *record, int output,
						 Corpus *corpus);
static void read_terms(const char *text, size_t bytes, Example *example);
static void fail(const char *path, const char *problem);

void
read_corpus(const char *directory, Corpus *corpus)
{
	char		path[MAXPGPATH];

	corpus->nexamples = 0;
	for (int i = 0; i < MR_CATEGORY_TOKENS; i++)
	{
		snprintf(path, sizeof(path), "%s/%s.txt", directory,
				 mr_category_name(learned_categories[i]));
		read_category(path, i, corpus);
	}
}

static void
read_category(const char *path, int output, Corpus *corpus)
{
	char	   *text = read_file(path);
	char	   *next = text;

	while (*next != '\0')
		next = read_record(path, next, output, corpus);
	free(text);
}

static char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	char	   *text;
	long		bytes;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 ||
		(bytes = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
		fail(path, "cannot be read");
	text = malloc(bytes + 1);
	if (text == NULL || fread(text, 1, bytes, file) != (size_t) bytes)
		fail(path, "cannot be read");
	text[bytes] = '\0';
	fclose(file);
	return text;
}

/*
 * Adds the record at its mark; returns the next one, or the end of the text.
 */
static char *
read_record(const char *path, char *record, int output, Corpus *corpus)
{
	Example    *example = &corpus->examples[corpus->nexamples++];
	char	   *text;
	char	   *end;
	size_t		bytes;

	if (strncmp(record, MARK, strlen(MARK)) != 0)
		fail(path, "does not begin with a mark");
	if (corpus->nexamples == EXAMPLES_MAX)
		fail(path, "has too many prompts");
	example->output = output;
	example->tokens = strtol(record + strlen(MARK), &text, 10);
	if (example->tokens < 1 || *text++ != '\n')
		fail(path, "has a mark without a number of tokens");
	example->ln_tokens = plain_log(example->tokens);

	end = strstr(text - 1, "\n" MARK);
	end = end == NULL ? text + strlen(text) : end + 1;
	bytes = end - text;
	while (bytes > 0 && text[bytes - 1] == '\n')
		bytes--;
	if (bytes == 0)
		fail(path, "has an empty prompt");
	read_terms(text, bytes, example);
	return end;
}

/*
 * The terms of the model's sum, as category_model.h says.
 */
static void
read_terms(const char *text, size_t bytes, Example *example)
{
	static MrFeatureSpace space;
	const MrFeatures *features = &space.features;
	Term	   *term;

	mr_features_read(text, bytes, NULL, &space);
	example->asked_words = features->asked_words;
	term = malloc(sizeof(Term) * (features->nwords + features->nsurface + 1));
	example->terms = term;
	for (int i = 0; i < features->nwords; i++, term++)
	{
		term->row = mr_category_bucket(features->words[i]);
		term->value = 1 / sqrt((double) features->nwords);
	}
	for (int i = 0; i < features->nsurface; i++, term++)
	{
		term->row = SURFACE_ROW + features->surface[i];
		term->value = SURFACE_VALUE;
	}
	term->row = BIAS_ROW;
	term->value = 1;
	example->nterms = term + 1 - example->terms;
}

static void
fail(const char *path, const char *problem)
{
	fprintf(stderr, "%s %s\n", path, problem);
	exit(2);
}

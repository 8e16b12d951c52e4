/*
 * train_test.c
 *	  Training without a server: evals in any order, the memory bound, missing
 *	  cells, few rows, preferences, what is learned, and artifacts that are
 *	  damaged.
 *
 * Sources: router/features.c router/surface.c router/lexicon.c router/evals.c
 * Sources: router/evals_end.c router/ridge.c router/fit.c router/lengths.c
 * Sources: router/validate.c router/pairs.c router/pack.c
 * Sources: router/pack_report.c router/train.c router/artifact.c
 * Sources: router/prompt.c router/classify.c router/category_weights.c
 */
#include "postgres.h"

#include <math.h>

#include "check.h"
#include "router/artifact.h"
#include "router/layout.h"
#include "router/train.h"
#include "shim.h"

#define PROMPTS 300

static const char *const topics[] = {
	"stars", "rivers", "trees", "bridges", "clouds", "cats", "wheels"
};

/* Prompts of two kinds: even ones are lemmas, which proof is good at. */
static void
make_prompt(int number, char *prompt)
{
	snprintf(prompt, 200, "%s number %d about %s",
			 number % 2 == 0 ? "Prove the lemma" : "Write a sonnet", number,
			 topics[number % lengthof(topics)]);
}

static double
score_of(int number, const char *model)
{
	if (strcmp(model, "cheap") == 0)
		return 0.25;
	return (number % 2 == 0) == (strcmp(model, "proof") == 0) ? 0.875 : 0.375;
}

static const char *
add(MrEvalsBuilder *builder, int number, const char *model)
{
	char		prompt[200];
	MrEvalRow	row = {
		.prompt = prompt,
		.model = model,
		.score = score_of(number, model),
		.cost_usd = strcmp(model, "cheap") == 0 ? 0.001 : 0.01,
		.output_tokens = 100 + number % 2 * 300
	};

	make_prompt(number, prompt);
	row.prompt_bytes = strlen(prompt);
	return mr_evals_add(builder, &row);
}

static MrTrainResult
train(MrEvals *evals)
{
	MrTrainOptions options = {.seed = 1, .folds = 4};
	MrTrainResult result = {0};
	const char *problem = mr_train(evals, &options, &result);

	if (problem != NULL)
		printf("# %s\n", problem);
	return result;
}

/* Rows in steps through the prompts, so that each step is another order. */
static MrTrainResult
train_in_order(int step)
{
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 1024 * 1024 * 64);

	for (int i = 0; i < PROMPTS; i++)
	{
		int			number = (int) ((int64) i * step % PROMPTS);

		add(builder, number, step % 2 == 0 ? "cheap" : "proof");
		add(builder, number, "prose");
		add(builder, number, step % 2 == 0 ? "proof" : "cheap");
	}
	return train(mr_evals_end(builder));
}

static double
expect(const MrTrainResult *result, const char *prompt, const char *model,
	   MrLearned *found)
{
	static MrFeatureSpace space;
	const MrArtifact *artifact = (const MrArtifact *) result->artifact;
	MrLearned	learned[MR_EVALS_MODELS_MAX];

	mr_features_read(prompt, strlen(prompt), NULL, &space);
	mr_artifact_predict(artifact, &space.features, learned);
	for (int i = 0; i < mr_artifact_nmodels(artifact); i++)
		if (strcmp(mr_artifact_model(artifact, i), model) == 0)
		{
			if (found)
				*found = learned[i];
			return learned[i].quality;
		}
	return NAN;
}

static void
test_learning(void)
{
	MrTrainResult result = train_in_order(1);
	MrLearned	proof;
	MrLearned	other;
	const char *problem = NULL;

	check(mr_artifact_check(result.artifact, result.artifact_bytes, &problem),
		  "what was trained is an artifact");
	check(result.artifact_bytes < MR_ARTIFACT_MAX_BYTES, "within its bound");
	expect(&result, "Prove the lemma number 12 about cats", "proof", &proof);
	expect(&result, "Write a sonnet number 13 about cats", "proof", &other);
	check(proof.quality > 0.7 && other.quality < 0.55,
		  "the words of a prompt tell");
	check(expect(&result, "Write a sonnet about a cat", "prose", NULL) >
		  expect(&result, "Write a sonnet about a cat", "proof", NULL),
		  "for prompts it has not seen, too");
	check(proof.quality_stderr > 0 && proof.quality_stderr < 0.3,
		  "with a standard error");
	check(proof.output_tokens > 80 && proof.output_tokens < 150,
		  "tokens of a short kind");
	check(other.output_tokens > 300 && other.output_tokens < 500,
		  "tokens of a long kind");
	check(proof.cost_usd > 0.002 && proof.cost_usd < 0.02, "cost");
	check(mr_artifact_margin((MrArtifact *) result.artifact) < 1,
		  "it may leave the best single model");
	check(strstr(result.report, "\"leaves_best_single\":true") != NULL,
		  "and the report says so");
	shim_reset();
}

static void
test_order(void)
{
	MrTrainResult one = train_in_order(1);
	MrTrainResult two = train_in_order(7);
	MrTrainResult three = train_in_order(298);

	check(one.artifact_bytes == two.artifact_bytes &&
		  memcmp(one.artifact, two.artifact, one.artifact_bytes) == 0,
		  "rows in another order give the same artifact");
	check(three.artifact_bytes > 0, "half of the rows, twice, are no trouble");
	shim_reset();
}

static void
test_bound(void)
{
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 0);
	MrEvalsBuilder *reversed = mr_evals_begin(NULL, 0);
	MrEvals    *a;
	MrEvals    *b;
	bool		same = true;

	for (int i = 0; i < 20000; i++)
	{
		add(builder, i, "proof");
		add(builder, i, "prose");
		add(reversed, 19999 - i, "prose");
		add(reversed, 19999 - i, "proof");
	}
	a = mr_evals_end(builder);
	b = mr_evals_end(reversed);
	check(a->rows == 40000, "every row is counted");
	check(a->nprompts < 10000 && a->nprompts > 500, "some prompts are kept");
	check(a->rows_kept == 2 * a->nprompts, "with all of their rows");
	check(a->kept_share < 1 && fabs(a->kept_share * 20000 / a->nprompts - 1) <
		  0.2, "kept_share tells how many");
	check(a->nprompts == b->nprompts, "the same number in any order");
	for (int i = 0; i < Min(a->nprompts, b->nprompts); i++)
		same &= a->prompts[i].key == b->prompts[i].key &&
			a->prompts[i].ncells == 2 && b->prompts[i].ncells == 2 &&
			a->prompts[i].cells[1].score == b->prompts[i].cells[1].score;
	check(same, "and the same ones");
	shim_reset();
}

static void
test_rows(void)
{
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 1024 * 1024);
	MrEvalRow	row = {
		.prompt = "p", .prompt_bytes = 1, .model = "m", .score = 0.5,
		.cost_usd = NAN, .output_tokens = NAN
	};
	char		name[20];
	MrEvals    *evals;

	check(mr_evals_add(builder, &row) == NULL, "a row");
	row.score = 1;
	check(mr_evals_add(builder, &row) == NULL, "the same cell again");
	row.score = 1.5;
	check(mr_evals_add(builder, &row) != NULL, "a score above 1");
	row.score = NAN;
	check(mr_evals_add(builder, &row) != NULL, "a score that is no number");
	row.score = 0;
	row.cost_usd = -1;
	check(mr_evals_add(builder, &row) != NULL, "a cost below 0");
	row.cost_usd = NAN;
	for (int i = 0; i < MR_EVALS_MODELS_MAX - 1; i++)
	{
		snprintf(name, sizeof(name), "m%d", i);
		row.model = name;
		mr_evals_add(builder, &row);
	}
	row.model = "one more";
	check(mr_evals_add(builder, &row) != NULL, "too many models");
	evals = mr_evals_end(builder);
	check(evals->nprompts == 1 && evals->nmodels == MR_EVALS_MODELS_MAX,
		  "what was wrong left nothing");
	check(evals->prompts[0].cells[0].score == 0.75, "a cell is averaged");
	shim_reset();
}

/* No row at all, one model, one prompt, equal and constant scores. */
static void
test_little(void)
{
	MrTrainOptions options = {.folds = 4};
	MrTrainResult result = {0};
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 0);

	check(mr_train(mr_evals_end(builder), &options, &result) != NULL,
		  "no rows");
	builder = mr_evals_begin(NULL, 0);
	add(builder, 1, "proof");
	check(mr_train(mr_evals_end(builder), &options, &result) != NULL,
		  "one model");
	builder = mr_evals_begin(NULL, 0);
	add(builder, 1, "proof");
	add(builder, 1, "prose");
	result = train(mr_evals_end(builder));
	check(fabs(expect(&result, "", "proof", NULL) - 0.375) < 0.2,
		  "one prompt");
	builder = mr_evals_begin(NULL, 0);
	for (int i = 0; i < 50; i++)
	{
		add(builder, 2 * i, "proof");
		add(builder, 2 * i, "prose");
	}
	result = train(mr_evals_end(builder));
	check(fabs(expect(&result, "Prove it", "proof", NULL) - 0.875) < 0.05,
		  "constant scores are what is expected");
	shim_reset();
}

/* A model that was asked for 20 prompts only, each of which another was. */
static void
test_new_model(void)
{
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 1024 * 1024 * 64);
	MrTrainResult result;
	double		quality;

	for (int i = 0; i < PROMPTS; i++)
	{
		add(builder, i, "proof");
		add(builder, i, "prose");
		if (i % 15 == 0)
			add(builder, i, "cheap");
	}
	result = train(mr_evals_end(builder));
	quality = expect(&result, "Prove the lemma number 8", "cheap", NULL);
	check(quality > 0.25 && quality < 0.6,
		  "a model of few rows is drawn to the mean");
	shim_reset();
}

/* Each prompt was sent to one model only, as in a log of calls. */
static void
test_one_model_a_prompt(void)
{
	static const char *const models[] = {"cheap", "proof", "prose"};
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 1024 * 1024 * 64);
	MrTrainResult result;

	for (int i = 0; i < 4 * PROMPTS; i++)
		add(builder, i, models[i / 2 % 3]);
	result = train(mr_evals_end(builder));
	check(expect(&result, "Prove the lemma number 8 about cats", "proof",
				 NULL) >
		  expect(&result, "Prove the lemma number 8 about cats", "prose",
				 NULL), "who is better is learned from one model a prompt");
	shim_reset();
}

static void
test_pairs(void)
{
	MrEvalsBuilder *builder = mr_evals_begin(NULL, 1024 * 1024 * 64);
	MrTrainResult result;

	for (int i = 0; i < PROMPTS; i++)
	{
		char		prompt[200];
		MrEvalRow	row = {
			.prompt = prompt,
			.winner = i % 4 == 3 ? "weak" : "strong",
			.loser = i % 4 == 3 ? "strong" : "weak",
			.cost_usd = NAN, .output_tokens = NAN
		};

		make_prompt(i, prompt);
		row.prompt_bytes = strlen(prompt);
		mr_evals_add(builder, &row);
	}
	result = train(mr_evals_end(builder));
	check(fabs(mr_artifact_mean((MrArtifact *) result.artifact, 0) - 0.75) <
		  0.01, "three wins of four are a quality of 3/4");
	check(expect(&result, "Prove the lemma number 12 about cats", "strong",
				 NULL) >
		  expect(&result, "Write a sonnet number 13 about cats", "strong",
				 NULL), "and on which prompts is learned");
	shim_reset();
}

/* Each byte of the head in turn, and every length: nothing is read outside. */
static void
test_damage(void)
{
	MrTrainResult result = train_in_order(1);
	const char *problem;
	char	   *copy = malloc(result.artifact_bytes);
	static MrFeatureSpace space;
	MrLearned	learned[MR_EVALS_MODELS_MAX];
	int			refused = 0;

	mr_features_read("Prove it", 8, "task", &space);
	for (size_t at = 0; at < sizeof(MrArtifact) + 200; at++)
		for (int change = 1; change < 256; change += 85)
		{
			memcpy(copy, result.artifact, result.artifact_bytes);
			copy[at] ^= change;
			if (mr_artifact_check(copy, result.artifact_bytes, &problem))
				mr_artifact_predict((MrArtifact *) copy, &space.features,
									learned);
			else
				refused++;
		}
	check(refused > 100, "damage of the head is seen");
	check(!mr_artifact_check(result.artifact, result.artifact_bytes - 1,
							 &problem), "a byte short");
	check(!mr_artifact_check("", 0, &problem), "nothing");
	free(copy);
	shim_reset();
}

int
main(void)
{
	test_learning();
	test_order();
	test_bound();
	test_rows();
	test_little();
	test_new_model();
	test_one_model_a_prompt();
	test_pairs();
	test_damage();
	return check_done();
}

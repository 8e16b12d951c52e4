/*
 * classify_test.c
 *	  Tests of router/classify: kinds and lengths of prompts, any bytes, and
 *	  what the request itself says.
 *
 * Sources: router/classify.c router/category_weights.c router/prompt.c
 * Sources: router/predict.c router/features.c router/surface.c
 * Sources: router/lexicon.c base/endpoint.c
 */
#include "postgres.h"

#include <math.h>

#include "router/category_model.h"
#include "router/internal.h"
#include "check.h"

#define LONG_BYTES 100000

static MrPromptFeatures read_bytes(const char *text, size_t bytes);
static MrPromptFeatures read_request(const MrRequest *request);
static MrRequest request_of(const char *prompt);
static bool is_distribution(const MrPromptFeatures *features);
static void test_weights(void);
static void test_edges_of_table(void);
static void test_kinds(void);
static void test_scripts(void);
static void test_nothing(void);
static void test_any_bytes(void);
static void test_cut_characters(void);
static void test_long(void);
static void test_request(void);
static void test_messages(void);
static void test_asked_words(void);
static void test_output_tokens(void);
static double expected_tokens(const MrRequest *request);

int
main(void)
{
	test_weights();
	test_edges_of_table();
	test_kinds();
	test_scripts();
	test_nothing();
	test_any_bytes();
	test_cut_characters();
	test_long();
	test_request();
	test_messages();
	test_asked_words();
	test_output_tokens();
	return check_done();
}

/*
 * The bytes are given in a piece of memory of just their size, so that
 * AddressSanitizer sees a read beyond.
 */
static MrPromptFeatures
read_bytes(const char *text, size_t bytes)
{
	char	   *exact = malloc(Max(bytes, 1));
	MrRequest	request = {.prompt = exact, .prompt_bytes = bytes};
	MrPromptFeatures features;

	memcpy(exact, text, bytes);
	features = read_request(&request);
	free(exact);
	return features;
}

static MrPromptFeatures
read_request(const MrRequest *request)
{
	MrPromptFeatures features;

	memset(&features, 0x7F, sizeof(features));
	mr_router_read_prompt(request, &features);
	return features;
}

static MrRequest
request_of(const char *prompt)
{
	MrRequest	request = {.prompt = prompt, .prompt_bytes = strlen(prompt)};

	return request;
}

/*
 * Sums to 1, names the most probable, and expects a length within bounds.
 */
static bool
is_distribution(const MrPromptFeatures *features)
{
	double		sum = 0;
	double		most = 0;

	for (int i = 0; i < MR_CATEGORIES; i++)
	{
		if (!(features->probability[i] >= 0))
			return false;
		sum += features->probability[i];
		most = Max(most, features->probability[i]);
	}
	return fabs(sum - 1) < 1e-9 &&
		features->probability[features->category] == most &&
		features->output_tokens >= 0 && features->output_tokens <= 8000;
}

static void
test_weights(void)
{
	size_t		length = strlen(mr_category_words);
	bool		one_each[MR_CATEGORIES] = {false};
	bool		all = true;

	check_int(length, MR_CATEGORY_BUCKETS * MR_CATEGORY_OUTPUTS
			  + MR_CATEGORY_LANES - MR_CATEGORY_OUTPUTS,
			  "a row of weights for each bucket, and no more");
	for (int i = 0; i < MR_SURFACE_IDS; i++)
		all = all && (mr_category_surface[i][0] == '\0' ||
					  strlen(mr_category_surface[i]) == MR_CATEGORY_OUTPUTS);
	check(all, "a signal has all its weights, or none");
	for (int i = 0; i < MR_CATEGORY_OUTPUTS; i++)
		one_each[mr_category_outputs[i].category] = true;
	for (int i = 0; i < MR_CATEGORIES; i++)
		all = all && one_each[i] == (i != MR_CATEGORY_LONG_CONTEXT);
	check(all && mr_category_outputs[MR_CATEGORY_TOKENS].category ==
		  MR_CATEGORY_DEFAULT, "an output for each category but long context");
}

/*
 * The first and the last bucket, more words than a prompt has, and a surface
 * signal that was never met.
 */
static void
test_edges_of_table(void)
{
	static uint32 words[MR_FEATURE_WORDS_MAX];
	static const uint16 surface[] = {0, MR_SURFACE_IDS - 1};
	MrFeatures	reading = {.bytes = 9, .words = words, .surface = surface,
	.nsurface = lengthof(surface)};
	MrRequest	request = request_of("");
	MrPromptFeatures features = {.reading = &reading};
	bool		all = true;

	for (int last = 0; last <= 1; last++)
	{
		for (int i = 0; i < MR_FEATURE_WORDS_MAX; i++)
			words[i] = last ? PG_UINT32_MAX : 0;
		for (reading.nwords = 1; reading.nwords <= MR_FEATURE_WORDS_MAX;
			 reading.nwords += 65)
		{
			mr_classify(&request, &features);
			all = all && is_distribution(&features);
		}
	}
	check(all, "a distribution at the edges of the table");
}

static void
test_kinds(void)
{
	static const struct
	{
		MrCategory	category;
		const char *prompt;
	}			cases[] =
	{
		{MR_CATEGORY_CODE, "Write a PHP function that splits a string."},
		{MR_CATEGORY_CODE, "select count(*) from t where a = 1; is slow"},
		{MR_CATEGORY_MATH, "Compute the integral of x^3 from 0 to 2."},
		{MR_CATEGORY_MATH, "Ben has 12 pears and eats 5. How many are left?"},
		{MR_CATEGORY_REASONING, "All ravs are dols. No dol is a pim. Does it "
		"follow that no rav is a pim? Give the reasoning."},
		{MR_CATEGORY_KNOWLEDGE, "Who invented the telephone?"},
		{MR_CATEGORY_INSTRUCTION_FOLLOWING, "Describe a dog in exactly 12 "
		"words, all in lower case, without commas."},
		{MR_CATEGORY_WRITING_CHAT, "Write a story about a lonely giraffe."},
		{MR_CATEGORY_MULTILINGUAL, "Translate into Danish: It is snowing."},
		{MR_CATEGORY_EXTRACTION_SUMMARIZATION, "Summarize the following text "
		"in two sentences: The mill burnt down. Nobody was hurt."},
		{MR_CATEGORY_TOOL_USE, "Set an alarm for 7 am and turn on the heater."}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MrPromptFeatures features =
			read_bytes(cases[i].prompt, strlen(cases[i].prompt));

		check(is_distribution(&features), "a distribution");
		check_text(mr_category_name(features.category),
				   mr_category_name(cases[i].category), cases[i].prompt);
	}
}

static void
test_scripts(void)
{
	static const char *const prompts[] = {
		"Wie sp\303\244t ist es jetzt gerade in Lissabon?",
		"\302\277D\303\263nde puedo comprar un buen queso?",
		"\316\240\317\214\317\203\316\277 \316\272\316\261\316\271\317\201"
		"\317\214 \317\207\317\201\316\265\316\271\316\254\316\266"
		"\316\265\317\204\316\261\316\271;",
		"\320\237\320\276\321\207\320\265\320\274\321\203 \321\202\321\200"
		"\320\260\320\262\320\260 \320\267\320\265\320\273\321\221\320\275"
		"\320\260\321\217?",
		"\327\236\327\224 \327\224\327\251\327\242\327\224?",
		"\331\205\330\247 \331\207\331\210 \330\247\331\204\330\271\331\204"
		"\331\205\330\237",
		"\340\244\256\345\244\251 \340\244\225\340\245\214\340\244\250 "
		"\340\244\271\340\245\210?",
		"\340\270\255\340\270\262\340\270\253\340\270\262\340\270\243"
		"\340\271\204\340\270\227\340\270\242",
		"\343\201\223\343\202\214\343\201\257\344\275\225\343\201\247"
		"\343\201\231\343\201\213\343\200\202",
		"\344\275\240\345\226\234\346\254\242\345\220\203\344\273\200"
		"\344\271\210?",
		"\354\230\244\353\212\230 \353\202\240\354\224\250 \354\226\264"
		"\353\225\214?"
	};

	for (int i = 0; i < (int) lengthof(prompts); i++)
	{
		MrPromptFeatures features =
			read_bytes(prompts[i], strlen(prompts[i]));

		check(is_distribution(&features) &&
			  features.category == MR_CATEGORY_MULTILINGUAL, prompts[i]);
	}
}

static void
test_nothing(void)
{
	static const char *const prompts[] = {"", " ", "\n\t \r\n", "\177\001"};

	for (int i = 0; i < (int) lengthof(prompts); i++)
	{
		MrPromptFeatures features =
			read_bytes(prompts[i], strlen(prompts[i]));

		check(features.category == MR_CATEGORY_DEFAULT &&
			  features.probability[MR_CATEGORY_DEFAULT] == 1 &&
			  features.output_tokens == 0, "nothing to read is the default");
	}
}

/*
 * Pseudo-random bytes of all values and lengths.
 */
static void
test_any_bytes(void)
{
	char		bytes[700];
	uint32		seed = 1;
	bool		all = true;

	for (int length = 1; length <= (int) sizeof(bytes); length++)
	{
		MrPromptFeatures features;

		for (int i = 0; i < length; i++)
		{
			seed = seed * 1103515245 + 12345;
			bytes[i] = (char) (seed >> 16);
		}
		features = read_bytes(bytes, length);
		all = all && is_distribution(&features);
	}
	check(all, "any bytes give a distribution");
	for (int value = 0; value < 256; value++)
	{
		MrPromptFeatures features;

		memset(bytes, value, sizeof(bytes));
		features = read_bytes(bytes, sizeof(bytes));
		all = all && is_distribution(&features);
	}
	check(all, "so does any byte again and again");
}

static void
test_cut_characters(void)
{
	static const char text[] =
		"caf\303\251 \342\202\254 \344\275\240 \360\237\230\200 \303";
	bool		all = true;

	for (size_t bytes = 0; bytes < sizeof(text); bytes++)
	{
		MrPromptFeatures features = read_bytes(text, bytes);

		all = all && is_distribution(&features);
	}
	check(all, "text may end inside a character");
}

static void
test_long(void)
{
	static const char sentence[] = "The boat came back with nets and fish. ";
	static const size_t sizes[] = {1000, 10000, 20000, 40000, LONG_BYTES};
	static char text[LONG_BYTES];
	double		before = 0;
	bool		grows = true;
	bool		all = true;
	MrPromptFeatures features;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = sentence[i % (sizeof(sentence) - 1)];
	for (int i = 0; i < (int) lengthof(sizes); i++)
	{
		double		share;

		features = read_bytes(text, sizes[i]);
		share = features.probability[MR_CATEGORY_LONG_CONTEXT];
		all = all && is_distribution(&features);
		grows = grows && (share > before || i == 0);
		before = share;
	}
	check(all, "a distribution at every length");
	check(grows, "long context is likelier the longer the prompt");
	check(features.category == MR_CATEGORY_LONG_CONTEXT,
		  "100 kB are long context");
	check(features.reading->nwords > 0 && features.reading->bytes == LONG_BYTES,
		  "the reading is there");
	features = read_bytes(text, sizes[0]);
	check(features.probability[MR_CATEGORY_LONG_CONTEXT] == 0,
		  "1 kB is no long context");
}

static void
test_request(void)
{
	MrRequest	request = request_of("Who invented the telephone?");
	MrPromptFeatures plain = read_request(&request);
	MrPromptFeatures features;

	request.category = MR_CATEGORY_CODE;
	features = read_request(&request);
	check(is_distribution(&features) &&
		  features.probability[MR_CATEGORY_CODE] == 1,
		  "a declared category is certain");

	request = request_of("Who invented the telephone?");
	request.tools_json = "[{}]";
	features = read_request(&request);
	check(is_distribution(&features) &&
		  features.category == MR_CATEGORY_TOOL_USE, "tools are for tool use");

	request = request_of("Who invented the telephone?");
	request.capabilities = MR_CAPABILITY_JSON_SCHEMA;
	features = read_request(&request);
	check(features.probability[MR_CATEGORY_EXTRACTION_SUMMARIZATION] >
		  plain.probability[MR_CATEGORY_EXTRACTION_SUMMARIZATION],
		  "a schema for the output makes extraction likelier");
}

/*
 * What the system says tells the kind of the application, not of the prompt.
 */
static void
test_messages(void)
{
	static const char text[] = "You write Python code for bank software.\n"
		"Who invented the telephone?";
	MrRequest	request = {.messages_json = "[]", .nmessages = 2,
		.messages_text = text, .messages_text_bytes = sizeof(text) - 1,
	.messages_system_bytes = 41};
	MrPromptFeatures features = read_request(&request);
	MrRequest	alone = request_of(text + 41);
	MrPromptFeatures same = read_request(&alone);

	check(features.category == MR_CATEGORY_KNOWLEDGE &&
		  memcmp(features.probability, same.probability,
				 sizeof(same.probability)) == 0,
		  "the system's part is not classified");
	check(features.bytes == sizeof(text) - 1 &&
		  features.input_tokens > same.input_tokens, "but it is counted");
}

static void
test_asked_words(void)
{
	static const struct
	{
		uint32		words;
		const char *prompt;
	}			cases[] =
	{
		{200, "Describe a mill in 200 words."},
		{200, "Write a 200-word text about a mill"},
		{1200, "At least 1,200 words about a mill, in 3 parts"},
		{140, "Between 120 and 140 words. No word longer than 8 letters."},
		{150, "150 French words about a mill"},
		{90, "Erz\303\244hle in 90 W\303\266rtern von einer M\303\274hle"},
		{99999, "99999 words"},
		{0, "999999 words"},
		{0, "0 words"},
		{0, "In other words, 12 mills"},
		{0, "words 200"},
		{0, "2000 years of mills and their words"},
		{0, "a mill"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MrPromptFeatures features =
			read_bytes(cases[i].prompt, strlen(cases[i].prompt));

		check_int(features.reading->asked_words, cases[i].words,
				  cases[i].prompt);
	}
}

static void
test_output_tokens(void)
{
	MrRequest	word = request_of("Is the following review positive or "
								  "negative? Answer with one word. "
								  "Review: I love this lamp.");
	MrRequest	essay = request_of("Write a long essay about the history of "
								   "lighthouses, at least 800 words.");
	MrRequest	declared = essay;
	MrRequest	tools = essay;

	check(expected_tokens(&word) < 40, "one word is short");
	check(expected_tokens(&essay) > 500, "a long essay is long");
	declared.category = MR_CATEGORY_KNOWLEDGE;
	check(expected_tokens(&declared) == 200,
		  "a declared category has the figure of the table");
	tools.tools_json = "[{}]";
	check(expected_tokens(&tools) < 300, "a call of a tool is short");
}

static double
expected_tokens(const MrRequest *request)
{
	MrPromptFeatures features = read_request(request);
	MrBasis		basis = {0};
	MrPrediction prediction;

	mr_prediction_init(&prediction, request, &features, &basis);
	return prediction.output_tokens;
}

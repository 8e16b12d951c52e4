/*
 * endpoint_test.c
 *	  Tests of base/endpoint and base/glob: money is exact or unknown, words
 *	  are read and written, patterns match.
 *
 * Sources: base/endpoint.c base/glob.c
 */
#include "postgres.h"

#include <math.h>

#include "base/endpoint.h"
#include "base/glob.h"
#include "check.h"

/* Micro-USD per million tokens: 2, 10, 0.2 and 2.5 USD; doubled above 100. */
static const MrPrice tiered = {
	.input = 2000000,
	.output = 10000000,
	.cached_input = 200000,
	.cache_write = 2500000,
	.long_context_threshold = 100,
	.long_context_input = 4000000,
	.long_context_cached_input = 400000,
	.long_context_output = 15000000
};

static MrPrice plain_price(int64 input, int64 output);
static void test_words(void);
static void test_cost(void);
static void test_long_context(void);
static void test_unknown(void);
static void test_overflow(void);
static void test_worst_cost(void);
static void test_glob(void);

int
main(void)
{
	test_words();
	test_cost();
	test_long_context();
	test_unknown();
	test_overflow();
	test_worst_cost();
	test_glob();
	return check_done();
}

static MrPrice
plain_price(int64 input, int64 output)
{
	MrPrice		price = {
		.input = input,
		.output = output,
		.cached_input = MR_PRICE_UNKNOWN,
		.cache_write = MR_PRICE_UNKNOWN,
		.long_context_input = MR_PRICE_UNKNOWN,
		.long_context_cached_input = MR_PRICE_UNKNOWN,
		.long_context_output = MR_PRICE_UNKNOWN
	};

	return price;
}

static void
test_words(void)
{
	bool		all = true;
	MrCategory	category;
	MrCapability capability;

	for (int i = 0; i < MR_CATEGORIES; i++)
		all = all && mr_category_parse(mr_category_name(i), &category) &&
			category == (MrCategory) i;
	check(all, "every category is read as it is written");
	check(!mr_category_parse("poetry", &category), "unknown category");

	all = true;
	for (int bit = MR_CAPABILITY_CHAT; bit <= MR_CAPABILITY_SAMPLING;
		 bit <<= 1)
		all = all &&
			mr_capability_parse(mr_capability_name(bit), &capability) &&
			capability == (MrCapability) bit;
	check(all, "every capability is read as it is written");
	check(!mr_capability_parse("Chat", &capability), "unknown capability");
	check(mr_capability_name(MR_CAPABILITY_NONE) == NULL,
		  "no capability has no word");
}

static void
test_cost(void)
{
	MrUsage		usage = {.input_uncached = 40, .cache_read = 30,
	.cache_write = 20, .output = 7, .reasoning = 5};

	check_int(mr_usage_input(&usage), 90, "prompt tokens include cached ones");
	check_int(mr_price_cost(&tiered, &usage),
			  40 * 2000000 + 30 * 200000 + 20 * 2500000 + 7 * 10000000,
			  "each token is billed once, reasoning as output");
	check(mr_cost_usd(1500000000000) == 1.5, "pico-USD to USD");
	check(isnan(mr_cost_usd(MR_COST_UNKNOWN)), "unknown cost is NaN");
}

static void
test_long_context(void)
{
	MrUsage		at = {.input_uncached = 60, .cache_read = 40, .output = 1};
	MrUsage		above = {.input_uncached = 60, .cache_read = 40,
	.cache_write = 1, .output = 1};
	MrPrice		price = tiered;

	check_int(mr_price_cost(&tiered, &at),
			  60 * 2000000 + 40 * 200000 + 10000000,
			  "at the threshold the base price holds");
	check_int(mr_price_cost(&tiered, &above),
			  60 * 4000000 + 40 * 400000 + 5000000 + 15000000,
			  "above it the whole request is repriced, cache writes too");
	price.long_context_cached_input = MR_PRICE_UNKNOWN;
	price.cache_write = MR_PRICE_UNKNOWN;
	check_int(mr_price_cost(&price, &above),
			  101 * 4000000 + 15000000,
			  "cached tokens without a price above it are billed as input");
	price.long_context_output = MR_PRICE_UNKNOWN;
	check_int(mr_price_cost(&price, &above), MR_COST_UNKNOWN,
			  "a tier without its price is unknown");
}

static void
test_unknown(void)
{
	MrPrice		no_input = plain_price(MR_PRICE_UNKNOWN, 1000000);
	MrPrice		no_output = plain_price(1000000, MR_PRICE_UNKNOWN);
	MrPrice		cached = plain_price(1000000, 1000000);
	MrUsage		both = {.input_uncached = 1, .output = 1};
	MrUsage		only_output = {.output = 3};
	MrUsage		only_input = {.input_uncached = 3};
	MrUsage		negative = {.input_uncached = -1};
	MrUsage		read = {.cache_read = 5, .cache_write = 6};

	check_int(mr_price_cost(&no_input, &both), MR_COST_UNKNOWN,
			  "unknown input price");
	check_int(mr_price_cost(&no_output, &both), MR_COST_UNKNOWN,
			  "unknown output price");
	check_int(mr_price_cost(&no_input, &only_output), 3000000,
			  "an unknown price without tokens does not matter");
	check_int(mr_price_cost(&no_output, &only_input), 3000000,
			  "the same for output");
	check_int(mr_price_cost(&cached, &read), 11000000,
			  "unknown cache prices are billed as input");
	check_int(mr_price_cost(&cached, &negative), MR_COST_UNKNOWN,
			  "negative tokens are no discount");
}

static void
test_overflow(void)
{
	MrPrice		price = plain_price(INT64CONST(1000000000000), 1);
	MrUsage		product = {.input_uncached = INT64CONST(10000000)};
	MrUsage		sum = {.input_uncached = INT64CONST(9000000),
	.output = PG_INT64_MAX};

	check_int(mr_price_cost(&price, &product), MR_COST_UNKNOWN,
			  "a product beyond 64 bits is unknown");
	check_int(mr_price_cost(&price, &sum), MR_COST_UNKNOWN,
			  "a sum beyond 64 bits is unknown");
}

static void
test_worst_cost(void)
{
	MrPrice		plain = plain_price(1000000, 2000000);
	MrPrice		unknown = plain_price(1000000, MR_PRICE_UNKNOWN);

	check_int(mr_price_worst_cost(&plain, 10, 5), 20000000, "plain price");
	check_int(mr_price_worst_cost(&tiered, 10, 0), 25000000,
			  "every token may be written to the cache");
	check_int(mr_price_worst_cost(&tiered, 101, 1),
			  INT64CONST(101) * 5000000 + 15000000,
			  "above the threshold");
	check_int(mr_price_worst_cost(&unknown, 10, 5), MR_COST_UNKNOWN,
			  "unknown output price");
}

static void
test_glob(void)
{
	static const struct
	{
		const char *pattern;
		const char *text;
		bool		matches;
	}			cases[] =
	{
		{"gpt-4o", "gpt-4o", true},
		{"gpt-4o", "gpt-4o-mini", false},
		{"gpt-*", "gpt-", true},
		{"gpt-*", "gp", false},
		{"*", "", true},
		{"", "", true},
		{"", "x", false},
		{"?", "", false},
		{"*-mini", "gpt-4o-mini-mini", true},
		{"*-mini", "gpt-4o-mini-x", false},
		{"openai/*", "openai/gpt-4o", true},
		{"*/gpt-?o", "openai/gpt-4o", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXcYb", false},
		{"***", "anything", true},
		{"GPT-*", "gpt-4o", false},
		{"?", "\xC3\xA9", true},
		{"??", "\xC3\xA9", false},
		{"*\xA9", "\xC3\xA9", false},
	};
	char		text[2001];

	for (int i = 0; i < (int) lengthof(cases); i++)
		check(mr_glob_match(cases[i].pattern, cases[i].text) ==
			  cases[i].matches,
			  psprintf("\"%s\" and \"%s\"", cases[i].pattern, cases[i].text));

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	check(!mr_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", text),
		  "many stars end in time");
}

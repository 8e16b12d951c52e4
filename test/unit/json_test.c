/*
 * json_test.c
 *	  Tests of base/json: what is refused, what is read, what is written.
 *
 * Sources: base/json.c
 */
#include "postgres.h"

#include "base/json.h"
#include "check.h"
#include "shim.h"

static const MrJson *parse(const char *text);
static void check_refused(const char *text, const char *problem,
						  const char *name);
static void check_written(const char *text, const char *expected,
						  const char *name);
static void test_text_checks(void);
static void test_escapes(void);
static void test_depth(void);
static void test_grammar(void);
static void test_access(void);
static void test_numbers(void);
static void test_writing(void);
static void test_escaper_alignment(void);
static void test_large_text(void);

int
main(void)
{
	test_text_checks();
	test_escapes();
	test_depth();
	test_grammar();
	test_access();
	test_numbers();
	test_writing();
	test_escaper_alignment();
	test_large_text();
	shim_reset();
	return check_done();
}

static const MrJson *
parse(const char *text)
{
	const char *problem;

	return mr_json_parse(text, strlen(text), &problem);
}

static void
check_refused(const char *text, const char *problem, const char *name)
{
	const char *got = NULL;

	check(mr_json_parse(text, strlen(text), &got) == NULL, name);
	check_text(got, problem, psprintf("%s: problem", name));
}

static void
check_written(const char *text, const char *expected, const char *name)
{
	const MrJson *tree = parse(text);

	check_text(tree ? mr_json_print(tree) : NULL, expected, name);
}

static void
test_text_checks(void)
{
	const char *problem;

	check_refused("", "empty text", "empty text is refused");
	check_refused("\"\xff\"", "invalid UTF-8 or a NUL byte",
				  "a stray byte is refused");
	check_refused("\"\xed\xa0\x80\"", "invalid UTF-8 or a NUL byte",
				  "an encoded surrogate is refused");
	check_refused("\"\xc0\x80\"", "invalid UTF-8 or a NUL byte",
				  "an overlong NUL is refused");
	check(mr_json_parse("\"a\0b\"", 5, &problem) == NULL,
		  "a NUL byte is refused");
	check_text(mr_json_string(parse("\"gr\xc3\xbc\xc3\x9f\"")),
			   "gr\xc3\xbc\xc3\x9f", "UTF-8 is read");
}

static void
test_escapes(void)
{
	check_refused("\"a\\u0000\"", "\\u0000 cannot be represented as text",
				  "an escaped NUL is refused");
	check_refused("{\"a\\u0000\":1}", "\\u0000 cannot be represented as text",
				  "an escaped NUL in a name is refused");
	check_refused("\"\\\\\\u0000\"", "\\u0000 cannot be represented as text",
				  "an escaped NUL after an escaped backslash is refused");
	check_text(mr_json_string(parse("\"\\\\u0000\"")), "\\u0000",
			   "an escaped backslash before u0000 is text");
	check_refused("\"\\uZZZZ\"", "invalid \\u escape",
				  "bad hex digits are refused");
	check_refused("\"\\u12", "incomplete \\u escape",
				  "an escape cut short is refused");
	check_refused("\"\\", "invalid JSON", "a backslash at the end is refused");
	check_refused("\"\\ud800\"", "invalid JSON",
				  "a lone high surrogate is refused");
	check_refused("\"\\udc00\"", "invalid JSON",
				  "a lone low surrogate is refused");
	check_refused("\"\\ud800\\u0041\"", "invalid JSON",
				  "a high surrogate without a low one is refused");
	check_text(mr_json_string(parse("\"\\ud83d\\ude00\"")),
			   "\xf0\x9f\x98\x80", "a surrogate pair is one character");
}

static void
test_depth(void)
{
	char		text[2 * MR_JSON_MAX_DEPTH + 8];

	memset(text, '[', MR_JSON_MAX_DEPTH);
	memset(text + MR_JSON_MAX_DEPTH, ']', MR_JSON_MAX_DEPTH);
	text[2 * MR_JSON_MAX_DEPTH] = '\0';
	check(parse(text) != NULL, "the greatest depth is read");
	memset(text, '[', MR_JSON_MAX_DEPTH + 1);
	memset(text + MR_JSON_MAX_DEPTH + 1, ']', MR_JSON_MAX_DEPTH + 1);
	text[2 * MR_JSON_MAX_DEPTH + 2] = '\0';
	check_refused(text, "nested too deeply", "a deeper one is refused");
	check(parse("\"[[[[{{{{\\\"[[\"") != NULL,
		  "brackets in a string are no depth");
}

static void
test_grammar(void)
{
	check_refused("{\"a\":1}x", "invalid JSON", "trailing text is refused");
	check_refused("{\"a\":1", "invalid JSON", "an open object is refused");
	check_refused("{\"a\" 1}", "invalid JSON", "a missing colon is refused");
	check_refused("[1,]", "invalid JSON", "a trailing comma is refused");
	check_refused("nul", "invalid JSON", "a cut word is refused");
	check(parse(" {\"a\":1} \r\n\t") != NULL, "white space around is fine");
}

static void
test_access(void)
{
	const MrJson *tree = parse("{\"a\":{\"b\":[10,{\"c\":\"x\"}]},\"d.e\":1,"
							   "\"ab\":true,\"n\":null}");

	check_text(mr_json_get_string(tree, "a.b.1.c"), "x",
			   "a path of names and indexes");
	check(mr_json_get(tree, "a.b.2") == NULL, "an index too large");
	check(mr_json_get(tree, "a.b.1.c.d") == NULL, "a path into a string");
	check(mr_json_get(tree, "A") == NULL, "names are case-sensitive");
	check(mr_json_is_true(mr_json_get(tree, "ab")),
		  "a name that begins with another");
	check(mr_json_get(tree, "d.e") == NULL && mr_json_member(tree, "d.e"),
		  "a name with a dot");
	check(mr_json_is_null(mr_json_get(tree, "n")), "null");
	check(mr_json_get(NULL, "a") == NULL && !mr_json_is_object(NULL) &&
		  mr_json_string(NULL) == NULL && mr_json_first(NULL) == NULL,
		  "nothing is found in nothing");
}

static void
test_numbers(void)
{
	const MrJson *tree = parse("[9007199254740992,9007199254740994,1.5,-3,"
							   "1e999,\"1\",-9007199254740992]");
	int64		integer = 0;
	double		number = 0;

	check(mr_json_get_int64(tree, "0", &integer) &&
		  integer == INT64CONST(9007199254740992), "2^53 is exact");
	check(!mr_json_get_int64(tree, "1", &integer), "more is no integer");
	check(!mr_json_get_int64(tree, "2", &integer), "nor is a fraction");
	check(mr_json_get_int64(tree, "3", &integer) && integer == -3,
		  "a negative integer");
	check(!mr_json_get_double(tree, "4", &number), "infinity is no number");
	check(!mr_json_get_double(tree, "5", &number), "nor is a string");
	check(mr_json_get_int64(tree, "6", &integer) &&
		  integer == -INT64CONST(9007199254740992), "-2^53 is exact");
}

static void
test_writing(void)
{
	check_written("[1, -2.5, 1e3, 0.1, 1e-7, 123456789012]",
				  "[1,-2.5,1000,0.1,1e-07,123456789012]", "numbers");
	check_written("[true, false, null, 1e999]", "[true,false,null,null]",
				  "words");
	check_written("{ \"a\" : { } , \"b\" : [ ] }", "{\"a\":{},\"b\":[]}",
				  "empty members");
	check_written("\"\\u0001\\b\\f\\n\\r\\t\\u000b\\u001f\\\"\\\\\\/\"",
				  "\"\\u0001\\b\\f\\n\\r\\t\\u000b\\u001f\\\"\\\\/\"",
				  "escapes");
	check_written("\"\x7f\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\"",
				  "\"\x7f\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\"",
				  "text beyond ASCII stays");
}

/* Every escaped byte at every offset of the eight-byte steps. */
static void
test_escaper_alignment(void)
{
	bool		same = true;

	for (int offset = 0; offset < 20; offset++)
	{
		for (int c = 1; c < 128; c++)
		{
			char		text[24];
			StringInfoData out;
			const MrJson *tree;

			memset(text, 'x', sizeof(text));
			text[offset] = (char) c;
			initStringInfo(&out);
			mr_json_append_text(&out, text, 20);
			tree = parse(out.data);
			text[20] = '\0';
			same &= tree != NULL && strcmp(mr_json_string(tree), text) == 0;
		}
	}
	check(same, "what is written reads back at every offset");
}

static void
test_large_text(void)
{
	size_t		bytes = 3 * 1024 * 1024;
	char	   *text = palloc(bytes + 1);
	StringInfoData out;
	const MrJson *tree;

	for (size_t i = 0; i < bytes; i++)
		text[i] = "ab\"\n\\cde"[i % 8];
	text[bytes] = '\0';
	initStringInfo(&out);
	mr_json_append_text(&out, text, bytes);
	tree = mr_json_parse(out.data, out.len, (const char **) &out.data);
	check(tree != NULL && strcmp(mr_json_string(tree), text) == 0,
		  "a large text reads back");
}

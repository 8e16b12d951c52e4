/*
 * provider_failure_test.c
 *	  Tests of what is no reply: the kind, code and message of the failure.
 *
 * Sources: base/json.c base/failure.c base/endpoint.c provider
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "check.h"
#include "provider/provider.h"
#include "shim.h"

#define ERROR_BODY(members) "{\"error\":{" members "}}"

typedef struct FailureCase
{
	int			status;
	const char *body;
	MrFailureKind kind;
	const char *code;
	const char *message;
} FailureCase;

static MrFailure read_failure(const char *dialect, const MrWireReply *wire);
static MrFailure read_body(const char *dialect, int status,
						   const char *body);
static void check_cases(const char *dialect, const FailureCase *cases,
						size_t ncases);
static void test_status(void);
static void test_codes(void);
static void test_phrases(void);
static void test_shapes(void);
static void test_errors_with_200(void);
static void test_malformed(void);
static void test_no_content(void);
static void test_anthropic(void);
static void test_retry_advice(void);
static void test_usage_of_failures(void);
static void test_message_bounds(void);
static void test_message_encoding(void);
static void test_redact(void);

int
main(void)
{
	test_status();
	test_codes();
	test_phrases();
	test_shapes();
	test_errors_with_200();
	test_malformed();
	test_no_content();
	test_anthropic();
	test_retry_advice();
	test_usage_of_failures();
	test_message_bounds();
	test_message_encoding();
	test_redact();
	shim_reset();
	return check_done();
}

static MrFailure
read_failure(const char *dialect, const MrWireReply *wire)
{
	MrRequest	request = {.prompt = "p"};
	MrReply		reply;
	MrFailure	failure;

	if (mr_dialect_find(dialect)->parse(wire, &request, &reply, &failure))
		memset(&failure, 0, sizeof(failure));
	return failure;
}

/* A body without a NUL behind it. */
static MrFailure
read_body(const char *dialect, int status, const char *body)
{
	size_t		bytes = strlen(body);
	MrWireReply wire = {status, memcpy(palloc(bytes + 1), body, bytes),
	bytes, -1, -1};

	return read_failure(dialect, &wire);
}

static void
check_cases(const char *dialect, const FailureCase *cases, size_t ncases)
{
	for (size_t i = 0; i < ncases; i++)
	{
		MrFailure	failure = read_body(dialect, cases[i].status,
										cases[i].body);
		const char *name = psprintf("%s: %d %.60s", dialect, cases[i].status,
									cases[i].body);

		name = pstrdup(name);
		for (char *c = (char *) name; *c; c++)
			*c = (*c == '\n' || *c == '#') ? ' ' : *c;
		check_int(failure.kind, cases[i].kind, name);
		if (cases[i].code != NULL)
			check_text(failure.code, cases[i].code,
					   psprintf("%s: code", name));
		if (cases[i].message != NULL)
			check_text(failure.message, cases[i].message,
					   psprintf("%s: message", name));
	}
}

static void
test_status(void)
{
	static const struct
	{
		int			status;
		MrFailureKind kind;
	}			cases[] =
	{
		{301, MR_FAILURE_BAD_REQUEST}, {307, MR_FAILURE_BAD_REQUEST},
		{400, MR_FAILURE_BAD_REQUEST}, {401, MR_FAILURE_AUTH},
		{402, MR_FAILURE_QUOTA}, {403, MR_FAILURE_AUTH},
		{404, MR_FAILURE_NOT_FOUND}, {408, MR_FAILURE_SERVER},
		{409, MR_FAILURE_SERVER}, {413, MR_FAILURE_CONTEXT_LENGTH},
		{418, MR_FAILURE_BAD_REQUEST}, {422, MR_FAILURE_BAD_REQUEST},
		{429, MR_FAILURE_RATE_LIMIT}, {498, MR_FAILURE_SERVER},
		{500, MR_FAILURE_SERVER}, {503, MR_FAILURE_SERVER},
		{529, MR_FAILURE_SERVER}, {599, MR_FAILURE_SERVER},
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		const char *name = psprintf("status %d", cases[i].status);
		MrFailure	failure = read_body("openai", cases[i].status, "");

		check_int(failure.kind, cases[i].kind, name);
		check_int(failure.http_status, cases[i].status,
				  psprintf("%s is kept", name));
		check_int(read_body("anthropic", cases[i].status, "{}").kind,
				  cases[i].kind, psprintf("%s, anthropic", name));
	}
}

static void
test_codes(void)
{
	static const FailureCase cases[] = {
		{400, ERROR_BODY("\"message\":\"m\",\"type\":\"invalid_request_error\","
						 "\"code\":\"context_length_exceeded\""),
		MR_FAILURE_CONTEXT_LENGTH, "context_length_exceeded", "m"},
		{400, ERROR_BODY("\"code\":\"content_filter\""),
		MR_FAILURE_CONTENT_FILTER, "content_filter", NULL},
		{400, ERROR_BODY("\"code\":\"content_policy_violation\""),
		MR_FAILURE_CONTENT_FILTER, NULL, NULL},
		{429, ERROR_BODY("\"message\":\"m\",\"type\":\"insufficient_quota\","
						 "\"code\":\"insufficient_quota\""),
		MR_FAILURE_QUOTA, "insufficient_quota", "m"},
		{429, ERROR_BODY("\"message\":\"Rate limit reached\",\"type\":"
						 "\"rate_limit_error\",\"param\":null,"
						 "\"code\":\"rate_limit_exceeded\""),
		MR_FAILURE_RATE_LIMIT, "rate_limit_exceeded", "Rate limit reached"},
		{429, ERROR_BODY("\"type\":\"billing_hard_limit_reached\""),
		MR_FAILURE_QUOTA, "billing_hard_limit_reached", NULL},
		{400, ERROR_BODY("\"code\":\"invalid_api_key\""), MR_FAILURE_AUTH,
		NULL, NULL},
		{400, ERROR_BODY("\"code\":\"model_not_found\""),
		MR_FAILURE_NOT_FOUND, NULL, NULL},
		{429, ERROR_BODY("\"code\":429,\"message\":\"slow\",\"status\":"
						 "\"RESOURCE_EXHAUSTED\""),
		MR_FAILURE_RATE_LIMIT, "RESOURCE_EXHAUSTED", "slow"},
	};

	check_cases("openai", cases, lengthof(cases));
}

static void
test_phrases(void)
{
	static const FailureCase cases[] = {
		{400, ERROR_BODY("\"message\":\"This model's maximum context length "
						 "is 8192 tokens.\""),
		MR_FAILURE_CONTEXT_LENGTH, NULL, NULL},
		{400, ERROR_BODY("\"message\":\"The response was filtered due to "
						 "Azure OpenAI's Content Management Policy\""),
		MR_FAILURE_CONTENT_FILTER, NULL, NULL},
		{400, ERROR_BODY("\"message\":\"API key not valid.\""),
		MR_FAILURE_AUTH, NULL, NULL},
		{400, ERROR_BODY("\"message\":\"Your credit balance is too low\""),
		MR_FAILURE_QUOTA, NULL, NULL},
		{404, ERROR_BODY("\"message\":\"prompt is too long\""),
		MR_FAILURE_NOT_FOUND, NULL, NULL},
		{503, ERROR_BODY("\"message\":\"prompt is too long\""),
		MR_FAILURE_SERVER, NULL, NULL},
	};

	check_cases("openai", cases, lengthof(cases));
}

static void
test_shapes(void)
{
	static const FailureCase cases[] = {
		{500, "{\"error\":\"text\"}", MR_FAILURE_SERVER, NULL, "text"},
		{400, "{\"object\":\"error\",\"message\":\"m\",\"type\":"
			"\"BadRequestError\",\"code\":400}",
		MR_FAILURE_BAD_REQUEST, "BadRequestError", "m"},
		{422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}",
		MR_FAILURE_BAD_REQUEST, NULL, "field required"},
		{404, "{\"detail\":\"Not Found\"}", MR_FAILURE_NOT_FOUND, NULL,
		"Not Found"},
		{400, "[{\"error\":{\"code\":400,\"message\":\"m\"}}]",
		MR_FAILURE_BAD_REQUEST, "400", "m"},
		{429, ERROR_BODY("\"code\":429,\"message\":\"Provider returned "
						 "error\",\"metadata\":{\"raw\":\"busy\"}"),
		MR_FAILURE_RATE_LIMIT, "429", "Provider returned error: busy"},
		{403, ERROR_BODY("\"code\":403,\"message\":\"m\",\"metadata\":"
						 "{\"flagged_input\":\"x\"}"),
		MR_FAILURE_CONTENT_FILTER, "403", "m"},
		{502, "<html>\n<head><title>502 Bad Gateway</title></head></html>",
		MR_FAILURE_SERVER, NULL, "an HTML page: 502 Bad Gateway"},
		{502, "<p>x", MR_FAILURE_SERVER, NULL, "an HTML page"},
		{503, "\n upstream busy\nsecond line", MR_FAILURE_SERVER, NULL,
		"upstream busy"},
		{500, "", MR_FAILURE_SERVER, NULL, "the provider gave no message"},
		{500, "{}", MR_FAILURE_SERVER, NULL, "{}"},
		{302, "<a href=x>", MR_FAILURE_BAD_REQUEST, NULL,
		"the provider answered with a redirect, and redirects are not followed"},
	};

	check_cases("openai", cases, lengthof(cases));
}

static void
test_errors_with_200(void)
{
	static const FailureCase cases[] = {
		{200, ERROR_BODY("\"code\":502,\"message\":\"m\""),
		MR_FAILURE_SERVER, "502", "m"},
		{200, ERROR_BODY("\"code\":429,\"message\":\"m\""),
		MR_FAILURE_RATE_LIMIT, "429", "m"},
		{200, ERROR_BODY("\"type\":\"authentication_error\""),
		MR_FAILURE_AUTH, "authentication_error", NULL},
		{200, "{\"error\":\"strange\"}", MR_FAILURE_SERVER, NULL, "strange"},
		{200, "[{\"error\":{\"code\":404,\"message\":\"m\"}}]",
		MR_FAILURE_NOT_FOUND, "404", "m"},
		{200, "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"m\"},"
		"\"finish_reason\":\"error\"}]}", MR_FAILURE_SERVER, "502", "m"},
		{200, "{\"choices\":null,\"base_resp\":{\"status_code\":1008,"
		"\"status_msg\":\"no money\"}}", MR_FAILURE_QUOTA, "1008", "no money"},
		{200, "{\"base_resp\":{\"status_code\":1000}}", MR_FAILURE_SERVER,
		"1000", ""},
	};

	check_cases("openai", cases, lengthof(cases));
}

static void
test_malformed(void)
{
	static const FailureCase cases[] = {
		{200, "", MR_FAILURE_MALFORMED, NULL,
		"the reply is not usable JSON: empty body"},
		{200, "garbage", MR_FAILURE_MALFORMED, NULL,
		"the reply is not JSON: garbage"},
		{200, "<html><title>T</title>", MR_FAILURE_MALFORMED, NULL,
		"the reply is not JSON: an HTML page: T"},
		{200, "{\"choices\":[{\"message\":", MR_FAILURE_MALFORMED, NULL,
		"the reply is not usable JSON: invalid JSON"},
		{200, "{\"a\":\"\\u0000\"}", MR_FAILURE_MALFORMED, NULL,
			"the reply is not usable JSON: "
		"\\u0000 cannot be represented as text"},
		{200, "{\"a\":\"\xff\"}", MR_FAILURE_MALFORMED, NULL,
		"the reply is not usable JSON: invalid UTF-8 or a NUL byte"},
		{200, "{\"a\":\"\\ud800\"}", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "[]", MR_FAILURE_MALFORMED, NULL,
		"the reply is not a JSON object"},
		{200, "7", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "null", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "{}", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "data: {\"choices\":[]}", MR_FAILURE_MALFORMED, NULL, NULL},
	};

	check_cases("openai", cases, lengthof(cases));
	check_cases("anthropic", cases, lengthof(cases));
}

static void
test_no_content(void)
{
	static const FailureCase cases[] = {
		{200, "{\"choices\":[]}", MR_FAILURE_MALFORMED, NULL,
		"the reply has no choices"},
		{200, "{\"choices\":[7]}", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "{\"choices\":[{}]}", MR_FAILURE_MALFORMED, NULL,
		"the reply has no message"},
		{200, "{\"choices\":[{\"message\":{}}]}", MR_FAILURE_MALFORMED, NULL,
		"the reply has no content"},
		{200, "{\"choices\":[{\"message\":{\"content\":null},"
			"\"finish_reason\":\"stop\"}]}", MR_FAILURE_MALFORMED, NULL,
		NULL},
		{200, "{\"choices\":[{\"message\":{\"content\":5}}]}",
		MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "{\"choices\":[{\"message\":{\"content\":null,"
		"\"tool_calls\":[]}}]}", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "{\"choices\":[{\"message\":{\"content\":null,"
			"\"refusal\":\"I cannot\"},\"finish_reason\":\"stop\"}]}",
		MR_FAILURE_CONTENT_FILTER, NULL, "I cannot"},
		{200, "{\"choices\":[{\"message\":{\"content\":null},"
			"\"finish_reason\":\"content_filter\"}]}",
		MR_FAILURE_CONTENT_FILTER, NULL, NULL},
		{200, "{\"choices\":[{\"message\":{\"content\":\"\"},"
			"\"finish_reason\":\"content_filter\"}]}",
		MR_FAILURE_CONTENT_FILTER, NULL, NULL},
		{200, "{\"choices\":[{\"message\":{\"content\":\"a\"},"
			"\"finish_reason\":\"insufficient_system_resource\"}]}",
		MR_FAILURE_TRUNCATED, NULL, NULL},
	};

	check_cases("openai", cases, lengthof(cases));
}

static void
test_anthropic(void)
{
	static const FailureCase cases[] = {
		{529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
			"\"message\":\"Overloaded\"},\"request_id\":\"req_1\"}",
		MR_FAILURE_SERVER, "overloaded_error", "Overloaded"},
		{400, "{\"type\":\"error\",\"error\":{\"type\":"
			"\"invalid_request_error\",\"message\":\"prompt is too long: "
			"210000 tokens > 200000 maximum\"}}", MR_FAILURE_CONTEXT_LENGTH,
		"invalid_request_error", NULL},
		{429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
			"\"message\":\"m\",\"details\":{\"error_code\":"
			"\"enforced_spend_limit_reached\"}}}", MR_FAILURE_QUOTA,
		"enforced_spend_limit_reached", "m"},
		{402, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\"}}",
		MR_FAILURE_QUOTA, NULL, NULL},
		{413, "{\"type\":\"error\",\"error\":{\"type\":"
		"\"request_too_large\"}}", MR_FAILURE_CONTEXT_LENGTH, NULL, NULL},
		{200, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
		"\"message\":\"m\"}}", MR_FAILURE_RATE_LIMIT, NULL, "m"},
		{200, "{\"content\":null}", MR_FAILURE_MALFORMED, NULL,
		"the reply has no content"},
		{200, "{\"content\":[]}", MR_FAILURE_MALFORMED, NULL, NULL},
		{200, "{\"content\":[],\"stop_reason\":\"refusal\","
			"\"stop_details\":{\"explanation\":\"not this\"}}",
		MR_FAILURE_CONTENT_FILTER, NULL, "not this"},
	};

	check_cases("anthropic", cases, lengthof(cases));
}

static void
test_retry_advice(void)
{
	MrWireReply wire = {429, "{}", 2, 1500, 0};
	MrFailure	failure = read_failure("openai", &wire);

	check_int(failure.retry_after_ms, 1500, "Retry-After is kept");
	check(failure.must_not_retry, "x-should-retry: false is kept");
	wire.should_retry = -1;
	wire.retry_after_ms = -1;
	failure = read_failure("openai", &wire);
	check_int(failure.retry_after_ms, -1, "no Retry-After");
	check(!failure.must_not_retry, "no x-should-retry");
	failure = read_body("openai", 429, ERROR_BODY("\"details\":[{},"
												  "{\"retryDelay\":\"46s\"}"
												  "]"));
	check_int(failure.retry_after_ms, 46000, "Gemini's retryDelay");
	failure = read_body("openai", 429, ERROR_BODY("\"details\":["
												  "{\"retryDelay\":\"1e99s\"}"
												  "]"));
	check_int(failure.retry_after_ms, -1, "an absurd retryDelay");
}

static void
test_usage_of_failures(void)
{
	const char *body = "{\"choices\":[{\"message\":{\"content\":null}}],"
	"\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}";
	MrWireReply wire = {200, body, strlen(body), -1, -1};
	MrRequest	request = {.prompt = "p"};
	MrReply		reply;
	MrFailure	failure;

	check(!mr_dialect_find("openai")->parse(&wire, &request, &reply,
											&failure) &&
		  reply.has_usage && reply.usage.output == 6,
		  "usage is known of an unusable reply");
}

static void
test_message_bounds(void)
{
	StringInfoData body;
	MrFailure	failure;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"error\":{\"message\":\"x");
	for (int i = 0; i < 5000; i++)
		appendStringInfoString(&body, "\xe2\x82\xac");
	appendStringInfoString(&body, "\\n\",\"code\":\"a\\tb\"}}");
	failure = read_body("openai", 400, body.data);
	check(strlen(failure.message) <= MR_FAILURE_MESSAGE_BYTES &&
		  strlen(failure.message) > MR_FAILURE_MESSAGE_BYTES - 20,
		  "a long message is cut");
	check_int(pg_encoding_verifymbstr(PG_UTF8, failure.message,
									  strlen(failure.message)),
			  strlen(failure.message), "between characters");
	check_text(failure.code, "a b", "control characters become spaces");
	check_text(read_body("openai", 500, "bad \xff\xe2\x82 bytes").message,
			   "bad ??? bytes", "broken characters are replaced");
}

static void
test_message_encoding(void)
{
	shim_database_encoding = PG_LATIN1;
	check_text(read_body("openai", 400,
						 ERROR_BODY("\"message\":\"caf\xc3\xa9\"")).message,
			   "caf?", "only ASCII where the server is not UTF-8");
	shim_database_encoding = PG_UTF8;
}

static void
test_redact(void)
{
	MrFailure	failure = {.message = "key sk-12345678 and sk-12345678"};

	failure.code = "bad_sk-12345678";
	mr_failure_redact(&failure, "sk-12345678");
	check_text(failure.message, "key *** and ***", "the secret is masked");
	check_text(failure.code, "bad_***", "in the code too");
	failure.message = "key sk-1234";
	mr_failure_redact(&failure, "sk-12345678");
	check_text(failure.message, "key ***", "also when cut off");
	failure.message = "key sk-1234... is wrong, sk-12345678";
	mr_failure_redact(&failure, "sk-12345678");
	check_text(failure.message, "key ***... is wrong, ***", "in the middle");
	failure.message = "key \"ab\\\"\\\\\\/cd\", ab\"\\/cd, ab";
	mr_failure_redact(&failure, "ab\"\\/cd");
	check_text(failure.message, "key \"***\", ***, ab", "quoted for JSON");
	failure.message = "key sk-";
	failure.code = NULL;
	mr_failure_redact(&failure, "sk-12345678");
	check_text(failure.message, "key sk-", "but not a mere beginning");
	mr_failure_redact(&failure, NULL);
	mr_failure_redact(&failure, "");
	check_text(failure.message, "key sk-", "no secret, no change");
}

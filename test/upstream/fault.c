/*
 * fault.c: reads the faults of a model and decides which one, if any, a
 * request meets.
 *
 * What each kind does is in faultkinds.c.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "fault.h"
#include "rng.h"

#define SCRIPT_MAX 1000000
#define BIG 1e15

static bool read_kind(void *target, const cJSON *value, Problem *problem);
static bool read_script(void *target, const cJSON *value, Problem *problem);
static bool read_retry_after(void *target, const cJSON *value,
							 Problem *problem);
static bool read_code(void *target, const cJSON *value, Problem *problem);
static bool read_should_retry(void *target, const cJSON *value,
							  Problem *problem);

#define FAULT(member) offsetof(Fault, member)

static const Field fault_fields[] = {
	{"kind", FIELD_CUSTOM, 0, 0, 0, read_kind},
	{"rate", FIELD_NUMBER, FAULT(rate), 0, 1, NULL},
	{"script", FIELD_CUSTOM, 0, 0, 0, read_script},
	{"times", FIELD_NUMBER, FAULT(times), 0, BIG, NULL},
	{"after", FIELD_NUMBER, FAULT(after), 0, BIG, NULL},
	{"match", FIELD_STRING, FAULT(match), 0, 0, NULL},
	{"delay_ms", FIELD_NUMBER, FAULT(delay_ms), 0, 86400000, NULL},
	{"status", FIELD_NUMBER, FAULT(status), 200, 999, NULL},
	{"retry_after", FIELD_CUSTOM, 0, 0, 0, read_retry_after},
	{"retry_after_date_in", FIELD_NUMBER, FAULT(retry_after_date_in), 0, 1e9,
	NULL},
	{"retry_after_ms", FIELD_NUMBER, FAULT(retry_after_ms), 0, 1e9, NULL},
	{"should_retry", FIELD_CUSTOM, 0, 0, 0, read_should_retry},
	{"code", FIELD_CUSTOM, 0, 0, 0, read_code},
	{"type", FIELD_STRING, FAULT(type), 0, 0, NULL},
	{"message", FIELD_STRING, FAULT(message), 0, 0, NULL},
	{"body", FIELD_STRING, FAULT(body), 0, 0, NULL},
	{"quota", FIELD_BOOL, FAULT(quota), 0, 0, NULL},
	{"at", FIELD_NUMBER, FAULT(at), 0, BIG, NULL},
	{"delta", FIELD_NUMBER, FAULT(delta), -BIG, BIG, NULL},
	{"bytes", FIELD_NUMBER, FAULT(bytes), 0, BIG, NULL},
	{"depth", FIELD_NUMBER, FAULT(depth), 1, 10e6, NULL},
	{"bytes_per_second", FIELD_NUMBER, FAULT(bytes_per_second), 0.1, 1e12,
	NULL},
	{"location", FIELD_STRING, FAULT(location), 0, 0, NULL},
	{"reset", FIELD_BOOL, FAULT(reset), 0, 0, NULL},
	{"raw", FIELD_BOOL, FAULT(raw), 0, 0, NULL},
	{"announce", FIELD_BOOL, FAULT(announce), 0, 0, NULL},
	{NULL, FIELD_NUMBER, 0, 0, 0, NULL}
};

static bool
read_kind(void *target, const cJSON *value, Problem *problem)
{
	const char *name = cJSON_IsString(value) ? value->valuestring : "";

	((Fault *) target)->kind = fault_find_kind(name);
	if (((Fault *) target)->kind == NULL)
		return fields_refuse(problem, "unknown kind of fault \"%s\"", name);
	return true;
}

static bool
read_script(void *target, const cJSON *value, Problem *problem)
{
	Fault	   *fault = target;
	const cJSON *item;
	int			count = cJSON_GetArraySize(value);

	if (!cJSON_IsArray(value) || count > SCRIPT_MAX || fault->script != NULL)
		return fields_refuse(problem, "script must be an array of at most %d",
							 SCRIPT_MAX);
	fault->script = mem_alloc((size_t) count + 1);
	cJSON_ArrayForEach(item, value)
	{
		fault->script[fault->script_len++] =
			cJSON_IsTrue(item) || (cJSON_IsNumber(item) &&
								   item->valuedouble != 0);
	}
	return true;
}

static bool
read_retry_after(void *target, const cJSON *value, Problem *problem)
{
	Fault	   *fault = target;

	if (!cJSON_IsNumber(value) && !cJSON_IsString(value))
		return fields_refuse(problem, "retry_after must be a number or a "
							 "string");
	free(fault->retry_after);
	fault->retry_after = cJSON_IsString(value) ?
		mem_strdup(value->valuestring) : cJSON_PrintUnformatted(value);
	return true;
}

static bool
read_code(void *target, const cJSON *value, Problem *problem)
{
	Fault	   *fault = target;

	if (!cJSON_IsNumber(value) && !cJSON_IsString(value) &&
		!cJSON_IsNull(value))
		return fields_refuse(problem, "code must be a string, a number or "
							 "null");
	cJSON_Delete(fault->code);
	fault->code = cJSON_Duplicate(value, true);
	return true;
}

static bool
read_should_retry(void *target, const cJSON *value, Problem *problem)
{
	Fault	   *fault = target;

	if (!cJSON_IsBool(value))
		return fields_refuse(problem, "should_retry must be true or false");
	free(fault->should_retry);
	fault->should_retry = mem_strdup(cJSON_IsTrue(value) ? "true" : "false");
	return true;
}

/* Header values come from here, so no control character may pass. */
static bool
is_printable(const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
	{
		if ((unsigned char) *text < 0x20)
			return false;
	}
	return true;
}

/*
 * Reads one fault.  On false the problem says why; fault_free is due in
 * either case.
 */
bool
fault_read(Fault *fault, const cJSON *json, Problem *problem)
{
	fault->rate = 1;
	fault->times = fault->after = fault->delay_ms = fault->status = -1;
	fault->retry_after_date_in = fault->retry_after_ms = fault->at = -1;
	fault->bytes = fault->depth = fault->bytes_per_second = -1;
	if (!fields_read(fault, fault_fields, json, problem))
		return false;
	if (fault->kind == NULL)
		return fields_refuse(problem, "a fault needs a kind");
	if (!is_printable(fault->retry_after) || !is_printable(fault->location))
		return fields_refuse(problem, "a header value holds a control "
							 "character");
	return true;
}

/* Gives back what fault_read made. */
void
fault_free(Fault *fault)
{
	fields_free_strings(fault, fault_fields);
	free(fault->script);
	free(fault->retry_after);
	free(fault->should_retry);
	cJSON_Delete(fault->code);
}

/*
 * A fault is met if every condition that it states holds: the script has 1 at
 * n, n lies in [after, after + times), the prompt contains match, and the dice
 * fall under rate.
 */
static bool
is_met(const Fault *fault, double dice, uint64_t n, const char *prompt,
	   size_t prompt_len)
{
	double		first = fault->after > 0 ? fault->after : 0;

	if (fault->script != NULL &&
		(n >= (uint64_t) fault->script_len || !fault->script[n]))
		return false;
	if ((double) n < first ||
		(fault->times >= 0 && (double) n >= first + fault->times))
		return false;
	if (fault->match != NULL &&
		memmem(prompt, prompt_len, fault->match, strlen(fault->match)) == NULL)
		return false;
	return dice < fault->rate;
}

/*
 * The first fault that request n meets, or NULL.  The dice of a fault depend
 * on the seed, n and the fault's place only.
 */
const Fault *
fault_choose(const Fault *faults, int count, uint64_t seed, uint64_t n,
			 const char *prompt, size_t prompt_len)
{
	for (int i = 0; i < count; i++)
	{
		double		dice = rng_unit(rng_draw(seed, n,
											 RNG_FAULT + (uint64_t) i));

		if (is_met(&faults[i], dice, n, prompt, prompt_len))
			return &faults[i];
	}
	return NULL;
}

/*
 * fields.c: reads the members of a JSON object into a struct by a table of
 * rows that ends with a NULL name; an unknown member is refused by its name.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "fields.h"

/* Keeps the reason; always false, so callers can return it. */
bool
fields_refuse(Problem *problem, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return false;
}

static bool
read_string(char **target, const Field *field, const cJSON *value,
			Problem *problem)
{
	if (!cJSON_IsString(value))
		return fields_refuse(problem, "%s must be a string", field->name);
	free(*target);
	*target = mem_strdup(value->valuestring);
	return true;
}

static bool
read_field(void *target, const Field *field, const cJSON *value,
		   Problem *problem)
{
	char	   *place = (char *) target + field->offset;

	switch (field->kind)
	{
		case FIELD_NUMBER:
			if (!cJSON_IsNumber(value) || value->valuedouble < field->min ||
				value->valuedouble > field->max)
				return fields_refuse(problem,
									 "%s must be a number in %g..%g",
									 field->name, field->min, field->max);
			*(double *) place = value->valuedouble;
			return true;
		case FIELD_BOOL:
			if (!cJSON_IsBool(value))
				return fields_refuse(problem, "%s must be true or false",
									 field->name);
			*(bool *) place = cJSON_IsTrue(value);
			return true;
		case FIELD_STRING:
			return read_string((char **) place, field, value, problem);
		case FIELD_CUSTOM:
			break;
	}
	return field->read(target, value, problem);
}

/*
 * Fills the struct.  On false the problem says why, and the struct holds what
 * was read before.
 */
bool
fields_read(void *target, const Field *fields, const cJSON *object,
			Problem *problem)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		return fields_refuse(problem, "an object was expected");
	cJSON_ArrayForEach(member, object)
	{
		const Field *field = fields;

		while (field->name != NULL && strcmp(field->name, member->string) != 0)
			field++;
		if (field->name == NULL)
			return fields_refuse(problem, "unknown field \"%s\"",
								 member->string);
		if (!read_field(target, field, member, problem))
			return false;
	}
	return true;
}

/* Gives back the strings that fields_read made. */
void
fields_free_strings(void *target, const Field *fields)
{
	for (; fields->name != NULL; fields++)
	{
		if (fields->kind == FIELD_STRING)
			free(*(char **) ((char *) target + fields->offset));
	}
}

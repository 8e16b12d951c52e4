/*
 * fields.h: reading the members of a JSON object into a struct by a table.
 */
#ifndef UPSTREAM_FIELDS_H
#define UPSTREAM_FIELDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Why a configuration was refused. */
typedef struct Problem
{
	char		text[200];
} Problem;

typedef enum FieldKind
{
	FIELD_NUMBER = 0,			/* double, between min and max */
	FIELD_BOOL,
	FIELD_STRING,				/* char *, owned by the struct */
	FIELD_CUSTOM				/* read by the row's function */
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind	kind;
	size_t		offset;
	double		min;
	double		max;
	bool		(*read) (void *target, const cJSON *value, Problem *problem);
} Field;

bool		fields_read(void *target, const Field *fields,
						const cJSON *object, Problem *problem);
bool		fields_refuse(Problem *problem, const char *format,...)
			__attribute__((format(printf, 2, 3)));
void		fields_free_strings(void *target, const Field *fields);

#endif

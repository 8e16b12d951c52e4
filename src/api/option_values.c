/*
 * option_values.c
 *	  Reading a closed set of JSON fields by a table.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "api/option_values.h"
#include "api/options.h"
#include "base/text.h"

#define INT64_BOUND 9.2e18		/* so that rounding cannot overflow */

static const MrOptionRow *find_row(const MrOptionTable *table,
								   const char *name);
static void raise_unknown(const MrOptionTable *table, const char *name)
			pg_attribute_noreturn();
static void set_field(void *target, const MrOptionRow *row,
					  const MrOption *option);
static void raise_type(const MrOption *option, const char *expected)
			pg_attribute_noreturn();
static const char *type_name(const JsonbValue *value);
static MrStrings read_array(const MrOption *option, int max_strings);
static char *quote_json(const JsonbValue *value);

bool
mr_options_given(Jsonb *options)
{
	JsonbValue	scalar;

	return options != NULL &&
		!(JB_ROOT_IS_SCALAR(options) &&
		  JsonbExtractScalar(&options->root, &scalar) &&
		  scalar.type == jbvNull);
}

void
mr_options_read(void *target, const MrOptionTable *table,
				JsonbContainer *object)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	if (!JsonContainerIsObject(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '%s'.", table->example)));
	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			const MrOptionRow *row = find_row(table, name);
			MrOption	option = {table, name, &value};

			if (row == NULL)
				raise_unknown(table, name);
			if (value.type != jbvNull)
				set_field(target, row, &option);
		}
	}
}

static const MrOptionRow *
find_row(const MrOptionTable *table, const char *name)
{
	for (int i = 0; i < table->nrows; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	return NULL;
}

static void
raise_unknown(const MrOptionTable *table, const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < table->nrows; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 table->rows[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%s%s\"", table->prefix, name),
			 errhint("Known are: %s.", names.data)));
}

static void
set_field(void *target, const MrOptionRow *row, const MrOption *option)
{
	void	   *field = (char *) target + row->offset;

	switch (row->kind)
	{
		case MR_OPTION_CUSTOM:
			row->set(target, option);
			break;
		case MR_OPTION_TEXT:
			*(const char **) field =
				mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES);
			break;
		case MR_OPTION_LONG_TEXT:
			*(const char **) field =
				mr_option_text(option, MR_PROMPT_MAX_BYTES);
			break;
		case MR_OPTION_KEY:
			*(const char **) field = mr_option_key(option);
			break;
		case MR_OPTION_INT:
			*(int *) field = mr_option_int(option, row->minimum,
										   row->maximum);
			break;
		case MR_OPTION_DOUBLE:
			*(double *) field = mr_option_double(option, row->minimum,
												 row->maximum);
			break;
		case MR_OPTION_BOOL:
			*(bool *) field = mr_option_bool(option);
			break;
		case MR_OPTION_STRINGS:
			*(MrStrings *) field = mr_option_strings(option,
													 MR_OPTION_LIST_MAX);
			break;
		case MR_OPTION_OBJECT:
			mr_option_object(option, "an object");
			*(const char **) field = mr_option_json(option);
			break;
	}
}

void
mr_option_bad(const MrOption *option, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s%s\"",
					option->table->prefix, option->name),
			 errdetail("%s", detail)));
}

static void
raise_type(const MrOption *option, const char *expected)
{
	mr_option_bad(option, psprintf("It must be %s, not %s.", expected,
								   type_name(option->value)));
}

static const char *
type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data)
				? "an array" : "an object";
		default:
			return "null";
	}
}

/*
 * UTF-8, not empty.
 */
char *
mr_option_text(const MrOption *option, size_t max_bytes)
{
	const JsonbValue *value = option->value;

	if (value->type != jbvString)
		raise_type(option, "a string");
	if (value->val.string.len == 0)
		mr_option_bad(option, "It must not be empty.");
	if ((size_t) value->val.string.len > max_bytes)
		mr_option_bad(option, psprintf("It has more than %zu bytes.",
									   max_bytes));
	return mr_text_to_utf8(value->val.string.val, value->val.string.len,
						   NULL);
}

/* A text, or a number as a column of numbers would show it. */
char *
mr_option_key(const MrOption *option)
{
	const JsonbValue *value = option->value;
	Datum		number;

	if (value->type != jbvNumeric)
		return mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES);
	number = NumericGetDatum(value->val.numeric);
	return DatumGetCString(DirectFunctionCall1(numeric_out, number));
}

char *
mr_option_server_text(const MrOption *option)
{
	if (option->value->type != jbvString)
		raise_type(option, "a string");
	return pnstrdup(option->value->val.string.val,
					option->value->val.string.len);
}

double
mr_option_double(const MrOption *option, double minimum, double maximum)
{
	double		number;
	Datum		value;

	if (option->value->type != jbvNumeric)
		raise_type(option, "a number");
	value = NumericGetDatum(option->value->val.numeric);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												value));
	if (!(number >= minimum && number <= maximum))
		mr_option_bad(option, psprintf("It must be between %.15g and %.15g.",
									   minimum, maximum));
	return number;
}

int
mr_option_int(const MrOption *option, double minimum, double maximum)
{
	double		number = mr_option_double(option, minimum, maximum);

	if (number != rint(number))
		mr_option_bad(option, "It must be a whole number.");
	return (int) number;
}

int64
mr_option_int64(const MrOption *option)
{
	double		number = mr_option_double(option, -INT64_BOUND, INT64_BOUND);
	Datum		value;

	if (number != rint(number))
		mr_option_bad(option, "It must be a whole number.");
	value = NumericGetDatum(option->value->val.numeric);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, value));
}

bool
mr_option_bool(const MrOption *option)
{
	if (option->value->type != jbvBool)
		raise_type(option, "true or false");
	return option->value->val.boolean;
}

/*
 * A string, or an array of strings; none of them empty.
 */
MrStrings
mr_option_strings(const MrOption *option, int max_strings)
{
	const JsonbValue *value = option->value;

	if (value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data))
		return read_array(option, max_strings);
	if (value->type == jbvString)
	{
		const char **strings = palloc(2 * sizeof(char *));

		strings[0] = mr_option_text(option, MR_OPTION_TEXT_MAX_BYTES);
		strings[1] = NULL;
		return strings;
	}
	raise_type(option, "a string or an array of strings");
}

static MrStrings
read_array(const MrOption *option, int max_strings)
{
	JsonbContainer *array = option->value->val.binary.data;
	int			count = JsonContainerSize(array);
	const char **strings = palloc((count + 1) * sizeof(char *));

	if (count > max_strings)
		mr_option_bad(option, psprintf("It has more than %d strings.",
									   max_strings));
	for (int i = 0; i < count; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(array, i);
		MrOption	element = {option->table, option->name, value};

		if (value->type != jbvString)
			raise_type(&element, "an array of strings");
		strings[i] = mr_option_text(&element, MR_OPTION_TEXT_MAX_BYTES);
	}
	strings[count] = NULL;
	return strings;
}

/*
 * The index of the word that was given.
 */
int
mr_option_word(const MrOption *option, const char *const *words, int nwords)
{
	char	   *given = mr_option_server_text(option);
	StringInfoData list;

	for (int i = 0; i < nwords; i++)
		if (strcmp(given, words[i]) == 0)
			return i;
	initStringInfo(&list);
	for (int i = 0; i < nwords; i++)
		appendStringInfo(&list, "%s\"%s\"", i == 0 ? "" :
						 i == nwords - 1 ? " or " : ", ", words[i]);
	mr_option_bad(option, psprintf("It must be %s, not \"%s\".", list.data,
								   given));
}

JsonbContainer *
mr_option_object(const MrOption *option, const char *expected)
{
	if (option->value->type != jbvBinary ||
		!JsonContainerIsObject(option->value->val.binary.data))
		raise_type(option, expected);
	return option->value->val.binary.data;
}

int
mr_option_array_length(const MrOption *option, const char *expected)
{
	if (option->value->type != jbvBinary ||
		!JsonContainerIsArray(option->value->val.binary.data))
		raise_type(option, expected);
	return JsonContainerSize(option->value->val.binary.data);
}

/*
 * The value as UTF-8 JSON text.
 */
char *
mr_option_json(const MrOption *option)
{
	const JsonbValue *value = option->value;
	char	   *json;

	if (value->type == jbvBinary)
		json = JsonbToCString(NULL, value->val.binary.data,
							  value->val.binary.len);
	else
		json = quote_json(value);
	return mr_text_to_utf8(json, strlen(json), NULL);
}

static char *
quote_json(const JsonbValue *value)
{
	StringInfoData out;

	initStringInfo(&out);
	escape_json(&out, pnstrdup(value->val.string.val,
							   value->val.string.len));
	return out.data;
}

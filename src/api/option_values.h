/*
 * option_values.h
 *	  Reading a closed set of JSON fields by a table, with the errors that a
 *	  user needs to mend a call.
 */
#ifndef MR_OPTION_VALUES_H
#define MR_OPTION_VALUES_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/request.h"

typedef enum MrOptionKind
{
	MR_OPTION_CUSTOM = 0,		/* set() reads the value */
	MR_OPTION_TEXT,				/* const char *, not empty, bounded */
	MR_OPTION_LONG_TEXT,		/* const char * */
	MR_OPTION_KEY,				/* const char *, a text or a number */
	MR_OPTION_INT,				/* int in minimum..maximum */
	MR_OPTION_DOUBLE,			/* double in minimum..maximum */
	MR_OPTION_BOOL,
	MR_OPTION_STRINGS,			/* MrStrings from a string or an array */
	MR_OPTION_OBJECT			/* const char * with JSON text */
} MrOptionKind;

typedef struct MrOptionRow MrOptionRow;

typedef struct MrOptionTable
{
	const char *prefix;			/* of the names in messages: "provider." */
	const MrOptionRow *rows;	/* in order of name */
	int			nrows;
	const char *example;		/* of a whole object, for the HINT */
} MrOptionTable;

/* One field as it was found. */
typedef struct MrOption
{
	const MrOptionTable *table;
	const char *name;
	JsonbValue *value;
} MrOption;

struct MrOptionRow
{
	const char *name;
	MrOptionKind kind;
	size_t		offset;			/* of the field in the target */
	double		minimum;
	double		maximum;
	void		(*set) (void *target, const MrOption *option);
};

/* Whether an argument is neither NULL nor, which is the same, a JSON null. */
extern bool mr_options_given(Jsonb *options);

/*
 * Set a field of the target, a struct that the table's offsets are in, for
 * each member of an object that is not null.
 */
extern void mr_options_read(void *target, const MrOptionTable *table,
							JsonbContainer *object);

/* Each raises 22023 unless the value has the type that its name tells. */
extern char *mr_option_text(const MrOption *option, size_t max_bytes);
extern char *mr_option_key(const MrOption *option);
extern char *mr_option_server_text(const MrOption *option);
extern double mr_option_double(const MrOption *option, double minimum,
							   double maximum);
extern int	mr_option_int(const MrOption *option, double minimum,
						  double maximum);
extern int64 mr_option_int64(const MrOption *option);
extern bool mr_option_bool(const MrOption *option);
extern MrStrings mr_option_strings(const MrOption *option, int max_strings);
extern int	mr_option_word(const MrOption *option, const char *const *words,
						   int nwords);
extern JsonbContainer *mr_option_object(const MrOption *option,
										const char *expected);
extern int	mr_option_array_length(const MrOption *option,
								   const char *expected);
extern char *mr_option_json(const MrOption *option);

/* detail is a sentence. */
extern void mr_option_bad(const MrOption *option, const char *detail)
			pg_attribute_noreturn();

#endif							/* MR_OPTION_VALUES_H */

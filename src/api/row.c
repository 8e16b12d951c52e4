/*
 * row.c
 *	  The columns of a result row: NULL for what is not known.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "api/row.h"
#include "base/endpoint.h"
#include "base/text.h"

#define PICO_DIGITS 12			/* pico-USD are USD with 12 decimals */

void
mr_row_set_text(MrRow *row, int column, const char *utf8)
{
	if (utf8 == NULL)
		row->nulls[column] = true;
	else if (GetDatabaseEncoding() == PG_UTF8)
		row->values[column] = CStringGetTextDatum(utf8);
	else
		row->values[column] =
			CStringGetTextDatum(mr_text_from_utf8_lossy(utf8, strlen(utf8)));
}

/* NaN is NULL. */
void
mr_row_set_double(MrRow *row, int column, double value)
{
	row->nulls[column] = isnan(value);
	row->values[column] = Float8GetDatum(value);
}

/* A numeric in USD; MR_COST_UNKNOWN is NULL. */
void
mr_row_set_cost(MrRow *row, int column, int64 cost_picousd)
{
	row->nulls[column] = cost_picousd == MR_COST_UNKNOWN;
	if (!row->nulls[column])
		row->values[column] =
			NumericGetDatum(int64_div_fast_to_numeric(cost_picousd,
													  PICO_DIGITS));
}

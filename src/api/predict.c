/*
 * predict.c
 *	  SQL function predict_quality: what a router expects of its models.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "api/options.h"
#include "api/row.h"
#include "base/text.h"
#include "engine/expect.h"

PG_FUNCTION_INFO_V1(mr_sql_predict_quality);

enum
{
	PREDICTED_MODEL,
	PREDICTED_QUALITY,
	PREDICTED_STDERR,
	PREDICTED_COLUMNS
};

/* A row for each model; none for a NULL prompt. */
Datum
mr_sql_predict_quality(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MrRequest	request;
	MrExpected *expected;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	mr_request_init(&request, NULL,
					PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
					MR_ON_ERROR_RAISE);
	if (!PG_ARGISNULL(1))
		mr_request_set_router(&request, PG_GETARG_TEXT_PP(1));
	mr_request_set_prompt(&request, PG_GETARG_TEXT_PP(0));
	expected = mr_expect(&request, &count);
	for (int i = 0; i < count; i++)
	{
		Datum		values[PREDICTED_COLUMNS];
		bool		nulls[PREDICTED_COLUMNS] = {false};
		MrRow		row = {values, nulls};

		mr_row_set_text(&row, PREDICTED_MODEL, expected[i].model);
		mr_row_set_double(&row, PREDICTED_QUALITY, expected[i].quality);
		mr_row_set_double(&row, PREDICTED_STDERR, expected[i].quality_stderr);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

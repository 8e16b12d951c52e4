/*
 * train_progress.c
 *	  SQL function list_trainings, which is behind view train_progress.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/progress.h"
#include "router/train.h"

PG_FUNCTION_INFO_V1(mr_sql_list_trainings);

enum
{
	TRAINING_PID,
	TRAINING_DATABASE,
	TRAINING_ROLE,
	TRAINING_ROUTER,
	TRAINING_PHASE,
	TRAINING_ROWS_READ,
	TRAINING_PROMPTS,
	TRAINING_DONE,
	TRAINING_TOTAL,
	TRAINING_STARTED_AT,
	TRAINING_COLUMNS
};

/* The words of column phase. */
static const char *const phase_names[] = {
	[MR_TRAIN_READING] = "reading",
	[MR_TRAIN_VALIDATING] = "validating",
	[MR_TRAIN_FITTING] = "fitting",
	[MR_TRAIN_WRITING] = "writing",
};

static bool sees_all(void);
static void fill_row(const MrProgress *progress, Datum *values, bool *nulls);
static void set_name(Datum *values, bool *nulls, int column, const char *name);
static void set_count(Datum *values, bool *nulls, int column, int64 count);

/*
 * A row for each training of the server; all but its pid is NULL unless the
 * current role has the rights of the one that trains, or of monitor().
 */
Datum
mr_sql_list_trainings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MrProgress *list = palloc(MR_PROGRESS_SLOTS * sizeof(MrProgress));
	bool		all = sees_all();
	int			count = mr_progress_list(list, MR_PROGRESS_SLOTS);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		values[TRAINING_COLUMNS];
		bool		nulls[TRAINING_COLUMNS];

		memset(nulls, true, sizeof(nulls));
		values[TRAINING_PID] = Int32GetDatum(list[i].pid);
		nulls[TRAINING_PID] = false;
		if (all || has_privs_of_role(GetUserId(), list[i].role))
			fill_row(&list[i], values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

static bool
sees_all(void)
{
	Datum		function = CStringGetTextDatum("modelroute.monitor()");
	Datum		privilege = CStringGetTextDatum("EXECUTE");

	return DatumGetBool(DirectFunctionCall2(has_function_privilege_name,
											function, privilege));
}

static void
fill_row(const MrProgress *progress, Datum *values, bool *nulls)
{
	set_name(values, nulls, TRAINING_DATABASE,
			 get_database_name(progress->database));
	set_name(values, nulls, TRAINING_ROLE,
			 GetUserNameFromId(progress->role, true));
	set_name(values, nulls, TRAINING_ROUTER, progress->router);
	set_name(values, nulls, TRAINING_PHASE, phase_names[progress->phase]);
	set_count(values, nulls, TRAINING_ROWS_READ, progress->rows_read);
	if (progress->prompts > 0)
		set_count(values, nulls, TRAINING_PROMPTS, progress->prompts);
	if (progress->total > 0)
	{
		set_count(values, nulls, TRAINING_DONE, progress->done);
		set_count(values, nulls, TRAINING_TOTAL, progress->total);
	}
	values[TRAINING_STARTED_AT] = TimestampTzGetDatum(progress->started_at);
	nulls[TRAINING_STARTED_AT] = false;
}

static void
set_name(Datum *values, bool *nulls, int column, const char *name)
{
	nulls[column] = name == NULL;
	if (name != NULL)
		values[column] = CStringGetTextDatum(name);
}

static void
set_count(Datum *values, bool *nulls, int column, int64 count)
{
	nulls[column] = false;
	values[column] = Int64GetDatum(count);
}

/*
 * route.c
 *	  SQL functions route and route_candidates: recommend a model without
 *	  calling it, and explain the choice.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/options.h"
#include "api/row.h"
#include "engine/decide.h"

PG_FUNCTION_INFO_V1(mr_sql_route);
PG_FUNCTION_INFO_V1(mr_sql_route_candidates);

/* The fields of type modelroute.decision. */
enum
{
	DECISION_MODEL,
	DECISION_PROVIDER,
	DECISION_CATEGORY,
	DECISION_QUALITY,
	DECISION_QUALITY_STDERR,
	DECISION_COST,
	DECISION_WORST_COST,
	DECISION_LATENCY_MS,
	DECISION_INPUT_TOKENS,
	DECISION_OUTPUT_TOKENS,
	DECISION_OBJECTIVE,
	DECISION_REASON,
	DECISION_FALLBACKS,
	DECISION_COLUMNS
};

/* The columns of route_candidates. */
enum
{
	CANDIDATE_RANK,
	CANDIDATE_MODEL,
	CANDIDATE_PROVIDER,
	CANDIDATE_QUALITY,
	CANDIDATE_QUALITY_STDERR,
	CANDIDATE_COST,
	CANDIDATE_WORST_COST,
	CANDIDATE_LATENCY_MS,
	CANDIDATE_INPUT_TOKENS,
	CANDIDATE_OUTPUT_TOKENS,
	CANDIDATE_QUALITY_TERM,
	CANDIDATE_COST_TERM,
	CANDIDATE_LATENCY_TERM,
	CANDIDATE_UTILITY,
	CANDIDATE_PROPENSITY,
	CANDIDATE_TYPICAL_QUALITY,
	CANDIDATE_ROUTER,
	CANDIDATE_CATEGORY,
	CANDIDATE_REASON,
	CANDIDATE_EXCLUDED_BY,
	CANDIDATE_EXCLUDED_DETAIL,
	CANDIDATE_COLUMNS
};

static void read_request(FunctionCallInfo fcinfo, text *model,
						 MrRequest *request);
static TupleDesc result_descriptor(FunctionCallInfo fcinfo);
static Datum decision_datum(const MrDecision *decision, TupleDesc descriptor);
static Datum fallbacks_datum(const MrDecision *decision);
static void fill_candidate(const MrDecision *decision,
						   const MrCandidate *candidate, MrRow *row);

/*
 * The best model for a prompt; NULL for a NULL prompt, and with on_error null
 * when nothing can serve it.
 */
Datum
mr_sql_route(PG_FUNCTION_ARGS)
{
	MrRequest	request;
	MrDecision *decision;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	read_request(fcinfo, NULL, &request);
	decision = mr_decide(&request);
	if (decision->nchosen == 0 && request.on_error == MR_ON_ERROR_NULL)
		PG_RETURN_NULL();
	mr_decision_require(decision);
	PG_RETURN_DATUM(decision_datum(decision, result_descriptor(fcinfo)));
}

/*
 * Every candidate, by rank, the excluded ones last; no row for a NULL prompt.
 */
Datum
mr_sql_route_candidates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *model = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	MrRequest	request;
	MrDecision *decision;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	read_request(fcinfo, model, &request);
	decision = mr_decide(&request);
	if (decision->ncandidates == 0)
		mr_decision_require(decision);
	mr_router_explain(&request, &decision->features, decision->candidates,
					  decision->ncandidates);
	for (int i = 0; i < decision->ncandidates; i++)
	{
		Datum		values[CANDIDATE_COLUMNS];
		bool		nulls[CANDIDATE_COLUMNS] = {false};
		MrRow		row = {values, nulls};

		fill_candidate(decision, &decision->candidates[i], &row);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/*
 * Arguments 0 to 2 of both functions: prompt, objective, options.
 */
static void
read_request(FunctionCallInfo fcinfo, text *model, MrRequest *request)
{
	mr_request_init(request, model,
					PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
					MR_ON_ERROR_RAISE);
	if (!PG_ARGISNULL(1))
		mr_request_set_objective(request,
								 text_to_cstring(PG_GETARG_TEXT_PP(1)));
	mr_request_set_prompt(request, PG_GETARG_TEXT_PP(0));
}

/*
 * The row type of the result, looked up once for each use in a query.
 */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo)
{
	FmgrInfo   *function = fcinfo->flinfo;

	if (function->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(function->fn_mcxt);
		TupleDesc	descriptor;

		if (get_call_result_type(fcinfo, NULL, &descriptor) !=
			TYPEFUNC_COMPOSITE || descriptor->natts != DECISION_COLUMNS)
			elog(ERROR, "route() must return modelroute.decision");
		function->fn_extra = BlessTupleDesc(descriptor);
		MemoryContextSwitchTo(old);
	}
	return function->fn_extra;
}

static Datum
decision_datum(const MrDecision *decision, TupleDesc descriptor)
{
	const MrCandidate *chosen = &decision->candidates[0];
	Datum		values[DECISION_COLUMNS];
	bool		nulls[DECISION_COLUMNS] = {false};
	MrRow		row = {values, nulls};

	mr_row_set_text(&row, DECISION_MODEL, chosen->endpoint->model);
	mr_row_set_text(&row, DECISION_PROVIDER, chosen->endpoint->provider);
	mr_row_set_text(&row, DECISION_CATEGORY,
					mr_category_name(decision->features.category));
	mr_row_set_double(&row, DECISION_QUALITY, chosen->quality);
	mr_row_set_double(&row, DECISION_QUALITY_STDERR, chosen->quality_stderr);
	mr_row_set_cost(&row, DECISION_COST, chosen->cost_picousd);
	mr_row_set_cost(&row, DECISION_WORST_COST, chosen->worst_cost_picousd);
	mr_row_set_double(&row, DECISION_LATENCY_MS, chosen->latency_ms);
	values[DECISION_INPUT_TOKENS] =
		Int32GetDatum((int32) decision->features.input_tokens);
	values[DECISION_OUTPUT_TOKENS] =
		Int32GetDatum((int32) chosen->output_tokens);
	mr_row_set_text(&row, DECISION_OBJECTIVE,
					decision->request->objective.name);
	mr_row_set_text(&row, DECISION_REASON, chosen->reason);
	values[DECISION_FALLBACKS] = fallbacks_datum(decision);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

/*
 * The candidates that a call would try next, as provider/model: no more than
 * it has attempts.
 */
static Datum
fallbacks_datum(const MrDecision *decision)
{
	int			count = Min(decision->nchosen, decision->request->max_attempts);
	Datum		names[MR_ATTEMPTS_MAX];
	MrRow		row = {names, NULL};

	for (int i = 1; i < count; i++)
	{
		const MrEndpoint *endpoint = decision->candidates[i].endpoint;
		char	   *name = palloc(strlen(endpoint->provider) +
								  strlen(endpoint->model) + 2);

		strcpy(stpcpy(stpcpy(name, endpoint->provider), "/"), endpoint->model);
		mr_row_set_text(&row, i - 1, name);
	}
	return PointerGetDatum(construct_array(names, Max(count - 1, 0), TEXTOID,
										   -1, false, TYPALIGN_INT));
}

static void
fill_candidate(const MrDecision *decision, const MrCandidate *candidate,
			   MrRow *row)
{
	Datum	   *values = row->values;

	values[CANDIDATE_RANK] = Int32GetDatum(candidate->rank);
	row->nulls[CANDIDATE_RANK] = candidate->rank == 0;
	mr_row_set_text(row, CANDIDATE_MODEL, candidate->endpoint->model);
	mr_row_set_text(row, CANDIDATE_PROVIDER, candidate->endpoint->provider);
	mr_row_set_double(row, CANDIDATE_QUALITY, candidate->quality);
	mr_row_set_double(row, CANDIDATE_QUALITY_STDERR, candidate->quality_stderr);
	mr_row_set_cost(row, CANDIDATE_COST, candidate->cost_picousd);
	mr_row_set_cost(row, CANDIDATE_WORST_COST, candidate->worst_cost_picousd);
	mr_row_set_double(row, CANDIDATE_LATENCY_MS, candidate->latency_ms);
	values[CANDIDATE_INPUT_TOKENS] =
		Int32GetDatum((int32) decision->features.input_tokens);
	values[CANDIDATE_OUTPUT_TOKENS] =
		Int32GetDatum((int32) candidate->output_tokens);
	mr_row_set_double(row, CANDIDATE_QUALITY_TERM, candidate->quality_term);
	mr_row_set_double(row, CANDIDATE_COST_TERM, candidate->cost_term);
	mr_row_set_double(row, CANDIDATE_LATENCY_TERM, candidate->latency_term);
	mr_row_set_double(row, CANDIDATE_UTILITY, candidate->utility);
	mr_row_set_double(row, CANDIDATE_PROPENSITY, candidate->propensity);
	mr_row_set_double(row, CANDIDATE_TYPICAL_QUALITY,
					  candidate->typical_quality);
	mr_row_set_text(row, CANDIDATE_ROUTER, decision->router_name);
	mr_row_set_text(row, CANDIDATE_CATEGORY,
					mr_category_name(decision->features.category));
	mr_row_set_text(row, CANDIDATE_REASON, candidate->reason);
	mr_row_set_text(row, CANDIDATE_EXCLUDED_BY,
					candidate->excluded_by == MR_EXCLUSION_NONE
					? NULL : mr_exclusion_name(candidate->excluded_by));
	mr_row_set_text(row, CANDIDATE_EXCLUDED_DETAIL, candidate->excluded_detail);
}

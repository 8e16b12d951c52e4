/*
 * pack_report.c
 *	  The report of a training as JSON: what was read, what was chosen, and what
 *	  cross-validation saw on held-out prompts.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"

#include "router/pack.h"

static void append_string(StringInfo out, const char *text);
static void append_number(StringInfo out, const char *name, double value);
static void append_held_out(StringInfo out, const MrRows *rows,
							const MrValidation *validation);
static void append_references(StringInfo out,
							  const MrValidation *validation);
static void append_models(StringInfo out, const MrFit *fit,
						  const MrRows *rows);

/* UTF-8, in CurrentMemoryContext.  A number that is not known is null. */
char *
mr_pack_report(const MrFit *fit, const MrRows *rows,
			   const MrValidation *validation)
{
	const MrEvals *evals = rows->evals;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"rows\":" INT64_FORMAT ",\"rows_used\":"
					 INT64_FORMAT ",\"prompts\":%d", evals->rows,
					 evals->rows_kept, evals->nprompts);
	append_number(&out, "prompts_kept_share", evals->kept_share);
	append_number(&out, "lambda", validation->lambda);
	append_number(&out, "slope", validation->slope);
	append_number(&out, "margin", validation->margin);
	appendStringInfo(&out, ",\"trusted\":%s",
					 validation->trusted ? "true" : "false");
	append_number(&out, "neighbour_share", validation->neighbour_share);
	append_number(&out, "difficulty_slope", fit->beta);
	append_held_out(&out, rows, validation);
	append_models(&out, fit, rows);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
append_held_out(StringInfo out, const MrRows *rows,
				const MrValidation *validation)
{
	appendStringInfo(out, ",\"held_out\":{\"prompts\":%d,\"folds\":%d,"
					 "\"best_single\":", validation->nrows,
					 validation->folds);
	append_string(out, rows->evals->models[validation->best_single]);
	append_number(out, "best_single_quality", validation->single_quality);
	append_number(out, "router_quality", validation->router_quality);
	append_number(out, "gain", validation->gain);
	append_number(out, "gain_stderr", validation->gain_stderr);
	append_references(out, validation);
	appendStringInfo(out, ",\"leaves_best_single\":%s}",
					 isinf(validation->margin) ? "false" : "true");
}

/* Random choice among the scored models, and the best of them. */
static void
append_references(StringInfo out, const MrValidation *validation)
{
	double		random = 0;
	double		oracle = 0;

	for (int i = 0; i < validation->nrows; i++)
	{
		const MrEvalPrompt *prompt = mr_rows_prompt(&validation->rows, i);
		double		sum = 0;
		double		best = 0;

		for (int j = 0; j < prompt->ncells; j++)
		{
			sum += prompt->cells[j].score;
			best = Max(best, prompt->cells[j].score);
		}
		random += sum / prompt->ncells / validation->nrows;
		oracle += best / validation->nrows;
	}
	append_number(out, "random_quality", random);
	append_number(out, "oracle_quality", oracle);
}

static void
append_models(StringInfo out, const MrFit *fit, const MrRows *rows)
{
	appendStringInfoString(out, ",\"models\":[");
	for (int i = 0; i < fit->nmodels; i++)
	{
		appendStringInfoString(out, i > 0 ? ",{\"model\":" : "{\"model\":");
		append_string(out, rows->evals->models[i]);
		appendStringInfo(out, ",\"prompts\":%d", fit->prompts[i]);
		append_number(out, "quality", fit->mean[i]);
		append_number(out, "output_tokens", exp(fit->ln_tokens[i]));
		append_number(out, "cost", exp(fit->ln_cost[i]));
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
}

static void
append_number(StringInfo out, const char *name, double value)
{
	if (isfinite(value))
		appendStringInfo(out, ",\"%s\":%.6g", name, value);
	else
		appendStringInfo(out, ",\"%s\":null", name);
}

static void
append_string(StringInfo out, const char *text)
{
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		if ((unsigned char) *text < ' ')
			appendStringInfo(out, "\\u%04x", *text);
		else
			appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

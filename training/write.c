/*
 * write.c
 *	  Writes the model as C source, laid out as make format would.
 */
#include "postgres.h"

#include "model.h"
#include "plain.h"

#define ROWS_IN_LINE	20
#define SIGNALS_IN_LINE 3

static void write_outputs(FILE *file, const Model *model,
						  const Calibration *calibration);
static void write_name(FILE *file, MrCategory category);
static void write_words(FILE *file, const Model *model);
static void write_surface(FILE *file, const Model *model);
static bool is_empty(const Model *model, int row);
static void write_row(FILE *file, const Model *model, int row,
					  const double *step);

void
write_model(const Model *model, const Calibration *calibration,
			const char *path)
{
	FILE	   *file = fopen(path, "w");

	if (file == NULL)
	{
		fprintf(stderr, "%s cannot be written\n", path);
		exit(2);
	}
	fputs("/*\n"
		  " * category_weights.c\n"
		  " *\t  The weights of the prompt classifier, written by "
		  "make categories.\n"
		  " *\n"
		  " * Do not edit: training/README.md says where they come from.\n"
		  " */\n"
		  "#include \"postgres.h\"\n\n"
		  "#include \"router/category_model.h\"\n\n", file);
	write_outputs(file, model, calibration);
	write_words(file, model);
	write_surface(file, model);
	if (fclose(file) != 0)
		exit(2);
}

static void
write_outputs(FILE *file, const Model *model, const Calibration *calibration)
{
	fputs("const MrCategoryOutput "
		  "mr_category_outputs[MR_CATEGORY_OUTPUTS] = {\n", file);
	for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
	{
		bool		tokens = k == MR_CATEGORY_TOKENS;
		double		factor = tokens ? 1 : calibration->sharpness;
		double		bias = factor * model->weights[BIAS_ROW][k];

		if (tokens)
			bias += plain_log(calibration->growth);
		fputs("\t{MR_CATEGORY_", file);
		write_name(file, tokens ? MR_CATEGORY_DEFAULT
				   : learned_categories[k]);
		fprintf(file, ", %.6g, %.6g, %.6g}%s\n", bias,
				factor * model->word_step[k],
				factor * model->surface_step[k] * SURFACE_VALUE,
				tokens ? "" : ",");
	}
	fputs("};\n\n", file);
}

/* The end of the category's constant. */
static void
write_name(FILE *file, MrCategory category)
{
	for (const char *c = mr_category_name(category); *c != '\0'; c++)
		fputc(*c == '_' ? '_' : *c - 'a' + 'A', file);
}

static void
write_words(FILE *file, const Model *model)
{
	fputs("const char\tmr_category_words[] =", file);
	for (int i = 0; i < MR_CATEGORY_BUCKETS; i++)
	{
		if (i % ROWS_IN_LINE == 0)
			fputs(i == 0 ? "\n\t\"" : "\"\n\t\"", file);
		write_row(file, model, i, model->word_step);
	}
	for (int k = MR_CATEGORY_OUTPUTS; k < MR_CATEGORY_LANES; k++)
		fputc(MR_CATEGORY_ZERO, file);
	fputs("\";\n\n", file);
}

static void
write_surface(FILE *file, const Model *model)
{
	int			written = 0;

	fputs("const char\n"
		  "\t\t\tmr_category_surface[MR_SURFACE_IDS]"
		  "[MR_CATEGORY_OUTPUTS + 1] = {", file);
	for (int i = 0; i < MR_SURFACE_IDS; i++)
	{
		if (is_empty(model, SURFACE_ROW + i))
			continue;
		fprintf(file, "%s[%d] = \"",
				written == 0 ? "\n\t"
				: written % SIGNALS_IN_LINE == 0 ? ",\n\t" : ",", i);
		write_row(file, model, SURFACE_ROW + i, model->surface_step);
		fputs("\"", file);
		written++;
	}
	fputs("\n};\n", file);
}

static bool
is_empty(const Model *model, int row)
{
	for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
		if (model->weights[row][k] != 0)
			return false;
	return true;
}

static void
write_row(FILE *file, const Model *model, int row, const double *step)
{
	for (int k = 0; k < MR_CATEGORY_OUTPUTS; k++)
		fputc(MR_CATEGORY_ZERO + level_of(model->weights[row][k], step[k]),
			  file);
}

/*
 * train_categories.c
 *	  Trains the prompt classifier on the prompts written for it, and writes its
 *	  weights as C source.
 *
 * usage: train_categories PROMPTS_DIRECTORY OUTPUT_FILE
 */
#include "postgres.h"

#include "model.h"

static Corpus corpus;
static Model model;

int
main(int argc, char **argv)
{
	Calibration calibration;

	if (argc != 3)
	{
		fputs("usage: train_categories PROMPTS_DIRECTORY OUTPUT_FILE\n",
			  stderr);
		return 2;
	}
	read_corpus(argv[1], &corpus);
	calibration = validate(&corpus);
	fit_model(&corpus, FOLDS, &model);
	round_model(&model);
	write_model(&model, &calibration, argv[2]);
	return 0;
}

/*
 * corpus.h
 *	  The training prompts, as the rows of the model that each one touches.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include "postgres.h"

#include "router/category_model.h"

/* Rows of weights: buckets of words, surface signals, and the bias. */
#define SURFACE_ROW		MR_CATEGORY_BUCKETS
#define BIAS_ROW		(SURFACE_ROW + MR_SURFACE_IDS)
#define ROWS			(BIAS_ROW + 1)

/* What a surface signal counts beside the words, whose vector has length 1. */
#define SURFACE_VALUE	0.1

#define EXAMPLES_MAX	20000

typedef struct Term
{
	int			row;
	double		value;
} Term;

typedef struct Example
{
	int			output;			/* the category's place among the outputs */
	double		tokens;			/* our estimate of the reply's */
	double		ln_tokens;
	uint32		asked_words;	/* see MrFeatures */
	int			nterms;
	Term	   *terms;
} Example;

typedef struct Corpus
{
	int			nexamples;
	Example		examples[EXAMPLES_MAX];
} Corpus;

/* The categories in the order of the outputs. */
extern const MrCategory learned_categories[MR_CATEGORY_TOKENS];

/* Reads DIRECTORY/CATEGORY.txt for each; faults end the program. */
extern void read_corpus(const char *directory, Corpus *corpus);

#endif							/* CORPUS_H */

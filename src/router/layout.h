/*
 * layout.h
 *	  The bytes of an artifact, shared by what writes them and what reads them.
 *
 * A bucket's row is one byte of inverse document frequency and one signed byte
 * of weight for each output.  Outputs are one for each model (who is better on
 * this prompt), one for the prompt (how hard it is for all), and one for the
 * logarithm of its length in tokens or money.
 */
#ifndef MR_LAYOUT_H
#define MR_LAYOUT_H

#include "postgres.h"

#include "router/artifact.h"
#include "router/features.h"

#define MR_ARTIFACT_MAGIC		"mrrouter"
#define MR_ARTIFACT_VERSION		1
#define MR_ARTIFACT_BYTE_ORDER	0x01020304

#define MR_IDF_UNIT			(1.0 / 16)	/* so that a byte reaches 15.9 */
#define MR_WORD_BITS_MAX	16
#define MR_WORD_BITS_MIN	10
#define MR_TASK_BITS		11
#define MR_TASK_BUCKETS		(1 << MR_TASK_BITS)

/* Lengths of a prompt's vectors of words, surface signals and task. */
#define MR_SURFACE_LENGTH	0.3
#define MR_TASK_LENGTH		1.0

/*
 * A router of more models leaves pairs of words out, and has half the buckets:
 * what pairs add is less than what a slower decision costs.
 */
#define MR_PAIR_MODELS_MAX		32

/* Neighbours: at most so many rows, of at most so many models. */
#define MR_NEIGHBOUR_ROWS_MAX	2048
#define MR_NEIGHBOUR_MODELS_MAX	16
#define MR_NEIGHBOURS			100

/* One model of an artifact. */
typedef struct MrArtifactModel
{
	uint32		name;			/* offset of its NUL-terminated name */
	int32		prompts;		/* it was scored on */
	double		mean;			/* quality over all prompts */
	double		mean_stderr;
	double		advantage;		/* mean - mean over models */
	double		noise;			/* variance of score around the expectation */
	double		tokens;			/* output tokens of a prompt of length 1; NaN */
	double		cost_usd;		/* likewise */
	double		scale;			/* of its weights: value of one step */
} MrArtifactModel;

struct MrArtifact
{
	char		magic[8];
	uint32		version;
	uint32		byte_order;
	uint32		feature_version;
	int32		nmodels;
	uint64		bytes;			/* of the whole artifact */
	int32		word_bits;
	int32		prompts;		/* trained on */
	double		slope;			/* quality = mean + slope x .. */
	double		margin;			/* least gain over the best single model */
	double		lambda;			/* of the models' ridge */
	double		beta;			/* slope of the difficulty prior */
	double		beta_weight;	/* how much of it stays in effect */
	double		typical_low;	/* typicality below which nothing is learned */
	double		typical_high;	/* and above which all is */
	double		common_scale;
	double		length_scale;
	double		neighbour_share;	/* of the neighbours in the blend */
	double		place_scale;	/* value of one step of a neighbour's place */
	double		outcome_scale;	/* and of its outcome */
	int32		nneighbours;
	uint32		models;			/* offset of MrArtifactModel[nmodels] */
	uint32		names;			/* offset of the names */
	uint32		rows;			/* offset of the buckets' rows */
	uint32		neighbours;		/* offset of int8 [n][2][nmodels] */
	uint32		trusted;		/* 1: differences beyond the means hold */
	uint32		pairs;			/* 1: pairs of words count, too */
	uint32		reserved;
};

/* Outputs in order: the models', then these two. */
#define MR_OUTPUT_COMMON(nmodels)	(nmodels)
#define MR_OUTPUT_LENGTH(nmodels)	((nmodels) + 1)
#define MR_OUTPUTS(nmodels)			((nmodels) + 2)

static inline int
mr_layout_buckets(int word_bits)
{
	return (1 << word_bits) + MR_SURFACE_IDS + MR_TASK_BUCKETS;
}

/* Whether a word's hash counts in a router with or without pairs. */
static inline bool
mr_word_counts(uint32 hash, bool pairs)
{
	return pairs || (hash & MR_FEATURE_PAIR) == 0;
}

/* The buckets of a feature; those of words come first. */
static inline uint32
mr_bucket_of_word(uint32 hash, int word_bits)
{
	return hash >> (32 - word_bits);
}

static inline uint32
mr_bucket_of_surface(uint16 id, int word_bits)
{
	return (1 << word_bits) + id;
}

static inline uint32
mr_bucket_of_task(uint32 task, int word_bits)
{
	return (1 << word_bits) + MR_SURFACE_IDS + (task >> (32 - MR_TASK_BITS));
}

#endif							/* MR_LAYOUT_H */

/*
 * category_model.h
 *	  The linear model of the prompt classifier: its shape, and its weights in
 *	  category_weights.c.
 *
 * Each output is
 *
 *		bias + word_scale * W / sqrt(nwords) + surface_scale * S
 *
 * where W and S sum the weights of the words and of the surface signals.  A
 * weight is a printable character, its code less MR_CATEGORY_ZERO, so that the
 * table is text of the size that it has in memory and needs no decoding.
 */
#ifndef MR_CATEGORY_MODEL_H
#define MR_CATEGORY_MODEL_H

#include "postgres.h"

#include "base/endpoint.h"
#include "router/features.h"

#define MR_CATEGORY_ZERO		'P'

/* Words share a bucket by the upper bits of their hashes. */
#define MR_CATEGORY_BUCKET_BITS 13
#define MR_CATEGORY_BUCKETS		(1 << MR_CATEGORY_BUCKET_BITS)

/* The logits of nine categories, then ln(output tokens). */
#define MR_CATEGORY_TOKENS		9
#define MR_CATEGORY_OUTPUTS		10

/*
 * Words asked for ("in 200 words") tell the length of the reply better than the
 * model does, from so many on; fewer are often those of a part of it.
 */
#define MR_CATEGORY_ASKED_LEAST	30
#define MR_CATEGORY_ASKED_SHARE	0.8
#define MR_CATEGORY_TOKENS_PER_WORD 1.35

/* Characters that may be read from the beginning of each row of words. */
#define MR_CATEGORY_LANES		16

typedef struct MrCategoryOutput
{
	MrCategory	category;		/* DEFAULT for the output tokens */
	double		bias;
	double		word_scale;
	double		surface_scale;
} MrCategoryOutput;

extern const MrCategoryOutput mr_category_outputs[MR_CATEGORY_OUTPUTS];

/* MR_CATEGORY_OUTPUTS characters for each bucket, and what LANES need more. */
extern const char mr_category_words[];

/* An empty string for a signal without weights. */
extern const char
			mr_category_surface[MR_SURFACE_IDS][MR_CATEGORY_OUTPUTS + 1];

static inline uint32
mr_category_bucket(uint32 hash)
{
	return hash >> (32 - MR_CATEGORY_BUCKET_BITS);
}

#endif							/* MR_CATEGORY_MODEL_H */

/*
 * features.h
 *	  What a prompt looks like to every predictor: hashed words and word pairs,
 *	  enumerated surface signals, the caller's task, and a difficulty.
 *
 * Integers only, but for the difficulty: the same bytes give the same features
 * on every machine.  MR_FEATURE_VERSION is stored with whatever was trained on
 * them and must change when they do.
 */
#ifndef MR_FEATURES_H
#define MR_FEATURES_H

#include "postgres.h"

#define MR_FEATURE_VERSION	1

/* Bytes that are read at most: the head and the tail of a prompt. */
#define MR_FEATURE_HEAD_BYTES	4096
#define MR_FEATURE_TAIL_BYTES	2048

/* Distinct words and word pairs that are kept at most: the first ones. */
#define MR_FEATURE_WORDS_MAX	4096

/* The bit of a word's hash that tells a pair of neighbours. */
#define MR_FEATURE_PAIR			1u

/* A surface signal's id is kind x 64 + value; one value for each kind. */
#define MR_SURFACE_VALUES		64
#define MR_SURFACE_KINDS		32
#define MR_SURFACE_IDS			(MR_SURFACE_KINDS * MR_SURFACE_VALUES)

/* The features of one prompt; the arrays are somebody else's. */
typedef struct MrFeatures
{
	size_t		bytes;			/* of the whole prompt, read or not */
	double		difficulty;		/* see surface.c; about -0.5 to 1 */
	uint32		task;			/* hash of the task, 0 = none */
	uint32		asked_words;	/* the largest n of "n words"; 0 = none */
	int			nwords;
	int			nsurface;
	const uint32 *words;		/* distinct hashes; a bucket is upper bits */
	const uint16 *surface;		/* ids, ascending */
} MrFeatures;

/* Features with room for their arrays. */
typedef struct MrFeatureSpace
{
	MrFeatures	features;		/* points into this struct */
	uint16		surface[MR_SURFACE_KINDS];
	uint32		words[MR_FEATURE_WORDS_MAX];
} MrFeatureSpace;

extern void mr_features_read(const char *text, size_t bytes, const char *task,
							 MrFeatureSpace *space);

#endif							/* MR_FEATURES_H */

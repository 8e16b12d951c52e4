/*
 * artifact.h
 *	  A trained router as one flat piece of memory: what is stored in table
 *	  router, shared between backends, and asked what to expect of a prompt.
 *
 * Offsets only, no pointers; must be aligned to 8 bytes.
 */
#ifndef MR_ARTIFACT_H
#define MR_ARTIFACT_H

#include "postgres.h"

#include "router/features.h"

typedef struct MrArtifact MrArtifact;

/* What a router expects of one of its models on a prompt. */
typedef struct MrLearned
{
	double		quality;		/* 0..1 */
	double		quality_stderr;
	double		mean;			/* quality over all training prompts */
	double		output_tokens;	/* NaN = it has not seen any */
	double		cost_usd;		/* NaN = it has not seen any */
} MrLearned;

/*
 * Whether the bytes are an artifact that this version can read; if not,
 * *problem says why in a sentence.  Every offset is checked, so that damaged
 * bytes never lead outside them.
 */
extern bool mr_artifact_check(const char *bytes, size_t length,
							  const char **problem);

extern int	mr_artifact_nmodels(const MrArtifact *artifact);
extern const char *mr_artifact_model(const MrArtifact *artifact, int model);

/* Mean quality of a model over the training prompts. */
extern double mr_artifact_mean(const MrArtifact *artifact, int model);

/*
 * How much more quality than the best single model's must be expected before
 * another is chosen (invariant I8); HUGE_VAL: never.
 */
extern double mr_artifact_margin(const MrArtifact *artifact);

/*
 * Whether differences of two models' expectations, beyond those of their
 * means, held on held-out prompts.
 */
extern bool mr_artifact_trusted(const MrArtifact *artifact);

/* Fills learned[model] for each model of the artifact. */
extern void mr_artifact_predict(const MrArtifact *artifact,
								const MrFeatures *features,
								MrLearned *learned);

#endif							/* MR_ARTIFACT_H */

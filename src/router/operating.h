/*
 * operating.h
 *	  Finding the operating point of a router that meets a target: the threshold
 *	  of a pair, or what a dollar must bring.
 */
#ifndef MR_OPERATING_H
#define MR_OPERATING_H

#include "postgres.h"

#include "router/outcomes.h"

#define MR_SETTING_BYTES	40

typedef struct MrOperatingPoint
{
	bool		found;
	char		setting[MR_SETTING_BYTES];	/* threshold, or weight usd; as
											 * written its value is exact */
	double		value;			/* the same as a number */
	double		reached;		/* share, USD per prompt, or mean score */
	double		least;			/* when not found: what can be reached, */
	double		most;			/* nearest to the target or at the ends */
} MrOperatingPoint;

/* What can be reached beside a target share counts as it when this close. */
#define MR_SHARE_TOLERANCE	0.05

/* Of outcomes with at least one prompt; everything by what is expected. */
extern void mr_operating_share(const MrOutcomes *outcomes, int strong,
							   int weak, double share,
							   MrOperatingPoint *point);
extern void mr_operating_cost(const MrOutcomes *outcomes, double usd,
							  MrOperatingPoint *point);

/* By scores: the fewest strong calls, or the lowest cost. */
extern void mr_operating_pair_quality(const MrOutcomes *outcomes, int strong,
									  int weak, double score,
									  MrOperatingPoint *point);
extern bool mr_operating_quality(const MrOutcomes *outcomes, double score,
								 MrOperatingPoint *point);

/* The model with the highest mean score, which is put in *score. */
extern int	mr_operating_best_single(const MrOutcomes *outcomes,
									 double *score);

#endif							/* MR_OPERATING_H */

/*
 * pairs.h
 *	  Preferences as scores: Bradley-Terry.
 */
#ifndef MR_PAIRS_H
#define MR_PAIRS_H

#include "postgres.h"

#include "router/evals.h"

extern void mr_pairs_to_cells(MrEvals *evals);

#endif							/* MR_PAIRS_H */

/*
 * hardness.h
 *	  How hard a prompt looks: the difficulty of its features, centred and
 *	  bounded.
 */
#ifndef MR_HARDNESS_H
#define MR_HARDNESS_H

#include "postgres.h"

#include "router/features.h"

/* (h - 0.15) / 0.2 within -2.5..2.5; 0 is an ordinary prompt. */
static inline double
mr_hardness(const MrFeatures *features)
{
	return Min(Max((features->difficulty - 0.15) / 0.2, -2.5), 2.5);
}

#endif							/* MR_HARDNESS_H */

/*
 * shim.h
 *	  Control over the stand-in for the server that tests link instead of it.
 */
#ifndef MR_SHIM_H
#define MR_SHIM_H

#include "postgres.h"

extern int	shim_database_encoding;

extern void shim_reset(void);

#endif							/* MR_SHIM_H */

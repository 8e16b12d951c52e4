/*
 * row.h
 *	  One result row under construction: columns from the router's and the
 *	  engine's values, in the server encoding.
 */
#ifndef MR_ROW_H
#define MR_ROW_H

#include "postgres.h"

typedef struct MrRow
{
	Datum	   *values;
	bool	   *nulls;			/* all false at the start */
} MrRow;

extern void mr_row_set_text(MrRow *row, int column, const char *utf8);
extern void mr_row_set_double(MrRow *row, int column, double value);
extern void mr_row_set_cost(MrRow *row, int column, int64 cost_picousd);

#endif							/* MR_ROW_H */

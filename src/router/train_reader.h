/*
 * train_reader.h
 *	  Reads evals: the rows of a query, one by one, with columns by name.
 *
 * The query yields prompt, model and score, or prompt, winner and loser, or
 * both, each row being of one kind or the other; and may yield cost,
 * output_tokens and task.
 */
#ifndef MR_TRAIN_READER_H
#define MR_TRAIN_READER_H

#include "postgres.h"

#include "router/evals.h"

/* What a row of a reading of prompts only names as its model, with score 0. */
#define MR_EVALS_NO_MODEL		"-"

typedef struct MrEvalsReader
{
	bool		prompts_only;	/* only prompt and task are looked at */

	/*
	 * Takes a row, whose texts are gone afterwards; what is wrong with it
	 * comes back as a sentence, NULL is success.
	 */
	const char *(*add) (void *arg, const MrEvalRow *row);

	/* Called after every row; may raise, such as for a cancel. */
	void		(*progress) (void *arg, int64 rows_read);
	void	   *arg;			/* of both */

	/* out */
	int64		rows_read;		/* that the query gave */
	int64		rows_skipped;	/* of these, without prompt, model or score */
} MrEvalsReader;

extern void mr_evals_read(const char *query, MrEvalsReader *reader);

#endif							/* MR_TRAIN_READER_H */

/*
 * store.h
 *	  Writes records into tables audit and attempt.  Private to src/ledger.
 */
#ifndef MR_STORE_H
#define MR_STORE_H

#include "postgres.h"

#include "ledger/rows.h"

/* Ids that one value of sequence ledger_id stands for: its INCREMENT. */
#define MR_LEDGER_ID_BLOCK 1000

extern void mr_store_record(const MrLedgerRecord *record);
extern int64 mr_store_reserve_ids(void);

#endif							/* MR_STORE_H */

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

/* Both tables open for writing, from mr_store_open to mr_store_close. */
typedef struct MrStore MrStore;

extern MrStore *mr_store_open(void);
extern void mr_store_record(MrStore *store, const MrLedgerRecord *record);
extern void mr_store_close(MrStore *store);
extern int64 mr_store_reserve_ids(void);

#endif							/* MR_STORE_H */

/*
 * ledger.h
 *	  The record of every call: tickets for those who make calls, batches for
 *	  the worker that writes them.
 *
 * Preloaded, records travel through shared memory to the worker of the
 * database, which commits them in groups; else they are written in the
 * caller's transaction.
 */
#ifndef MR_LEDGER_H
#define MR_LEDGER_H

#include "postgres.h"

#include "base/failure.h"
#include "ledger/rows.h"

typedef enum MrTicketKind
{
	MR_TICKET_OFF = 0,			/* modelroute.ledger = off */
	MR_TICKET_LOCAL,			/* not preloaded: the caller's transaction */
	MR_TICKET_SHARED			/* through the worker */
} MrTicketKind;

/* A call's place in the ledger.  Zero it, then mr_ledger_open until ready. */
typedef struct MrTicket
{
	MrTicketKind kind;
	bool		ready;
	bool		strict;
	bool		intended;		/* an intent was queued: records are upserts */
	int			database;		/* entry of the registry */
	int			slot;
	int64		wait_began_us;	/* of the present wait; 0 = none */
} MrTicket;

typedef enum MrLedgerAnswer
{
	MR_LEDGER_WAIT = 0,			/* ask again when the latch is set */
	MR_LEDGER_READY,
	MR_LEDGER_FAILED			/* *kind tells why */
} MrLedgerAnswer;

/* What the worker does after an error. */
typedef enum MrLedgerRetry
{
	MR_LEDGER_PAUSE = 0,		/* it may pass: try again a little later */
	MR_LEDGER_AT_ONCE			/* it was a record's own fault */
} MrLedgerRetry;

/* the caller's side */
extern MrLedgerAnswer mr_ledger_open(MrTicket *ticket, MrFailureKind *kind);
extern MrLedgerAnswer mr_ledger_next_id(MrTicket *ticket, int64 *id,
										MrFailureKind *kind);
extern void mr_ledger_submit(MrTicket *ticket, const MrLedgerRecord *record);
extern MrLedgerAnswer mr_ledger_poll(MrTicket *ticket, MrFailureKind *kind);
extern void mr_ledger_close(MrTicket *ticket);
extern const char *mr_ledger_hint(MrFailureKind kind);
extern void mr_ledger_forget(void);

/* the worker's side */
extern int	mr_ledger_write_batch(int database);
extern bool mr_ledger_drain(int database);
extern void mr_ledger_reserve_ids(int database);
extern MrLedgerRetry mr_ledger_recover(int sqlstate);
extern void mr_ledger_refuse_all(int database);
extern void mr_ledger_attach(int database);
extern void mr_ledger_init(void);

#endif							/* MR_LEDGER_H */

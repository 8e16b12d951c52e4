/*
 * ledger.c
 *	  Tickets: the three ways of a record (off, local, shared) behind one set
 *	  of questions that never block.
 *
 * Local: rows are written at once in the caller's transaction, as the
 * extension's owner.  Shared: the ticket holds a slot from mr_ledger_open on,
 * and mr_ledger_submit wakes the worker.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/owner.h"
#include "base/registry.h"
#include "ledger/ledger.h"
#include "ledger/slots.h"
#include "ledger/store.h"

/* Ids that this process took for records in its own transactions. */
static int64 local_next_id;
static int64 local_ids_left;
static Oid	local_ids_extension;	/* whose sequence they are from */

/* Goes on waiting, unless modelroute.ledger_timeout has passed. */
static MrLedgerAnswer
wait_or_fail(MrTicket *ticket, MrFailureKind reason, MrFailureKind *kind)
{
	int64		now = mr_now_us();

	if (ticket->wait_began_us == 0)
		ticket->wait_began_us = now;
	if (now - ticket->wait_began_us < mr_guc_ledger_timeout_ms * 1000L)
		return MR_LEDGER_WAIT;
	*kind = reason;
	return MR_LEDGER_FAILED;
}

/* Goes on waiting for the worker, unless modelroute.ledger_timeout passed. */
static MrLedgerAnswer
await_answer(MrTicket *ticket, MrFailureKind *kind)
{
	return wait_or_fail(ticket, mr_registry_has_worker(ticket->database) ?
						MR_FAILURE_LEDGER_FULL : MR_FAILURE_LEDGER_DOWN,
						kind);
}

/* Reserves shared memory when the library is preloaded. */
void
mr_ledger_init(void)
{
	mr_slots_init();
}

/* What the caller's own transaction must allow. */
static void
check_local(void)
{
	PreventCommandIfReadOnly("complete()");
	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot record a call during a parallel query"),
				 errhint("Add modelroute to shared_preload_libraries, or SET max_parallel_workers_per_gather = 0.")));
	if (mr_guc_ledger == MR_LEDGER_STRICT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("modelroute.ledger = strict needs a worker"),
				 errhint("Add modelroute to shared_preload_libraries and restart the server.")));
}

/* Asks for a worker and waits for it; entries may be short for a moment. */
static MrLedgerAnswer
await_worker(MrTicket *ticket, MrFailureKind *kind)
{
	if (ticket->wait_began_us == 0 || ticket->database < 0)
		ticket->database = mr_registry_want(MyDatabaseId);
	return wait_or_fail(ticket, MR_FAILURE_LEDGER_DOWN, kind);
}

static MrLedgerAnswer
open_shared(MrTicket *ticket, MrFailureKind *kind)
{
	ticket->kind = MR_TICKET_SHARED;
	ticket->strict = mr_guc_ledger == MR_LEDGER_STRICT;
	ticket->database = mr_registry_find(MyDatabaseId);
	if (ticket->database < 0 || !mr_registry_has_worker(ticket->database))
		return await_worker(ticket, kind);
	ticket->slot = mr_slots_acquire(ticket->database);
	if (ticket->slot < 0)
		return wait_or_fail(ticket, MR_FAILURE_LEDGER_FULL, kind);
	ticket->ready = true;
	ticket->wait_began_us = 0;
	return MR_LEDGER_READY;
}

/*
 * Takes a place for one call, before anything is sent.  May raise for a
 * local ledger that the caller's transaction cannot write.
 */
MrLedgerAnswer
mr_ledger_open(MrTicket *ticket, MrFailureKind *kind)
{
	if (ticket->ready)
		return MR_LEDGER_READY;
	if (mr_guc_ledger == MR_LEDGER_OFF)
	{
		ticket->kind = MR_TICKET_OFF;
		ticket->ready = true;
		return MR_LEDGER_READY;
	}
	if (mr_slots_available())
		return open_shared(ticket, kind);
	check_local();
	ticket->kind = MR_TICKET_LOCAL;
	ticket->ready = true;
	return MR_LEDGER_READY;
}

static int64
next_local_id(void)
{
	Oid			extension = get_extension_oid("modelroute", false);

	if (local_ids_left == 0 || local_ids_extension != extension)
	{
		MrOwnerScope scope;

		mr_owner_enter(&scope);
		local_next_id = mr_store_reserve_ids();
		mr_owner_leave(&scope);
		local_ids_left = MR_LEDGER_ID_BLOCK;
		local_ids_extension = extension;
	}
	local_ids_left--;
	return local_next_id++;
}

/* The next id for a call or attempt; 0, at once, when nothing is recorded. */
MrLedgerAnswer
mr_ledger_next_id(MrTicket *ticket, int64 *id, MrFailureKind *kind)
{
	*id = 0;
	if (ticket->kind == MR_TICKET_LOCAL)
		*id = next_local_id();
	else if (ticket->kind == MR_TICKET_SHARED &&
			 !mr_slots_next_id(ticket->database, id))
	{
		mr_registry_wake_worker(ticket->database);
		return await_answer(ticket, kind);
	}
	ticket->wait_began_us = 0;
	return MR_LEDGER_READY;
}

/* Writes the record in the caller's transaction, as the owner. */
static void
write_local(const MrLedgerRecord *record)
{
	MrOwnerScope scope;
	MrStore    *store;

	mr_owner_enter(&scope);
	store = mr_store_open();
	mr_store_record(store, record);
	mr_store_close(store);
	CommandCounterIncrement();
	mr_owner_leave(&scope);
}

/*
 * Hands the record in; it will be written whatever becomes of the caller.
 * mr_ledger_poll tells when it is.
 */
void
mr_ledger_submit(MrTicket *ticket, const MrLedgerRecord *record)
{
	if (ticket->kind == MR_TICKET_LOCAL)
		write_local(record);
	else if (ticket->kind == MR_TICKET_SHARED)
	{
		mr_slots_queue(ticket->slot, record);
		mr_registry_wake_worker(ticket->database);
	}
	ticket->wait_began_us = 0;
}

/* Whether what was submitted is committed. */
MrLedgerAnswer
mr_ledger_poll(MrTicket *ticket, MrFailureKind *kind)
{
	if (ticket->kind != MR_TICKET_SHARED)
		return MR_LEDGER_READY;
	switch (mr_slots_state(ticket->slot))
	{
		case MR_SLOT_QUEUED:
		case MR_SLOT_TAKEN:
			return await_answer(ticket, kind);
		case MR_SLOT_WRITTEN:
			return MR_LEDGER_READY;
		case MR_SLOT_REFUSED:
			*kind = MR_FAILURE_LEDGER_REFUSED;
			return MR_LEDGER_FAILED;
		default:
			return MR_LEDGER_READY;
	}
}

/* What to do about a failure, when the ledger knows better; else NULL. */
const char *
mr_ledger_hint(MrFailureKind kind)
{
	if (kind != MR_FAILURE_LEDGER_DOWN)
		return NULL;
	return mr_registry_problem(mr_registry_find(MyDatabaseId));
}

/*
 * The extension was dropped from this database: records of calls that began
 * before are refused, and its ids are not used any more.  Raises nothing.
 */
void
mr_ledger_forget(void)
{
	int			database = mr_registry_find(MyDatabaseId);

	if (database >= 0)
		mr_slots_begin_epoch(database);
}

/* Gives the place back; what is still queued is written all the same. */
void
mr_ledger_close(MrTicket *ticket)
{
	if (ticket->ready && ticket->kind == MR_TICKET_SHARED)
		mr_slots_abandon(ticket->slot);
	ticket->ready = false;
}

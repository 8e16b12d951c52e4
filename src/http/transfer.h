/*
 * transfer.h
 *	  One HTTP exchange: its libcurl handle, buffers and timers.  Private to
 *	  src/http.
 */
#ifndef MR_TRANSFER_H
#define MR_TRANSFER_H

#include "postgres.h"

#include <curl/curl.h>

#include "lib/ilist.h"

#include "base/clock.h"
#include "http/hosts.h"
#include "http/http.h"

struct MrTransfer
{
	dlist_node	node;			/* in the pool's list while in flight */
	bool		in_flight;
	CURL	   *easy;			/* NULL once done */
	struct curl_slist *headers;
	MemoryContext context;		/* owns this struct and the body */
	MemoryContextCallback on_delete;
	MrHttpRequest request;
	MrHostVerdict verdict;
	MrHttpResult result;
	size_t		header_bytes;
	size_t		body_capacity;
	int64		started_us;
	int64		last_byte_us;	/* last sign of life */
	bool		address_refused;	/* one of the host's, not always the last */
	bool		resend_refused; /* libcurl wanted to send a second time */
	MrHttpOutcome forced;		/* why a callback stopped it; PENDING = not */
	char		curl_error[CURL_ERROR_SIZE];
};

extern bool mr_transfer_set_up(CURL *easy);
extern bool mr_transfer_forget(CURL *easy);
extern bool mr_transfer_prepare(MrTransfer *transfer);
extern void mr_transfer_finish(MrTransfer *transfer, CURLcode code);
extern int64 mr_transfer_deadline_us(const MrTransfer *transfer,
									 MrHttpOutcome *outcome);

#endif							/* MR_TRANSFER_H */

/*
 * pool.c
 *	  The process's libcurl multi handle, its sockets in one epoll set, and
 *	  the one place that waits.
 *
 * libcurl tells which sockets it wants watched; they go into an epoll
 * descriptor of our own, and that descriptor stands in a WaitEventSet beside
 * the latch and postmaster death.  Everything is made lazily, after fork, and
 * lives until the process ends.  All signals are blocked while libcurl runs:
 * its resolver is a thread that inherits the mask, and must not run
 * PostgreSQL's handlers.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/epoll.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "http/idle.h"
#include "http/transfer.h"

#define EVENTS_PER_TURN 64
#define SPARE_HANDLES 64
#define KEPT_CONNECTIONS 256

typedef struct HttpPool
{
	CURLM	   *multi;			/* NULL until first use, or after failure */
	uint64		settings_generation;	/* of connections and spare handles */
	int			epoll_fd;
	WaitEventSet *waits;
	bool		sockets_ready;	/* the last wait saw one */
	bool		choosing;		/* new transfers will choose connections */
	int			signals_blocked;	/* depth */
	sigset_t	signals_saved;
	int64		curl_deadline_us;	/* when libcurl wants a call; -1 = never */
	int64		next_check_us;	/* no transfer's timer can be due before */
	dlist_head	in_flight;
	CURL	   *spare[SPARE_HANDLES];
	int			nspare;
} HttpPool;

static HttpPool pool = {.epoll_fd = -1, .curl_deadline_us = -1,
.in_flight = DLIST_STATIC_INIT(pool.in_flight)};

static void
block_signals(void)
{
	sigset_t	all;

	if (pool.signals_blocked++ > 0)
		return;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &pool.signals_saved);
}

static void
restore_signals(void)
{
	if (--pool.signals_blocked == 0)
		sigprocmask(SIG_SETMASK, &pool.signals_saved, NULL);
}

/* libcurl's wish for one socket. */
static int
watch_socket(CURL *easy, curl_socket_t sock, int what, void *arg,
			 void *known)
{
	struct epoll_event event = {.data.fd = sock};

	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(pool.epoll_fd, EPOLL_CTL_DEL, sock, NULL);
		mr_idle_watch(easy, sock);
		return 0;
	}
	if (!known)
		mr_idle_forget(sock);
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(pool.epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
				  sock, &event) != 0 &&
		epoll_ctl(pool.epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
				  sock, &event) != 0)
		return -1;
	if (!known)
		curl_multi_assign(pool.multi, sock, &pool);
	return 0;
}

/* libcurl's wish for a call later. */
static int
set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	pool.curl_deadline_us = timeout_ms < 0 ? -1 :
		mr_now_us() + timeout_ms * 1000L;
	return 0;
}

static void
init_library(void)
{
	static bool done = false;
	CURLcode	code;

	if (done)
		return;
	block_signals();
	code = curl_global_init(CURL_GLOBAL_DEFAULT);
	restore_signals();
	if (code != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize libcurl: %s",
						curl_easy_strerror(code))));
	if (!(curl_version_info(CURLVERSION_NOW)->features &
		  CURL_VERSION_ASYNCHDNS))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("libcurl resolves host names without a thread"),
				 errhint("Install a libcurl built with the threaded resolver, such as Debian's libcurl4.")));
	done = true;
}

static void
init_waits(void)
{
	WaitEventSet *set;

	if (pool.epoll_fd < 0)
		pool.epoll_fd = mr_http_open_fd(mr_http_open_epoll);
	if (pool.waits)
		return;
	set = CreateWaitEventSet(TopMemoryContext, 3);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, pool.epoll_fd, NULL, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
						  NULL);
	pool.waits = set;
}

static bool
init_multi(void)
{
	CURLM	   *multi = curl_multi_init();

	if (multi == NULL)
		return false;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) KEPT_CONNECTIONS);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
	pool.multi = multi;
	pool.curl_deadline_us = -1;
	pool.settings_generation = mr_guc_http_generation;
	return true;
}

/* A handle with the common options set; NULL when memory ran out. */
static CURL *
take_handle(void)
{
	CURL	   *easy;

	if (pool.nspare > 0)
		return pool.spare[--pool.nspare];
	easy = curl_easy_init();
	if (easy != NULL && !mr_transfer_set_up(easy))
	{
		curl_easy_cleanup(easy);
		easy = NULL;
	}
	return easy;
}

static void
give_handle(CURL *easy)
{
	if (pool.nspare < SPARE_HANDLES && mr_transfer_forget(easy))
		pool.spare[pool.nspare++] = easy;
	else
		curl_easy_cleanup(easy);
}

/* Ends a transfer: result taken, handle given back, out of the list. */
static void
end_transfer(MrTransfer *transfer, CURLcode code)
{

	block_signals();
	if (transfer->in_flight)
	{
		dlist_delete(&transfer->node);
		transfer->in_flight = false;
		mr_transfer_finish(transfer, code);
		curl_multi_remove_handle(pool.multi, transfer->easy);
	}
	if (transfer->easy)
		give_handle(transfer->easy);
	transfer->easy = NULL;
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	restore_signals();
}

/* After a failure inside the multi handle nothing of it can be trusted. */
static void
rebuild_multi(void)
{
	CURLM	   *broken = pool.multi;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool.in_flight)
	{
		MrTransfer *transfer = dlist_container(MrTransfer, node, iter.cur);

		transfer->forced = transfer->result.sent ? MR_HTTP_LOST :
			MR_HTTP_INTERNAL;
		end_transfer(transfer, CURLE_FAILED_INIT);
	}
	while (pool.nspare > 0)
		curl_easy_cleanup(pool.spare[--pool.nspare]);
	curl_multi_cleanup(broken);
	pool.multi = NULL;
	pool.curl_deadline_us = -1;
}

/* Connections and handles made under older settings are not used again. */
static bool
ready_multi(void)
{
	if (pool.multi && dlist_is_empty(&pool.in_flight) &&
		pool.settings_generation != mr_guc_http_generation)
		rebuild_multi();
	return pool.multi != NULL || init_multi();
}

static void
abort_on_delete(void *arg)
{
	MrTransfer *transfer = arg;

	transfer->forced = MR_HTTP_LOST;
	end_transfer(transfer, CURLE_ABORTED_BY_CALLBACK);
}

/* Adds the prepared transfer to the multi handle. */
static bool
launch(MrTransfer *transfer)
{
	bool		launched = false;

	block_signals();
	if (ready_multi() && (transfer->easy = take_handle()) != NULL &&
		mr_transfer_prepare(transfer))
	{
		curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT,
						 pool.settings_generation !=
						 mr_guc_http_generation ? 1L : 0L);
		launched = curl_multi_add_handle(pool.multi, transfer->easy) ==
			CURLM_OK;
		pool.choosing |= launched;
	}
	restore_signals();
	return launched;
}

/*
 * The timers are checked again by the transfer's deadline; sooner while it
 * waits for the first byte, which may start the idle timer at any moment.
 */
static void
plan_check(const MrTransfer *transfer, int64 deadline_us, int64 now)
{
	int			idle_ms = transfer->request.idle_timeout_ms;

	pool.next_check_us = Min(pool.next_check_us, deadline_us);
	if (transfer->last_byte_us == 0 && idle_ms > 0)
		pool.next_check_us = Min(pool.next_check_us, now + idle_ms * 1000L);
}

/* Makes libcurl's library state and the wait set; raises when it cannot. */
void
mr_http_init(void)
{
	init_library();
	mr_idle_init();
	init_waits();
}

/*
 * Starts an exchange.  Never raises for the network's sake: a request that
 * cannot be sent is returned with its outcome set.  The transfer, its body
 * and its socket end with the context at the latest.  request->body must
 * stay until then; the rest is copied.
 */
MrTransfer *
mr_http_start(MemoryContext context, const MrHttpRequest *request)
{
	MrTransfer *transfer;
	MrHttpOutcome ignored;

	mr_http_init();
	transfer = MemoryContextAllocZero(context, sizeof(MrTransfer));
	transfer->context = context;
	transfer->request = *request;
	transfer->result.retry_after_ms = -1;
	transfer->result.should_retry = -1;
	transfer->on_delete.func = abort_on_delete;
	transfer->on_delete.arg = transfer;
	MemoryContextRegisterResetCallback(context, &transfer->on_delete);

	transfer->started_us = mr_now_us();
	transfer->verdict = mr_hosts_judge_url(request->url);
	if (!transfer->verdict.allowed)
	{
		transfer->result.outcome = MR_HTTP_HOST_REFUSED;
		strlcpy(transfer->result.error, transfer->verdict.problem,
				sizeof(transfer->result.error));
		return transfer;
	}
	if (!launch(transfer))
	{
		end_transfer(transfer, CURLE_FAILED_INIT);
		transfer->result.outcome = MR_HTTP_INTERNAL;
		strlcpy(transfer->result.error, "the request could not be prepared",
				sizeof(transfer->result.error));
		return transfer;
	}
	transfer->in_flight = true;
	dlist_push_tail(&pool.in_flight, &transfer->node);
	plan_check(transfer, mr_transfer_deadline_us(transfer, &ignored),
			   transfer->started_us);
	return transfer;
}

/* The result so far; outcome MR_HTTP_PENDING while in flight. */
const MrHttpResult *
mr_http_result(MrTransfer *transfer)
{
	return &transfer->result;
}

/* Ends the exchange now, its socket closed; outcome MR_HTTP_LOST. */
const MrHttpResult *
mr_http_abort(MrTransfer *transfer)
{
	if (transfer->in_flight)
		abort_on_delete(transfer);
	return &transfer->result;
}

/* Ends the transfers that libcurl reports as done. */
static void
collect_done(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(pool.multi, &left)) != NULL)
	{
		MrTransfer *transfer = NULL;
		CURLcode	code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		end_transfer(transfer, code);
	}
}

/* Ends the transfers whose timer ran out, and sets the next check. */
static void
check_timers(void)
{
	int64		now = mr_now_us();
	dlist_mutable_iter iter;

	if (now < pool.next_check_us)
		return;
	pool.next_check_us = PG_INT64_MAX;
	dlist_foreach_modify(iter, &pool.in_flight)
	{
		MrTransfer *transfer = dlist_container(MrTransfer, node, iter.cur);
		MrHttpOutcome outcome = MR_HTTP_PENDING;
		int64		deadline = mr_transfer_deadline_us(transfer, &outcome);

		if (deadline > now)
			plan_check(transfer, deadline, now);
		else
		{
			transfer->forced = outcome;
			strlcpy(transfer->curl_error,
					outcome == MR_HTTP_IDLE_TIMEOUT ?
					"the reply stopped coming" : "no reply came in time",
					sizeof(transfer->curl_error));
			end_transfer(transfer, CURLE_OPERATION_TIMEDOUT);
		}
	}
}

/* Lets libcurl act on one socket, or on its timer. */
static bool
act(curl_socket_t sock, uint32 events)
{
	int			mask = 0;
	int			running;

	if (events & EPOLLIN)
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		mask |= CURL_CSELECT_ERR;
	return curl_multi_socket_action(pool.multi, sock, mask, &running) ==
		CURLM_OK;
}

static bool
drive(void)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			nevents = 0;
	bool		healthy = true;

	if (pool.choosing)
		mr_idle_sweep();
	pool.choosing = false;
	if (pool.sockets_ready)
		nevents = epoll_wait(pool.epoll_fd, events, EVENTS_PER_TURN, 0);
	pool.sockets_ready = nevents == EVENTS_PER_TURN;
	for (int i = 0; i < nevents && healthy; i++)
		healthy = act(events[i].data.fd, events[i].events);
	if (healthy && pool.curl_deadline_us >= 0 &&
		pool.curl_deadline_us <= mr_now_us())
	{
		pool.curl_deadline_us = -1;
		healthy = act(CURL_SOCKET_TIMEOUT, 0);
	}
	return healthy;
}

/* Moves every transfer as far as it goes without waiting. */
void
mr_http_turn(void)
{
	bool		healthy;

	if (pool.multi == NULL || dlist_is_empty(&pool.in_flight))
	{
		pool.sockets_ready = false;
		return;
	}
	block_signals();
	healthy = drive();
	if (healthy)
		collect_done();
	restore_signals();
	if (!healthy)
		rebuild_multi();
	check_timers();
}

/*
 * Sleeps until a socket is ready, a timer is due, the latch is set or
 * timeout_ms (-1 = none) has passed.  Returns true, with the latch reset,
 * when the latch woke it.  The caller checks for interrupts.
 */
bool
mr_http_wait(long timeout_ms, uint32 wait_event)
{
	WaitEvent	events[2];
	int			nevents;
	bool		latch_set = false;
	int64		until = pool.curl_deadline_us >= 0 ?
		pool.curl_deadline_us : PG_INT64_MAX;

	if (!dlist_is_empty(&pool.in_flight))
		until = Min(until, pool.next_check_us);
	if (until != PG_INT64_MAX)
	{
		int64		left_ms = (until - mr_now_us() + 999) / 1000;

		left_ms = Max(left_ms, 0);
		if (timeout_ms < 0 || left_ms < timeout_ms)
			timeout_ms = (long) left_ms;
	}
	mr_http_init();
	if (pool.sockets_ready)
		timeout_ms = 0;
	nevents = WaitEventSetWait(pool.waits, timeout_ms, events,
							   lengthof(events), wait_event);
	for (int i = 0; i < nevents; i++)
	{
		latch_set |= (events[i].events & WL_LATCH_SET) != 0;
		pool.sockets_ready |= (events[i].events & WL_SOCKET_READABLE) != 0;
	}
	if (latch_set)
		ResetLatch(MyLatch);
	return latch_set;
}

/*
 * transfer.c
 *	  Sets a libcurl handle up for one exchange, receives the reply within its
 *	  bounds, and classifies how it ended.
 *
 * The callbacks run below libcurl: they allocate without raising, check the
 * bound, note what happened in the transfer and return short.
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "http/transfer.h"

#define BODY_START_BYTES 4096

/* libcurl keeps every header of a reply: all of them together. */
#define HEADERS_MAX_BYTES (256 * 1024)

/* Stops the transfer from inside a callback. */
static size_t
stop(MrTransfer *transfer, MrHttpOutcome outcome)
{
	transfer->forced = outcome;
	return 0;
}

/* Makes room for bytes more and a final NUL; false stops the transfer. */
static bool
reserve_body(MrTransfer *transfer, size_t bytes)
{
	MrHttpResult *result = &transfer->result;
	size_t		need = result->body_bytes + bytes + 1;
	size_t		capacity = transfer->body_capacity;
	char	   *body;

	if (need <= capacity)
		return true;
	if (capacity == 0)
	{
		curl_off_t	announced = -1;

		curl_easy_getinfo(transfer->easy,
						  CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
		capacity = announced > 0 &&
			(size_t) announced <= transfer->request.max_body_bytes ?
			(size_t) announced + 1 : BODY_START_BYTES;
	}
	while (capacity < need)
		capacity *= 2;
	body = MemoryContextAllocExtended(transfer->context, capacity,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (body == NULL)
		return false;
	if (result->body)
	{
		memcpy(body, result->body, result->body_bytes);
		pfree(result->body);
	}
	result->body = body;
	transfer->body_capacity = capacity;
	return true;
}

static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	MrTransfer *transfer = arg;
	MrHttpResult *result = &transfer->result;
	size_t		bytes = size * count;

	transfer->last_byte_us = mr_now_us();
	if (bytes > transfer->request.max_body_bytes - result->body_bytes)
		return stop(transfer, MR_HTTP_TOO_LARGE);
	if (!reserve_body(transfer, bytes))
		return stop(transfer, MR_HTTP_INTERNAL);
	memcpy(result->body + result->body_bytes, data, bytes);
	result->body_bytes += bytes;
	return bytes;
}

/* The value of header name in a header line, or NULL; *bytes its length. */
static const char *
header_value(const char *line, size_t line_bytes, const char *name,
			 size_t *bytes)
{
	size_t		name_bytes = strlen(name);
	const char *value = line + name_bytes + 1;
	const char *end = line + line_bytes;

	if (line_bytes <= name_bytes || line[name_bytes] != ':' ||
		pg_strncasecmp(line, name, name_bytes) != 0)
		return NULL;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (unsigned char) end[-1] <= ' ')
		end--;
	*bytes = end - value;
	return value;
}

/* A non-negative whole number, bounded; -1 when it is none. */
static int64
parse_count(const char *text, size_t bytes)
{
	int64		value = 0;

	if (bytes == 0 || bytes > 12)
		return -1;
	for (size_t i = 0; i < bytes; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* Keeps a request id, printable ASCII only. */
static void
note_request_id(MrHttpResult *result, const char *value, size_t bytes)
{
	size_t		kept = 0;

	for (size_t i = 0; i < bytes; i++)
		if (value[i] > ' ' && value[i] < 127 &&
			kept < sizeof(result->upstream_request_id) - 1)
			result->upstream_request_id[kept++] = value[i];
	result->upstream_request_id[kept] = '\0';
}

static size_t
receive_header(char *line, size_t size, size_t count, void *arg)
{
	MrTransfer *transfer = arg;
	MrHttpResult *result = &transfer->result;
	size_t		bytes = size * count;
	size_t		length;
	const char *value;

	transfer->last_byte_us = mr_now_us();
	if (result->first_byte_us == 0)
		result->first_byte_us =
			Max(transfer->last_byte_us - transfer->started_us, 1);
	transfer->header_bytes += bytes;
	if (transfer->header_bytes > HEADERS_MAX_BYTES)
		return stop(transfer, MR_HTTP_TOO_LARGE);
	if ((value = header_value(line, bytes, "retry-after-ms", &length)))
		result->retry_after_ms = parse_count(value, length);
	else if ((value = header_value(line, bytes, "x-should-retry", &length)))
		result->should_retry = length == 4 ? 1 : 0;
	else if ((value = header_value(line, bytes, "x-request-id", &length)) ||
			 (value = header_value(line, bytes, "request-id", &length)))
		note_request_id(result, value, length);
	return bytes;
}

/* Refuses addresses that allowed_hosts does not list; counts descriptors. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	MrTransfer *transfer = arg;
	curl_socket_t sock;

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (mr_guc_proxy[0] == '\0' &&
		!mr_hosts_judge_address(&transfer->verdict, &address->addr))
	{
		transfer->address_refused = true;
		return CURL_SOCKET_BAD;
	}
	if (!AcquireExternalFD())
		return CURL_SOCKET_BAD;
	sock = socket(address->family, address->socktype | SOCK_CLOEXEC,
				  address->protocol);
	if (sock == -1)
		ReleaseExternalFD();
	return sock;
}

static int
close_socket(void *arg, curl_socket_t sock)
{
	ReleaseExternalFD();
	return close(sock);
}

/*
 * Runs right before the request leaves.  libcurl would send a second time by
 * itself when a reused connection dies; one attempt is one exchange, so that
 * is refused here and the attempt ends as lost.
 */
static int
before_request(void *arg, char *remote, char *local, int remote_port,
			   int local_port)
{
	MrTransfer *transfer = arg;

	if (transfer->result.sent)
	{
		transfer->resend_refused = true;
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->result.sent = true;
	return CURL_PREREQFUNC_OK;
}

static bool
append_header(MrTransfer *transfer, const char *header)
{
	struct curl_slist *longer;

	if (strpbrk(header, "\r\n") != NULL)
		return false;
	longer = curl_slist_append(transfer->headers, header);
	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

/* Sets what is the same for every exchange under the present settings. */
bool
mr_transfer_set_up(CURL *easy)
{
	CURLcode	code = CURLE_OK;

#define SET(option, value) \
	if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value)

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_USERAGENT, "modelroute");
	SET(CURLOPT_PROXY, mr_guc_proxy);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_WRITEFUNCTION, receive_body);
	SET(CURLOPT_HEADERFUNCTION, receive_header);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_PREREQFUNCTION, before_request);
	if (mr_guc_ca_file[0])
		SET(CURLOPT_CAINFO, mr_guc_ca_file);
	return code == CURLE_OK;
}

/* Options of this exchange. */
static bool
set_exchange_options(MrTransfer *transfer)
{
	const MrHttpRequest *request = &transfer->request;
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_POSTFIELDS, request->body);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_bytes);
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	SET(CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ms > 0 ?
		(long) request->connect_timeout_ms : (long) INT_MAX);
	SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
	SET(CURLOPT_PRIVATE, transfer);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_OPENSOCKETDATA, transfer);
	SET(CURLOPT_PREREQDATA, transfer);
#undef SET
	return code == CURLE_OK;
}

/*
 * Makes the transfer's handle ready to be added to the multi handle.  False,
 * with nothing sent, when memory ran out or a header holds a line break.
 */
bool
mr_transfer_prepare(MrTransfer *transfer)
{
	const MrHttpRequest *request = &transfer->request;

	for (int i = 0; i < request->nheaders; i++)
		if (!append_header(transfer, request->headers[i]))
			return false;
	return append_header(transfer, "Expect:") &&
		set_exchange_options(transfer);
}

/* Makes the handle forget its last exchange, which is about to be freed. */
bool
mr_transfer_forget(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL) == CURLE_OK;
}

/* What a libcurl code means for the one who waits for the reply. */
static MrHttpOutcome
classify(const MrTransfer *transfer, CURLcode code)
{
	if (transfer->forced != MR_HTTP_PENDING)
		return transfer->forced;
	if (transfer->address_refused && !transfer->result.sent)
		return MR_HTTP_HOST_REFUSED;
	switch (code)
	{
		case CURLE_OK:
			return MR_HTTP_COMPLETE;
		case CURLE_OUT_OF_MEMORY:
		case CURLE_FAILED_INIT:
		case CURLE_BAD_FUNCTION_ARGUMENT:
		case CURLE_UNKNOWN_OPTION:
			return transfer->result.sent ? MR_HTTP_LOST : MR_HTTP_INTERNAL;
		default:
			return transfer->result.sent ? MR_HTTP_LOST :
				MR_HTTP_CONNECT_FAILED;
	}
}

static void
describe_error(MrTransfer *transfer, CURLcode code)
{
	const char *text = transfer->curl_error;

	if (transfer->resend_refused)
		text = "the connection was closed before any byte of the reply";
	else if (transfer->result.outcome == MR_HTTP_HOST_REFUSED)
		text = "the address is refused unless modelroute.allowed_hosts "
			"lists it";
	else if (transfer->result.outcome == MR_HTTP_TOO_LARGE)
		text = "the reply has more bytes than are accepted";
	else if (text[0] == '\0')
		text = curl_easy_strerror(code);
	strlcpy(transfer->result.error, text, sizeof(transfer->result.error));
}

/* Takes status, times and outcome from the handle once it has ended. */
void
mr_transfer_finish(MrTransfer *transfer, CURLcode code)
{
	MrHttpResult *result = &transfer->result;
	curl_off_t	connect_us = 0;
	curl_off_t	retry_after = 0;
	long		status = 0;

	result->total_us = mr_now_us() - transfer->started_us;
	result->outcome = classify(transfer, code);
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &connect_us);
	if (connect_us == 0)
		curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T,
						  &connect_us);
	curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	result->status = (int) status;
	result->connect_us = connect_us;
	if (result->retry_after_ms < 0 && retry_after > 0)
		result->retry_after_ms = Min((int64) retry_after, INT_MAX) * 1000;
	if (result->body)
		result->body[result->body_bytes] = '\0';
	if (result->outcome != MR_HTTP_COMPLETE)
		describe_error(transfer, code);
}

/*
 * When the transfer must end for lack of progress, and as what; the connect
 * timer is libcurl's.
 */
int64
mr_transfer_deadline_us(const MrTransfer *transfer, MrHttpOutcome *outcome)
{
	const MrHttpRequest *request = &transfer->request;
	int64		deadline = PG_INT64_MAX;
	int64		at;

	if (request->total_timeout_ms > 0)
	{
		deadline = transfer->started_us + request->total_timeout_ms * 1000L;
		*outcome = MR_HTTP_TOTAL_TIMEOUT;
	}
	if (transfer->last_byte_us == 0 && request->first_byte_timeout_ms > 0)
	{
		at = transfer->started_us + request->first_byte_timeout_ms * 1000L;
		if (at < deadline)
			*outcome = MR_HTTP_FIRST_BYTE_TIMEOUT;
		deadline = Min(deadline, at);
	}
	if (transfer->last_byte_us != 0 && request->idle_timeout_ms > 0)
	{
		at = transfer->last_byte_us + request->idle_timeout_ms * 1000L;
		if (at < deadline)
			*outcome = MR_HTTP_IDLE_TIMEOUT;
		deadline = Min(deadline, at);
	}
	return deadline;
}

/*
 * hosts.c
 *	  Judges URLs and resolved addresses by modelroute.allowed_hosts.
 *
 * The parsed list is kept until the setting changes.  mr_hosts_judge_address
 * runs inside a libcurl callback: it allocates nothing and raises nothing.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include "utils/memutils.h"

#include "base/guc.h"
#include "http/hosts.h"
#include "http/http.h"

#define HOST_BYTES 256
#define KEPT_URL_BYTES 1024

/* One entry of the list.  Addresses are IPv6; IPv4 ones are mapped. */
typedef struct HostEntry
{
	char		name[HOST_BYTES];	/* lower case, as typed; "" for a block */
	int			port;			/* 0 = any */
	bool		is_address;
	unsigned char address[16];
	int			prefix_bits;
} HostEntry;

static HostEntry *entries;
static int	nentries;
static uint64 entries_generation;

/* Blocks that are never public; see RFC 6890. */
static const struct
{
	const char *block;
	int			prefix_bits;
}			private_blocks[] = {
	{"::", 127},				/* unspecified and loopback */
	{"::ffff:0.0.0.0", 104}, {"::ffff:10.0.0.0", 104},
	{"::ffff:100.64.0.0", 106}, {"::ffff:127.0.0.0", 104},
	{"::ffff:169.254.0.0", 112}, {"::ffff:172.16.0.0", 108},
	{"::ffff:192.0.0.0", 120}, {"::ffff:192.168.0.0", 112},
	{"::ffff:198.18.0.0", 111}, {"::ffff:224.0.0.0", 99},
	{"64:ff9b::", 96}, {"100::", 64}, {"fc00::", 7}, {"fe80::", 10},
	{"ff00::", 8}
};

/* Text to a 16-byte address, IPv4 mapped; brackets are allowed. */
static bool
parse_address(const char *text, unsigned char *address)
{
	char		bare[HOST_BYTES];
	size_t		length = strlen(text);
	struct in_addr v4;

	if (length >= sizeof(bare))
		return false;
	if (length > 2 && text[0] == '[' && text[length - 1] == ']')
		snprintf(bare, sizeof(bare), "%.*s", (int) (length - 2), text + 1);
	else
		strlcpy(bare, text, sizeof(bare));
	if (inet_pton(AF_INET, bare, &v4) == 1)
	{
		memset(address, 0, 10);
		memset(address + 10, 0xff, 2);
		memcpy(address + 12, &v4, 4);
		return true;
	}
	return inet_pton(AF_INET6, bare, address) == 1;
}

static bool
address_in_block(const unsigned char *address, const unsigned char *block,
				 int prefix_bits)
{
	int			bytes = prefix_bits / 8;
	int			bits = prefix_bits % 8;

	if (memcmp(address, block, bytes) != 0)
		return false;
	return bits == 0 ||
		(address[bytes] ^ block[bytes]) >> (8 - bits) == 0;
}

/* "host:port" or "[v6]:port": cuts the port off; false when it is wrong. */
static bool
split_port(char *text, int *port)
{
	char	   *colon = strrchr(text, ':');
	char	   *end;
	long		value;

	*port = 0;
	if (colon == NULL || strchr(text, ':') != colon)
	{
		/* a bare IPv6 address, unless brackets end right before the colon */
		if (colon == NULL || colon == text || colon[-1] != ']')
			return true;
	}
	value = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || value < 1 || value > 65535)
		return false;
	*port = (int) value;
	*colon = '\0';
	return true;
}

/* "address/bits": cuts the bits off; -1 when absent, -2 when wrong. */
static int
split_prefix(char *text)
{
	char	   *slash = strchr(text, '/');
	char	   *end;
	long		bits;

	if (slash == NULL)
		return -1;
	*slash = '\0';
	bits = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end != '\0' || bits < 0 || bits > 128)
		return -2;
	return (int) bits;
}

/* A host name: letters, digits, dots, hyphens and underscores. */
static bool
is_host_name(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char) *text) && strchr(".-_", *text) == NULL)
			return false;
	return true;
}

static bool
parse_entry(const char *text, HostEntry *entry)
{
	char		buffer[HOST_BYTES];
	int			bits;
	bool		v4;

	memset(entry, 0, sizeof(*entry));
	if (strlcpy(buffer, text, sizeof(buffer)) >= sizeof(buffer))
		return false;
	for (char *c = buffer; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	bits = split_prefix(buffer);
	if (bits == -2 || (bits == -1 && !split_port(buffer, &entry->port)))
		return false;
	v4 = strchr(buffer, ':') == NULL;
	entry->is_address = parse_address(buffer, entry->address);
	if (!entry->is_address)
	{
		strlcpy(entry->name, buffer, sizeof(entry->name));
		return bits == -1 && is_host_name(buffer);
	}
	if (bits == -1)
		entry->prefix_bits = 128;
	else
		entry->prefix_bits = v4 ? bits + 96 : bits;
	return entry->prefix_bits <= 128;
}

/* Calls back for each trimmed entry of a comma list; false stops. */
static bool
parse_list(const char *value, HostEntry *out, int *count, const char **problem)
{
	static char message[HOST_BYTES + 64];
	char		word[HOST_BYTES];
	HostEntry	scratch;

	*count = 0;
	while (*value)
	{
		size_t		length = strcspn(value, ",");
		const char *start = value;
		const char *end = value + length;

		value = *end ? end + 1 : end;
		while (start < end && isspace((unsigned char) *start))
			start++;
		while (end > start && isspace((unsigned char) end[-1]))
			end--;
		if (start == end)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int) (end - start), start);
		if (!parse_entry(word, out ? &out[*count] : &scratch))
		{
			snprintf(message, sizeof(message),
					 "\"%s\" is not a host, host:port, address or CIDR block.",
					 word);
			*problem = message;
			return false;
		}
		(*count)++;
	}
	return true;
}

/* Judges a value of modelroute.allowed_hosts. */
bool
mr_hosts_check_setting(const char *value, const char **problem)
{
	int			count;

	return parse_list(value, NULL, &count, problem);
}

static void
refresh_entries(void)
{
	const char *problem;
	int			count = 0;
	HostEntry  *fresh = NULL;

	if (entries_generation == mr_guc_allowed_hosts_generation)
		return;
	if (parse_list(mr_guc_allowed_hosts, NULL, &count, &problem) && count > 0)
	{
		fresh = MemoryContextAlloc(TopMemoryContext,
								   count * sizeof(HostEntry));
		parse_list(mr_guc_allowed_hosts, fresh, &count, &problem);
	}
	if (entries)
		pfree(entries);
	entries = fresh;
	nentries = fresh ? count : 0;
	entries_generation = mr_guc_allowed_hosts_generation;
}

static bool
name_listed(const char *host, int port)
{
	for (int i = 0; i < nentries; i++)
		if (entries[i].name[0] && strcmp(entries[i].name, host) == 0 &&
			(entries[i].port == 0 || entries[i].port == port))
			return true;
	return false;
}

static bool
address_listed(const unsigned char *address, int port)
{
	for (int i = 0; i < nentries; i++)
		if (entries[i].is_address &&
			(entries[i].port == 0 || entries[i].port == port) &&
			address_in_block(address, entries[i].address,
							 entries[i].prefix_bits))
			return true;
	return false;
}

static bool
any_address_entry(void)
{
	for (int i = 0; i < nentries; i++)
		if (entries[i].is_address)
			return true;
	return false;
}

static bool
is_private(const unsigned char *address)
{
	for (size_t i = 0; i < lengthof(private_blocks); i++)
	{
		unsigned char block[16];

		if (inet_pton(AF_INET6, private_blocks[i].block, block) == 1 &&
			address_in_block(address, block, private_blocks[i].prefix_bits))
			return true;
	}
	return false;
}

/* Judges host and port of a URL whose scheme is known. */
static MrHostVerdict
judge_host(char *host, int port, bool plain_http)
{
	MrHostVerdict verdict = {true, false, plain_http, NULL};
	unsigned char address[16];
	size_t		length = strlen(host);

	for (char *c = host; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	if (length > 1 && host[length - 1] == '.')
		host[length - 1] = '\0';
	if (parse_address(host, address))
	{
		verdict.any_address = address_listed(address, port);
		verdict.allowed = verdict.any_address ||
			(!plain_http && !is_private(address));
	}
	else
	{
		verdict.any_address = name_listed(host, port);
		verdict.allowed = verdict.any_address || !plain_http ||
			any_address_entry();
	}
	if (!verdict.allowed)
		verdict.problem = plain_http ?
			"plain http is refused unless modelroute.allowed_hosts lists the host" :
			"a private address is refused unless modelroute.allowed_hosts lists it";
	return verdict;
}

static MrHostVerdict
parse_and_judge(const char *url)
{
	MrHostVerdict verdict = {false, false, false, "the URL is not valid"};
	CURLU	   *parts = curl_url();
	char	   *scheme = NULL;
	char	   *host = NULL;
	char	   *port = NULL;
	char	   *user = NULL;

	refresh_entries();
	if (parts &&
		curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_PORT, &port,
					 CURLU_DEFAULT_PORT) == CURLUE_OK)
	{
		if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
			verdict.problem = "the URL must not hold a user name or password";
		else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
			verdict.problem = "the URL's scheme must be https or http";
		else
			verdict = judge_host(host, atoi(port),
								 strcmp(scheme, "http") == 0);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_url_cleanup(parts);
	return verdict;
}

/* What can be said of a URL before its host is resolved. */
MrHostVerdict
mr_hosts_judge_url(const char *url)
{
	/* the last answer, as a process mostly asks for the same URL again */
	static char last_url[KEPT_URL_BYTES];
	static MrHostVerdict last_verdict;
	static uint64 last_generation;

	if (last_generation != mr_guc_allowed_hosts_generation ||
		strcmp(last_url, url) != 0)
	{
		last_verdict = parse_and_judge(url);
		last_generation =
			strlcpy(last_url, url, sizeof(last_url)) < sizeof(last_url) ?
			mr_guc_allowed_hosts_generation : 0;
	}
	return last_verdict;
}

/* Whether the verdict on the URL holds for the address it resolved to. */
bool
mr_hosts_judge_address(const MrHostVerdict *verdict,
					   const struct sockaddr *sockaddr)
{
	unsigned char address[16];
	int			port;

	if (verdict->any_address)
		return true;
	if (sockaddr->sa_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) sockaddr;

		memset(address, 0, 10);
		memset(address + 10, 0xff, 2);
		memcpy(address + 12, &v4->sin_addr, 4);
		port = ntohs(v4->sin_port);
	}
	else if (sockaddr->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) sockaddr;

		memcpy(address, &v6->sin6_addr, 16);
		port = ntohs(v6->sin6_port);
	}
	else
		return false;
	if (address_listed(address, port))
		return true;
	return !verdict->plain_http && !is_private(address);
}

/* True when a request may be sent to the URL; else *problem says why not. */
bool
mr_http_url_allowed(const char *url, const char **problem)
{
	MrHostVerdict verdict = mr_hosts_judge_url(url);

	*problem = verdict.problem;
	return verdict.allowed;
}

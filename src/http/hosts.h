/*
 * hosts.h
 *	  Which hosts and addresses requests may go to: modelroute.allowed_hosts.
 *
 * Plain http, and loopback, private and link-local addresses, are refused
 * unless listed.  An entry is a host name, host:port, an address, or a CIDR
 * block.
 */
#ifndef MR_HOSTS_H
#define MR_HOSTS_H

#include "postgres.h"

#include <sys/socket.h>

/* What the URL alone tells; the address is judged when it is known. */
typedef struct MrHostVerdict
{
	bool		allowed;		/* so far */
	bool		any_address;	/* the name is listed: its address may be any */
	bool		plain_http;		/* an unlisted address is refused */
	const char *problem;		/* static sentence when not allowed */
} MrHostVerdict;

extern MrHostVerdict mr_hosts_judge_url(const char *url);
extern bool mr_hosts_judge_address(const MrHostVerdict *verdict,
								   const struct sockaddr *address);
extern bool mr_hosts_check_setting(const char *value, const char **problem);

#endif							/* MR_HOSTS_H */

/*
 * chat_reply.h
 *	  From a reply to the text of OpenAI's chat completion object, with the
 *	  member modelroute that tells how it was served.
 */
#ifndef MR_CHAT_REPLY_H
#define MR_CHAT_REPLY_H

#include "postgres.h"

#include "provider/provider.h"

/* What the call knows beside the reply.  All text is UTF-8. */
typedef struct MrChatReply
{
	const MrReply *reply;
	int64		call_id;
	int64		created;		/* seconds since 1970 */
	const char *provider;
	const char *model;			/* catalog name */
	const char *cost;			/* USD as a decimal number, or NULL: unknown */
	double		latency_ms;
	int			attempts;
	const char *category;
	const char *reason;			/* of the decision, or NULL */
} MrChatReply;

extern char *mr_chat_reply_json(const MrChatReply *chat);

#endif							/* MR_CHAT_REPLY_H */

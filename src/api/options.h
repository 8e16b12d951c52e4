/*
 * options.h
 *	  From the SQL arguments (prompt or messages, model, options) to a checked
 *	  MrRequest.
 *
 * Everything allocated lives in CurrentMemoryContext.  Bad input raises 22023
 * (22021 for bytes that are no text in the database's encoding).
 */
#ifndef MR_OPTIONS_H
#define MR_OPTIONS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/request.h"

#define MR_PROMPT_MAX_BYTES		(64 * 1024 * 1024)
#define MR_OPTION_TEXT_MAX_BYTES 1024	/* tag, ref, task and names */
#define MR_OPTION_LIST_MAX		256 /* strings in one option */
#define MR_MESSAGES_MAX			4096
#define MR_STOP_MAX				16	/* stop strings */
#define MR_ATTEMPTS_MAX			16	/* option max_attempts */

/*
 * Fill request from settings and options; model NULL means auto.  on_error is
 * the calling function's own default, which the setting and the option
 * modelroute.on_error override.  The content is set by one of the next two
 * functions; a request may be filled once, copied by value, and given another
 * prompt for each copy.
 */
extern void mr_request_init(MrRequest *request, text *model, Jsonb *options,
							MrOnError on_error);
extern void mr_request_set_prompt(MrRequest *request, text *prompt);
extern void mr_request_set_messages(MrRequest *request, Jsonb *messages);

/* Override the router: name, name:version or default. */
extern void mr_request_set_router(MrRequest *request, text *router);
extern char *mr_router_argument(text *router);

/* Override the objective; text is in the server encoding. */
extern void mr_request_set_objective(MrRequest *request,
									 const char *objective);

#endif							/* MR_OPTIONS_H */

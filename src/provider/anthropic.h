/*
 * anthropic.h
 *	  The two halves of the Anthropic dialect: from OpenAI's form to Anthropic's
 *	  and back.
 */
#ifndef MR_ANTHROPIC_H
#define MR_ANTHROPIC_H

#include "provider/dialect.h"

extern void mr_anthropic_write_messages(MrBody *body,
										const MrRequest *request);
extern void mr_anthropic_write_tools(MrBody *body, const MrRequest *request);
extern void mr_anthropic_write_output(MrBody *body, const MrRequest *request);

#endif							/* MR_ANTHROPIC_H */

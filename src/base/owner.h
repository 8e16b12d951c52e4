/*
 * owner.h
 *	  Runs a stretch of code as the owner of the extension, with a search_path
 *	  nobody else controls.
 */
#ifndef MR_OWNER_H
#define MR_OWNER_H

#include "postgres.h"

typedef struct MrOwnerScope
{
	Oid			saved_user;
	int			saved_security_context;
	int			guc_nest_level;
} MrOwnerScope;

extern Oid	mr_extension_owner(void);
extern void mr_owner_enter(MrOwnerScope *scope);
extern void mr_owner_leave(const MrOwnerScope *scope);

#endif							/* MR_OWNER_H */

/*
 * compat.h
 *	  Everything that differs between PostgreSQL major versions.
 *
 * PostgreSQL 15 is the first target.  No other file may test PG_VERSION_NUM.
 */
#ifndef MR_COMPAT_H
#define MR_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "modelroute needs PostgreSQL 15 or later"
#endif

#endif							/* MR_COMPAT_H */

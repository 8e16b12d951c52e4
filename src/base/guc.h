/*
 * guc.h
 *	  The settings modelroute.*; README has the table for users.
 */
#ifndef MR_GUC_H
#define MR_GUC_H

#include "postgres.h"

typedef enum MrLedgerMode
{
	MR_LEDGER_OFF = 0,
	MR_LEDGER_ON,				/* recorded before complete() returns */
	MR_LEDGER_STRICT			/* and an intent before a request leaves */
} MrLedgerMode;

typedef enum MrLogContent
{
	MR_LOG_CONTENT_NONE = 0,
	MR_LOG_CONTENT_HASH,
	MR_LOG_CONTENT_FULL
} MrLogContent;

/* USERSET */
extern char *mr_guc_objective;
extern char *mr_guc_router;		/* name or name:version */
extern int	mr_guc_on_error;	/* MrOnError + 1; 0 = by function */
extern int	mr_guc_total_timeout_ms;
extern int	mr_guc_connect_timeout_ms;
extern int	mr_guc_first_byte_timeout_ms;
extern int	mr_guc_idle_timeout_ms;
extern int	mr_guc_max_attempts;
extern double mr_guc_quality_floor;

/* SUSET */
extern char *mr_guc_allowed_hosts;
extern uint64 mr_guc_allowed_hosts_generation;	/* grows when it changes */
extern uint64 mr_guc_http_generation;	/* grows with hosts, ca_file, proxy */
extern char *mr_guc_credential_directory;
extern char *mr_guc_env_prefix;
extern char *mr_guc_ca_file;
extern char *mr_guc_proxy;
extern int	mr_guc_ledger;		/* MrLedgerMode */
extern int	mr_guc_log_content; /* MrLogContent */
extern int	mr_guc_max_response_kb;
extern int	mr_guc_ledger_timeout_ms;

/* POSTMASTER, only when preloaded */
extern int	mr_guc_ledger_slots;
extern int	mr_guc_ledger_memory_kb;
extern int	mr_guc_max_databases;
extern int	mr_guc_max_endpoints;
extern int	mr_guc_router_memory_kb;

/* Judges a value; false with *problem set to a sentence. */
typedef bool (*MrGucCheck) (const char *value, const char **problem);

extern void mr_guc_init(MrGucCheck check_objective_text,
						MrGucCheck check_hosts_text);

#endif							/* MR_GUC_H */

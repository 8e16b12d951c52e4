/*
 * guc.c
 *	  Defines and validates the settings modelroute.*.
 *
 * Settings of shared memory exist only when the library is preloaded: their
 * context is POSTMASTER, and PostgreSQL accepts such a definition no later.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/guc.h"
#include "base/request.h"
#include "base/versioned_name.h"

char	   *mr_guc_objective;
char	   *mr_guc_router;
int			mr_guc_on_error;
int			mr_guc_total_timeout_ms;
int			mr_guc_connect_timeout_ms;
int			mr_guc_first_byte_timeout_ms;
int			mr_guc_idle_timeout_ms;
int			mr_guc_max_attempts;
double		mr_guc_quality_floor;

char	   *mr_guc_allowed_hosts;
uint64		mr_guc_allowed_hosts_generation = 1;
uint64		mr_guc_http_generation = 1;
char	   *mr_guc_credential_directory;
char	   *mr_guc_env_prefix;
char	   *mr_guc_ca_file;
char	   *mr_guc_proxy;
int			mr_guc_ledger;
int			mr_guc_log_content;
int			mr_guc_max_response_kb;
int			mr_guc_ledger_timeout_ms;

int			mr_guc_ledger_slots;
int			mr_guc_ledger_memory_kb;
int			mr_guc_max_databases;
int			mr_guc_max_endpoints;
int			mr_guc_router_memory_kb;

static MrGucCheck objective_check;
static MrGucCheck hosts_check;

static const struct config_enum_entry on_error_options[] = {
	{"default", 0, false},
	{"raise", MR_ON_ERROR_RAISE + 1, false},
	{"null", MR_ON_ERROR_NULL + 1, false},
	{NULL, 0, false}
};

static const struct config_enum_entry ledger_options[] = {
	{"off", MR_LEDGER_OFF, false},
	{"on", MR_LEDGER_ON, false},
	{"strict", MR_LEDGER_STRICT, false},
	{"default", MR_LEDGER_ON, true},
	{NULL, 0, false}
};

static const struct config_enum_entry log_content_options[] = {
	{"none", MR_LOG_CONTENT_NONE, false},
	{"hash", MR_LOG_CONTENT_HASH, false},
	{"full", MR_LOG_CONTENT_FULL, false},
	{NULL, 0, false}
};

/* A setting whose value is a number or a size. */
typedef struct IntSetting
{
	const char *name;
	const char *description;
	int		   *variable;
	int			boot;
	int			min;
	int			max;
	GucContext	context;
	int			flags;
} IntSetting;

static const IntSetting int_settings[] = {
	{"modelroute.total_timeout",
		"Longest time a call may take, retries and fallbacks included.",
		&mr_guc_total_timeout_ms, 120000, 1, INT_MAX,
	PGC_USERSET, GUC_UNIT_MS},
	{"modelroute.connect_timeout",
		"Longest time to resolve, connect and agree on TLS.",
		&mr_guc_connect_timeout_ms, 5000, 1, INT_MAX,
	PGC_USERSET, GUC_UNIT_MS},
	{"modelroute.first_byte_timeout",
		"Longest time from dispatch to the first byte of the reply.",
		&mr_guc_first_byte_timeout_ms, 60000, 1, INT_MAX,
	PGC_USERSET, GUC_UNIT_MS},
	{"modelroute.idle_timeout",
		"Longest pause between two pieces of a reply.",
		&mr_guc_idle_timeout_ms, 30000, 1, INT_MAX,
	PGC_USERSET, GUC_UNIT_MS},
	{"modelroute.max_attempts",
		"Most HTTP exchanges that one call may make.",
	&mr_guc_max_attempts, 4, 1, 16, PGC_USERSET, 0},
	{"modelroute.max_response_size",
		"Largest reply body that is accepted.",
		&mr_guc_max_response_kb, 32 * 1024, 1, 1024 * 1024,
	PGC_SUSET, GUC_UNIT_KB},
	{"modelroute.ledger_timeout",
		"Longest time a call waits for the ledger before it is sent.",
		&mr_guc_ledger_timeout_ms, 10000, 1, INT_MAX,
	PGC_SUSET, GUC_UNIT_MS},
	{0}
};

static const IntSetting shared_settings[] = {
	{"modelroute.ledger_slots",
		"Calls of the whole server that may be on their way to the ledger.",
		&mr_guc_ledger_slots, 1024, 16, 1000000,
	PGC_POSTMASTER, 0},
	{"modelroute.ledger_memory",
		"Shared memory for audit records on their way to the ledger.",
		&mr_guc_ledger_memory_kb, 128 * 1024, 4096, INT_MAX,
	PGC_POSTMASTER, GUC_UNIT_KB},
	{"modelroute.max_databases",
		"Databases of this server that may have a worker.",
	&mr_guc_max_databases, 64, 1, 10000, PGC_POSTMASTER, 0},
	{"modelroute.max_endpoints",
		"Endpoints whose recent health is kept in shared memory.",
	&mr_guc_max_endpoints, 4096, 64, 1000000, PGC_POSTMASTER, 0},
	{"modelroute.router_memory",
		"Shared memory for trained routers; 0 keeps them in each process.",
		&mr_guc_router_memory_kb, 64 * 1024, 0, INT_MAX,
	PGC_POSTMASTER, GUC_UNIT_KB},
	{0}
};

/* A setting whose value is text. */
typedef struct StringSetting
{
	const char *name;
	const char *description;
	char	  **variable;
	const char *boot;
	GucContext	context;
	int			flags;
	GucStringCheckHook check;
	GucStringAssignHook assign;
} StringSetting;

static bool check_objective(char **value, void **extra, GucSource source);
static bool check_router(char **value, void **extra, GucSource source);
static bool check_hosts(char **value, void **extra, GucSource source);
static bool check_directory(char **value, void **extra, GucSource source);
static void assign_hosts(const char *value, void *extra);
static void assign_http(const char *value, void *extra);

static const StringSetting string_settings[] = {
	{"modelroute.objective",
		"Objective of calls that name none: quality, cost, latency, balanced, or weights.",
		&mr_guc_objective, "balanced", PGC_USERSET, 0,
	check_objective, NULL},
	{"modelroute.router",
		"Router of calls that name none: default, or name or name:version of a trained one.",
		&mr_guc_router, MR_ROUTER_DEFAULT, PGC_USERSET, 0,
	check_router, NULL},
	{"modelroute.allowed_hosts",
		"Hosts that may be reached by plain http or at private addresses: host, host:port or CIDR, comma-separated.",
		&mr_guc_allowed_hosts, "", PGC_SUSET, GUC_LIST_INPUT,
	check_hosts, assign_hosts},
	{"modelroute.credential_directory",
		"Directory that credential files must lie in; empty forbids files.",
		&mr_guc_credential_directory, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
	check_directory, NULL},
	{"modelroute.env_prefix",
		"Prefixes of environment variables that a credential may name, comma-separated.",
		&mr_guc_env_prefix, "MODELROUTE_", PGC_SUSET, GUC_SUPERUSER_ONLY,
	NULL, NULL},
	{"modelroute.ca_file",
		"File of CA certificates to verify providers with; empty is the system's.",
		&mr_guc_ca_file, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
	NULL, assign_http},
	{"modelroute.proxy",
		"URL of the proxy for all requests; empty is none.",
		&mr_guc_proxy, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
	NULL, assign_http},
	{0}
};

/*
 * Defines every setting; the checks of values that only a higher layer can
 * judge come as arguments.
 */
void
mr_guc_init(MrGucCheck check_objective_text, MrGucCheck check_hosts_text)
{
	objective_check = check_objective_text;
	hosts_check = check_hosts_text;

	for (const StringSetting *s = string_settings; s->name; s++)
		DefineCustomStringVariable(s->name, s->description, NULL, s->variable,
								   s->boot, s->context, s->flags,
								   s->check, s->assign, NULL);
	for (const IntSetting *s = int_settings; s->name; s++)
		DefineCustomIntVariable(s->name, s->description, NULL, s->variable,
								s->boot, s->min, s->max, s->context, s->flags,
								NULL, NULL, NULL);
	if (process_shared_preload_libraries_in_progress)
		for (const IntSetting *s = shared_settings; s->name; s++)
			DefineCustomIntVariable(s->name, s->description, NULL,
									s->variable, s->boot, s->min, s->max,
									s->context, s->flags, NULL, NULL, NULL);
	DefineCustomRealVariable("modelroute.quality_floor",
							 "Share of the best expected quality that objectives cost and latency may not go below.",
							 NULL, &mr_guc_quality_floor, 0.8, 0.0, 1.0,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("modelroute.on_error",
							 "What a failed call does: raise an error, or give NULL with a warning.",
							 NULL, &mr_guc_on_error, 0, on_error_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("modelroute.ledger",
							 "What is recorded: off, on, or strict (also an intent before each request leaves).",
							 NULL, &mr_guc_ledger, MR_LEDGER_ON,
							 ledger_options, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("modelroute.log_content",
							 "What the ledger keeps of prompts and replies: none, hash, or full.",
							 NULL, &mr_guc_log_content, MR_LOG_CONTENT_NONE,
							 log_content_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("modelroute");
}

static bool
check_objective(char **value, void **extra, GucSource source)
{
	const char *problem = NULL;

	if (objective_check(*value, &problem))
		return true;
	GUC_check_errdetail("%s", problem);
	return false;
}

/* Whether there is such a router is asked when it is used. */
static bool
check_router(char **value, void **extra, GucSource source)
{
	MrVersionedName name;

	if (mr_versioned_name_parse(*value, &name))
		return true;
	GUC_check_errdetail("A router is a name, or name:version.");
	return false;
}

static bool
check_hosts(char **value, void **extra, GucSource source)
{
	const char *problem = NULL;

	if (hosts_check(*value, &problem))
		return true;
	GUC_check_errdetail("%s", problem);
	return false;
}

static bool
check_directory(char **value, void **extra, GucSource source)
{
	if (**value == '\0' || is_absolute_path(*value))
		return true;
	GUC_check_errdetail("The directory must be an absolute path.");
	return false;
}

static void
assign_hosts(const char *value, void *extra)
{
	mr_guc_allowed_hosts_generation++;
	mr_guc_http_generation++;
}

static void
assign_http(const char *value, void *extra)
{
	mr_guc_http_generation++;
}

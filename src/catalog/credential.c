/*
 * credential.c
 *	  From a credential's reference, an environment variable or a file, to the
 *	  secret; and the checks that a reference must pass.
 *
 * The secret is read anew for every use.  Neither it nor its place appears in
 * a message: a user may have pasted the secret where the place belongs, so a
 * message does not repeat its input, and the statement is kept out of the log.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"

#include "base/guc.h"
#include "catalog/data.h"

#define SECRET_BYTES 4096

typedef enum Problem
{
	PROBLEM_NONE = 0,
	PROBLEM_ENV_NAME,
	PROBLEM_ENV_PREFIX,
	PROBLEM_ENV_UNSET,
	PROBLEM_NO_DIRECTORY,
	PROBLEM_PATH,
	PROBLEM_OUTSIDE,
	PROBLEM_MISSING,
	PROBLEM_UNREADABLE,
	PROBLEM_NOT_REGULAR,
	PROBLEM_MODE,
	PROBLEM_OWNER,
	PROBLEM_SIZE,
	PROBLEM_TEXT
} Problem;

#define ENV_FORM \
	"Give the name of a variable in the server's environment, not the " \
	"secret: {\"env\": \"MODELROUTE_OPENAI_KEY\"}."
#define FILE_FORM \
	"Give the path of a file on the server, not the secret: " \
	"{\"file\": \"openai.key\"}."
#define FILE_MODE \
	"Make it a regular file of the server's operating system user with " \
	"chmod 600."

static const struct
{
	int			sqlstate;
	const char *detail;
	const char *hint;
}			problems[] =
{
	[PROBLEM_NONE] = {ERRCODE_SUCCESSFUL_COMPLETION, NULL, NULL},
	[PROBLEM_ENV_NAME] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"It is not the name of an environment variable.",
	ENV_FORM},
	[PROBLEM_ENV_PREFIX] = {ERRCODE_INSUFFICIENT_PRIVILEGE,
		"The environment variable's name has no allowed prefix.",
		"A superuser can add its prefix: "
	"ALTER SYSTEM SET modelroute.env_prefix = 'MODELROUTE_,OPENAI_'."},
	[PROBLEM_ENV_UNSET] = {ERRCODE_UNDEFINED_OBJECT,
		"The server's environment has no such variable.",
		"Set it where the server is started, for instance in its systemd "
	"unit, and restart the server."},
	[PROBLEM_NO_DIRECTORY] = {ERRCODE_INSUFFICIENT_PRIVILEGE,
		"Credential files are not allowed, or their directory is missing.",
		"A superuser can name an existing directory: "
	"ALTER SYSTEM SET modelroute.credential_directory = '/path'."},
	[PROBLEM_PATH] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"It is not the path of a credential file.",
	FILE_FORM},
	[PROBLEM_OUTSIDE] = {ERRCODE_INSUFFICIENT_PRIVILEGE,
		"The file is not inside modelroute.credential_directory.",
	FILE_FORM},
	[PROBLEM_MISSING] = {ERRCODE_UNDEFINED_FILE,
		"The file does not exist.",
	"Create it on the server."},
	[PROBLEM_UNREADABLE] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The server cannot read the file.",
	FILE_MODE},
	[PROBLEM_NOT_REGULAR] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"It is not a regular file; links are not followed.",
	FILE_MODE},
	[PROBLEM_MODE] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The file is open to the group or to others.",
	FILE_MODE},
	[PROBLEM_OWNER] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The file belongs to another operating system user.",
	FILE_MODE},
	[PROBLEM_SIZE] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The file is larger than 4096 bytes.",
	"Store the secret in it and nothing else."},
	[PROBLEM_TEXT] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The secret is empty or holds a space, a line break or other "
		"characters than printable ASCII.",
	"Store the secret alone, on one line."},
};

static Problem read_env(const char *name, char *secret);
static Problem read_file(const char *path, char *secret);
static Problem check_env_name(const char *name);
static bool env_prefix_allowed(const char *name);
static Problem locate_file(const char *path, char *located);
static bool has_parent_component(const char *path);
static bool is_inside(const char *path, const char *directory);
static Problem open_file(const char *path, int *file);
static Problem check_file(int file);
static Problem read_open_file(int file, char *secret);
static Problem check_secret(const char *secret);
static void report_problem(Problem problem);

/*
 * The secret that a role uses at a provider, in CurrentMemoryContext; the
 * caller wipes it after use.  NULL when none is configured, and, with failure
 * set, when it cannot be had.  Works outside a transaction too, with what was
 * last read of the catalog.
 */
char *
mr_credential_resolve(const char *provider, Oid role, MrFailure *failure)
{
	const MrCatalogData *data = mr_catalog_data();
	const MrCredentialRow *row = NULL;
	char		secret[SECRET_BYTES + 1];
	char	   *result = NULL;
	Problem		problem;

	if (data != NULL)
		row = mr_access_credential(data, provider, role);
	if (row == NULL)
		return NULL;

	problem = row->is_file ? read_file(row->place, secret) :
		read_env(row->place, secret);
	if (problem == PROBLEM_NONE)
		result = pstrdup(secret);
	else
		mr_failure_set(failure, MR_FAILURE_CREDENTIAL,
					   "the credential of provider \"%s\" cannot be used: %s",
					   provider, problems[problem].detail);
	explicit_bzero(secret, sizeof(secret));
	return result;
}

/*
 * Raises 22023 or 42501 when a credential may not name the variable; warns
 * when it is not set.
 */
void
mr_credential_check_env(const char *name)
{
	char		secret[SECRET_BYTES + 1];
	Problem		problem = read_env(name, secret);

	explicit_bzero(secret, sizeof(secret));
	report_problem(problem);
}

/*
 * Raises 22023 or 42501 when a credential may not name the file; warns when
 * it does not exist.
 */
void
mr_credential_check_file(const char *path)
{
	char		secret[SECRET_BYTES + 1];
	Problem		problem = read_file(path, secret);

	explicit_bzero(secret, sizeof(secret));
	report_problem(problem);
}

/* What can still come about on the server is a warning. */
static void
report_problem(Problem problem)
{
	bool		can_come = problem == PROBLEM_ENV_UNSET ||
		problem == PROBLEM_MISSING;

	if (problem != PROBLEM_NONE)
		ereport(can_come ? WARNING : ERROR,
				(errcode(problems[problem].sqlstate),
				 can_come ? errmsg("credential cannot be used yet") :
				 errmsg("credential cannot be used"),
				 errdetail("%s", problems[problem].detail),
				 errhint("%s", problems[problem].hint),
				 errhidestmt(true), errhidecontext(true)));
}

/* ----------
 * Environment
 * ----------
 */

static Problem
read_env(const char *name, char *secret)
{
	Problem		problem = check_env_name(name);
	const char *value;

	if (problem != PROBLEM_NONE)
		return problem;
	value = getenv(name);
	if (value == NULL)
		return PROBLEM_ENV_UNSET;
	if (strlcpy(secret, value, SECRET_BYTES + 1) > SECRET_BYTES)
		return PROBLEM_TEXT;
	return check_secret(secret);
}

static Problem
check_env_name(const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	if (name[0] == '\0' || isdigit((unsigned char) name[0]) ||
		name[strspn(name, letters)] != '\0')
		return PROBLEM_ENV_NAME;
	return env_prefix_allowed(name) ? PROBLEM_NONE : PROBLEM_ENV_PREFIX;
}

/* An empty prefix in the list allows nothing. */
static bool
env_prefix_allowed(const char *name)
{
	const char *prefix = mr_guc_env_prefix;

	while (*prefix != '\0')
	{
		size_t		length;

		prefix += strspn(prefix, ", \t");
		length = strcspn(prefix, ", \t");
		if (length > 0 && strncmp(name, prefix, length) == 0)
			return true;
		prefix += length;
	}
	return false;
}

/* ----------
 * File
 * ----------
 */

static Problem
read_file(const char *path, char *secret)
{
	char		located[PATH_MAX];
	int			file;
	Problem		problem = locate_file(path, located);

	if (problem == PROBLEM_NONE)
		problem = open_file(located, &file);
	if (problem != PROBLEM_NONE)
		return problem;

	/* Nothing raises while the file is open. */
	problem = check_file(file);
	if (problem == PROBLEM_NONE)
		problem = read_open_file(file, secret);
	close(file);
	return problem;
}

/*
 * Fills located (PATH_MAX bytes) with the path whose directory holds no links
 * and lies in credential_directory.  A relative path starts there.
 */
static Problem
locate_file(const char *path, char *located)
{
	const char *directory = mr_guc_credential_directory;
	char		root[PATH_MAX];
	char		joined[PATH_MAX];
	const char *name;
	char	   *slash;

	if (directory[0] == '\0' || realpath(directory, root) == NULL)
		return PROBLEM_NO_DIRECTORY;
	if (path[0] == '\0' || path[strlen(path) - 1] == '/' ||
		strpbrk(path, "\r\n") != NULL || has_parent_component(path))
		return PROBLEM_PATH;
	if (path[0] == '/' && !is_inside(path, directory) &&
		!is_inside(path, root))
		return PROBLEM_OUTSIDE;
	if (snprintf(joined, sizeof(joined), "%s%s%s",
				 path[0] == '/' ? "" : root, path[0] == '/' ? "" : "/",
				 path) >= (int) sizeof(joined))
		return PROBLEM_PATH;

	slash = strrchr(joined, '/');
	name = slash + 1;
	*slash = '\0';
	if (realpath(joined, located) == NULL)
		return PROBLEM_MISSING;
	if (strcmp(located, root) != 0 && !is_inside(located, root))
		return PROBLEM_OUTSIDE;
	if (strlen(located) + strlen(name) + 2 > PATH_MAX)
		return PROBLEM_PATH;
	strcat(strcat(located, "/"), name);
	return PROBLEM_NONE;
}

static bool
has_parent_component(const char *path)
{
	for (const char *at = strstr(path, ".."); at != NULL;
		 at = strstr(at + 1, ".."))
	{
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
			return true;
	}
	return false;
}

/* Compares names only; the directory may end in slashes. */
static bool
is_inside(const char *path, const char *directory)
{
	size_t		length = strlen(directory);

	while (length > 0 && directory[length - 1] == '/')
		length--;
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static Problem
open_file(const char *path, int *file)
{
	*file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (*file >= 0)
		return PROBLEM_NONE;
	switch (errno)
	{
		case ENOENT:
			return PROBLEM_MISSING;
		case ELOOP:
			return PROBLEM_NOT_REGULAR;
		default:
			return PROBLEM_UNREADABLE;
	}
}

static Problem
check_file(int file)
{
	struct stat info;

	if (fstat(file, &info) != 0)
		return PROBLEM_UNREADABLE;
	if (!S_ISREG(info.st_mode))
		return PROBLEM_NOT_REGULAR;
	if (info.st_uid != geteuid() && info.st_uid != 0)
		return PROBLEM_OWNER;
	if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return PROBLEM_MODE;
	if (info.st_size > SECRET_BYTES)
		return PROBLEM_SIZE;
	return PROBLEM_NONE;
}

/* Fills secret (SECRET_BYTES + 1); line breaks at the end are left out. */
static Problem
read_open_file(int file, char *secret)
{
	size_t		length = 0;
	ssize_t		bytes;

	do
	{
		bytes = read(file, secret + length, SECRET_BYTES - length);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < 0)
			return PROBLEM_UNREADABLE;
		length += bytes;
	} while (bytes != 0 && length < SECRET_BYTES);

	while (length > 0 &&
		   (secret[length - 1] == '\n' || secret[length - 1] == '\r'))
		length--;
	secret[length] = '\0';
	if (strlen(secret) != length)
		return PROBLEM_TEXT;
	return check_secret(secret);
}

/* It becomes part of an HTTP header. */
static Problem
check_secret(const char *secret)
{
	if (secret[0] == '\0')
		return PROBLEM_TEXT;
	for (const char *at = secret; *at != '\0'; at++)
	{
		if (*at <= ' ' || *at > '~')
			return PROBLEM_TEXT;
	}
	return PROBLEM_NONE;
}

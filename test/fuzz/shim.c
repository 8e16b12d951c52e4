/*
 * shim.c
 *	  The few server functions that base/json and the dialects use, for
 *	  programs that run outside the server.
 *
 * There is one memory context: every piece is a malloc of its own, so that
 * AddressSanitizer sees each, and shim_reset frees all.  An ERROR ends the
 * program: the code under test must not raise on any input.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/palloc.h"

#include "shim.h"

typedef struct Piece
{
	struct Piece *next;
	struct Piece *previous;
	size_t		bytes;
	size_t		padding;		/* keeps the data aligned to 16 */
} Piece;

MemoryContext CurrentMemoryContext = NULL;
int			shim_database_encoding = PG_UTF8;
volatile	sig_atomic_t InterruptPending = false;

static Piece pieces = {&pieces, &pieces, 0, 0};

static Piece *piece_of(void *pointer);
static void link_piece(Piece *piece, size_t bytes);

/* Free everything that was allocated since the last call. */
void
shim_reset(void)
{
	while (pieces.next != &pieces)
		pfree(pieces.next + 1);
}

void *
palloc(Size size)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	link_piece(piece, size);
	return piece + 1;
}

static void
link_piece(Piece *piece, size_t bytes)
{
	piece->bytes = bytes;
	piece->next = pieces.next;
	piece->previous = &pieces;
	piece->next->previous = piece;
	pieces.next = piece;
}

static Piece *
piece_of(void *pointer)
{
	return (Piece *) pointer - 1;
}

void
pfree(void *pointer)
{
	Piece	   *piece = piece_of(pointer);

	piece->previous->next = piece->next;
	piece->next->previous = piece->previous;
	free(piece);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	void	   *copy = palloc(size);

	memcpy(copy, pointer, Min(size, piece_of(pointer)->bytes));
	pfree(pointer);
	return copy;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	(void) context;
	(void) flags;
	return palloc(size);
}

void *
palloc_extended(Size size, int flags)
{
	(void) flags;
	return palloc(size);
}

void
ProcessInterrupts(void)
{
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

/* There is one memory context: a new one is it, too. */
MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	(void) name;
	(void) minContextSize;
	(void) initBlockSize;
	(void) maxBlockSize;
	return parent;
}

char *
pnstrdup(const char *in, Size len)
{
	char	   *copy;

	len = strnlen(in, len);
	copy = palloc(len + 1);
	memcpy(copy, in, len);
	copy[len] = '\0';
	return copy;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

int
GetDatabaseEncoding(void)
{
	return shim_database_encoding;
}

int
pg_encoding_mbcliplen(int encoding, const char *mbstr, int len, int limit)
{
	int			clipped = 0;

	while (clipped < len && mbstr[clipped] != '\0')
	{
		int			length = pg_encoding_mblen(encoding, mbstr + clipped);

		if (clipped + length > limit)
			break;
		clipped += length;
	}
	return clipped;
}

bool
errstart(int elevel, const char *domain)
{
	(void) domain;
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	return sqlerrcode;
}

int
errmsg(const char *fmt,...)
{
	fprintf(stderr, "ERROR: %s\n", fmt);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	return errmsg(fmt);
}

int
errdetail(const char *fmt,...)
{
	return errmsg(fmt);
}

int
errhint(const char *fmt,...)
{
	return errmsg(fmt);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	fprintf(stderr, "raised at %s:%d (%s)\n", filename, lineno, funcname);
	abort();
}

void
ExceptionalCondition(const char *conditionName, const char *errorType,
					 const char *fileName, int lineNumber)
{
	fprintf(stderr, "%s(\"%s\") at %s:%d\n", errorType, conditionName,
			fileName, lineNumber);
	abort();
}

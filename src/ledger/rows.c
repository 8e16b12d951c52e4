/*
 * rows.c
 *	  The columns of audit and attempt as data, and packing of a record into
 *	  one flat piece of memory that another process can read.
 *
 * Packed form: the record struct with each string pointer replaced by its
 * offset from the start, followed by the strings.
 */
#include "postgres.h"

#include <math.h>

#include "ledger/rows.h"

/* With details dropped no text is longer than this. */
#define SHORT_TEXT_BYTES 60

#define COLUMN(type, name, kind, droppable) \
	{#name, kind, offsetof(type, name), droppable}
#define A(name, kind) COLUMN(MrAuditRow, name, kind, false)
#define A_DROPPABLE(name, kind) COLUMN(MrAuditRow, name, kind, true)
#define T(name, kind) COLUMN(MrAttemptRow, name, kind, false)

static const MrColumn audit_columns[] = {
	A(call_id, MR_COLUMN_INT8),
	A(status, MR_COLUMN_TEXT),
	A(role, MR_COLUMN_NAME),
	A(database, MR_COLUMN_NAME),
	A(application, MR_COLUMN_TEXT),
	A(backend_pid, MR_COLUMN_INT4),
	A(query_id, MR_COLUMN_INT8),
	A(requested_model, MR_COLUMN_TEXT),
	A(objective, MR_COLUMN_TEXT),
	A(router, MR_COLUMN_TEXT),
	A(model, MR_COLUMN_TEXT),
	A(provider, MR_COLUMN_TEXT),
	A(category, MR_COLUMN_TEXT),
	A_DROPPABLE(decision, MR_COLUMN_JSONB),
	A(tag, MR_COLUMN_TEXT),
	A(ref, MR_COLUMN_TEXT),
	A(task, MR_COLUMN_TEXT),
	A(input_tokens, MR_COLUMN_INT8),
	A(cached_input_tokens, MR_COLUMN_INT8),
	A(cache_write_tokens, MR_COLUMN_INT8),
	A(output_tokens, MR_COLUMN_INT8),
	A(reasoning_tokens, MR_COLUMN_INT8),
	A(usage_estimated, MR_COLUMN_BOOL),
	A(cost, MR_COLUMN_COST),
	A(attempts, MR_COLUMN_INT4),
	A(attempts_unknown, MR_COLUMN_INT4),
	A(finish_reason, MR_COLUMN_TEXT),
	A(error_kind, MR_COLUMN_TEXT),
	A(error_code, MR_COLUMN_TEXT),
	A(error, MR_COLUMN_TEXT),
	A(expected_quality, MR_COLUMN_FLOAT8),
	A(expected_cost, MR_COLUMN_COST),
	A(propensity, MR_COLUMN_FLOAT8),
	A(started_at, MR_COLUMN_TIME),
	A(route_us, MR_COLUMN_INT8),
	A(queue_us, MR_COLUMN_INT8),
	A(connect_us, MR_COLUMN_INT8),
	A(first_byte_us, MR_COLUMN_INT8),
	A(total_us, MR_COLUMN_INT8),
	A(prompt_sha256, MR_COLUMN_SHA256),
	A(reply_sha256, MR_COLUMN_SHA256),
	A_DROPPABLE(prompt, MR_COLUMN_TEXT),
	A_DROPPABLE(reply, MR_COLUMN_TEXT),
	A(content_dropped, MR_COLUMN_BOOL)
};

static const MrColumn attempt_columns[] = {
	T(attempt_id, MR_COLUMN_INT8),
	T(call_id, MR_COLUMN_INT8),
	T(ordinal, MR_COLUMN_INT4),
	T(role, MR_COLUMN_NAME),
	T(model, MR_COLUMN_TEXT),
	T(provider, MR_COLUMN_TEXT),
	T(upstream_model, MR_COLUMN_TEXT),
	T(status, MR_COLUMN_TEXT),
	T(error_kind, MR_COLUMN_TEXT),
	T(http_status, MR_COLUMN_INT4),
	T(error, MR_COLUMN_TEXT),
	T(upstream_request_id, MR_COLUMN_TEXT),
	T(input_tokens, MR_COLUMN_INT8),
	T(cached_input_tokens, MR_COLUMN_INT8),
	T(cache_write_tokens, MR_COLUMN_INT8),
	T(output_tokens, MR_COLUMN_INT8),
	T(reasoning_tokens, MR_COLUMN_INT8),
	T(usage_estimated, MR_COLUMN_BOOL),
	T(cost, MR_COLUMN_COST),
	T(request_bytes, MR_COLUMN_INT8),
	T(response_bytes, MR_COLUMN_INT8),
	T(started_at, MR_COLUMN_TIME),
	T(connect_us, MR_COLUMN_INT8),
	T(first_byte_us, MR_COLUMN_INT8),
	T(total_us, MR_COLUMN_INT8)
};

const MrRowType mr_audit_type = {
	"audit", audit_columns, lengthof(audit_columns)
};

const MrRowType mr_attempt_type = {
	"attempt", attempt_columns, lengthof(attempt_columns)
};

static void
init_row(const MrRowType *type, void *row)
{
	for (int i = 0; i < type->ncolumns; i++)
	{
		void	   *field = (char *) row + type->columns[i].offset;

		switch (type->columns[i].kind)
		{
			case MR_COLUMN_TEXT:
			case MR_COLUMN_NAME:
			case MR_COLUMN_JSONB:
			case MR_COLUMN_SHA256:
				*(const char **) field = NULL;
				break;
			case MR_COLUMN_FLOAT8:
				*(double *) field = NAN;
				break;
			default:
				*(int64 *) field = MR_NULL_INT;
		}
	}
}

/* Makes every field NULL. */
void
mr_audit_row_init(MrAuditRow *row)
{
	init_row(&mr_audit_type, row);
}

/* Makes every field NULL. */
void
mr_attempt_row_init(MrAttemptRow *row)
{
	init_row(&mr_attempt_type, row);
}

/* The string field of a column, or NULL when the column is no string. */
static const char **
string_field(const MrColumn *column, const void *row)
{
	switch (column->kind)
	{
		case MR_COLUMN_TEXT:
		case MR_COLUMN_NAME:
		case MR_COLUMN_JSONB:
		case MR_COLUMN_SHA256:
			return (const char **) ((char *) row + column->offset);
		default:
			return NULL;
	}
}

/* Bytes that a string takes when packed. */
static size_t
string_bytes(const MrColumn *column, const char *string)
{
	return column->kind == MR_COLUMN_SHA256 ? MR_SHA256_BYTES :
		strlen(string) + 1;
}

static size_t
row_string_bytes(const MrRowType *type, const void *row)
{
	size_t		bytes = 0;

	for (int i = 0; i < type->ncolumns; i++)
	{
		const char **field = string_field(&type->columns[i], row);

		if (field && *field)
			bytes += string_bytes(&type->columns[i], *field);
	}
	return bytes;
}

static size_t
fixed_bytes(const MrLedgerRecord *record)
{
	return offsetof(MrLedgerRecord, attempts) +
		record->nattempts * sizeof(MrAttemptRow);
}

/* Bytes that mr_record_pack needs. */
size_t
mr_record_bytes(const MrLedgerRecord *record)
{
	size_t		bytes = fixed_bytes(record);

	bytes += row_string_bytes(&mr_audit_type, &record->audit);
	for (int i = 0; i < record->nattempts; i++)
		bytes += row_string_bytes(&mr_attempt_type, &record->attempts[i]);
	return bytes;
}

/* Copies the row's strings to *tail and makes its pointers offsets. */
static void
pack_strings(const MrRowType *type, void *row, char *place, size_t *tail)
{
	for (int i = 0; i < type->ncolumns; i++)
	{
		const char **field = string_field(&type->columns[i], row);
		size_t		bytes;

		if (field == NULL || *field == NULL)
			continue;
		bytes = string_bytes(&type->columns[i], *field);
		memcpy(place + *tail, *field, bytes);
		*field = (const char *) *tail;
		*tail += bytes;
	}
}

/* Packs the record into place, which has bytes >= mr_record_bytes(). */
size_t
mr_record_pack(const MrLedgerRecord *record, char *place, size_t bytes)
{
	MrLedgerRecord *packed = (MrLedgerRecord *) place;
	size_t		tail = fixed_bytes(record);

	memcpy(packed, record, tail);
	pack_strings(&mr_audit_type, &packed->audit, place, &tail);
	for (int i = 0; i < record->nattempts; i++)
		pack_strings(&mr_attempt_type, &packed->attempts[i], place, &tail);
	Assert(tail <= bytes);
	return tail;
}

static void
unpack_strings(const MrRowType *type, void *row, const char *place)
{
	for (int i = 0; i < type->ncolumns; i++)
	{
		const char **field = string_field(&type->columns[i], row);

		if (field && *field)
			*field = place + (size_t) *field;
	}
}

/* Fills *record; its strings point into place. */
void
mr_record_unpack(const char *place, MrLedgerRecord *record)
{
	memcpy(record, place, fixed_bytes((const MrLedgerRecord *) place));
	unpack_strings(&mr_audit_type, &record->audit, place);
	for (int i = 0; i < record->nattempts; i++)
		unpack_strings(&mr_attempt_type, &record->attempts[i], place);
}

/* Cuts a text at SHORT_TEXT_BYTES, between ASCII characters. */
static const char *
shorten(const char *text)
{
	size_t		bytes = SHORT_TEXT_BYTES;

	if (strlen(text) <= bytes)
		return text;
	while (bytes > 0 && IS_HIGHBIT_SET(text[bytes]))
		bytes--;
	return pnstrdup(text, bytes);
}

static void
drop_row_details(const MrRowType *type, void *row)
{
	for (int i = 0; i < type->ncolumns; i++)
	{
		const MrColumn *column = &type->columns[i];
		const char **field = string_field(column, row);

		if (field == NULL || *field == NULL)
			continue;
		if (column->droppable)
			*field = NULL;
		else if (column->kind == MR_COLUMN_TEXT)
			*field = shorten(*field);
	}
}

/*
 * Makes the record small enough for the memory that every slot has: content
 * and decision are left out, long texts cut, and the row says so.
 */
void
mr_record_drop_details(MrLedgerRecord *record)
{
	drop_row_details(&mr_audit_type, &record->audit);
	for (int i = 0; i < record->nattempts; i++)
		drop_row_details(&mr_attempt_type, &record->attempts[i]);
	record->audit.content_dropped = true;
}

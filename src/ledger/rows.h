/*
 * rows.h
 *	  The rows of tables audit and attempt as C structs, and the tables of
 *	  columns by which they are packed, unpacked and inserted.
 *
 * Integers are int64 with MR_NULL_INT for NULL; text is in the server encoding
 * with NULL for NULL; costs are pico-USD.
 */
#ifndef MR_ROWS_H
#define MR_ROWS_H

#include "postgres.h"

#include "base/endpoint.h"

#define MR_NULL_INT PG_INT64_MIN
#define MR_SHA256_BYTES 32
#define MR_ATTEMPTS_PER_CALL 16

typedef struct MrAttemptRow
{
	int64		attempt_id;
	int64		call_id;
	int64		ordinal;
	const char *role;
	const char *model;
	const char *provider;
	const char *upstream_model;
	const char *status;
	const char *error_kind;
	int64		http_status;
	const char *error;
	const char *upstream_request_id;
	int64		input_tokens;
	int64		cached_input_tokens;
	int64		cache_write_tokens;
	int64		output_tokens;
	int64		reasoning_tokens;
	int64		usage_estimated;
	int64		cost;
	int64		request_bytes;
	int64		response_bytes;
	TimestampTz started_at;
	int64		connect_us;
	int64		first_byte_us;
	int64		total_us;
} MrAttemptRow;

typedef struct MrAuditRow
{
	int64		call_id;
	const char *status;
	const char *role;
	const char *database;
	const char *application;
	int64		backend_pid;
	int64		query_id;
	const char *requested_model;
	const char *objective;
	const char *router;
	const char *model;
	const char *provider;
	const char *category;
	const char *decision;		/* JSON text */
	const char *tag;
	const char *ref;
	const char *task;
	int64		input_tokens;
	int64		cached_input_tokens;
	int64		cache_write_tokens;
	int64		output_tokens;
	int64		reasoning_tokens;
	int64		usage_estimated;
	int64		cost;
	int64		attempts;
	int64		attempts_unknown;
	const char *finish_reason;
	const char *error_kind;
	const char *error_code;
	const char *error;
	double		expected_quality;	/* NaN for NULL */
	int64		expected_cost;
	double		propensity;		/* NaN for NULL */
	TimestampTz started_at;
	int64		route_us;
	int64		queue_us;
	int64		connect_us;
	int64		first_byte_us;
	int64		total_us;
	const char *prompt_sha256;	/* MR_SHA256_BYTES bytes */
	const char *reply_sha256;
	const char *prompt;
	const char *reply;
	int64		content_dropped;
} MrAuditRow;

/* What one submission to the ledger holds. */
typedef struct MrLedgerRecord
{
	bool		upsert;			/* strict: rows may be there as intents */
	MrAuditRow	audit;
	int			nattempts;
	MrAttemptRow attempts[MR_ATTEMPTS_PER_CALL];
} MrLedgerRecord;

typedef enum MrColumnKind
{
	MR_COLUMN_INT4 = 0,
	MR_COLUMN_INT8,
	MR_COLUMN_BOOL,
	MR_COLUMN_FLOAT8,
	MR_COLUMN_COST,				/* pico-USD to numeric USD */
	MR_COLUMN_TIME,
	MR_COLUMN_TEXT,
	MR_COLUMN_NAME,
	MR_COLUMN_JSONB,
	MR_COLUMN_SHA256
} MrColumnKind;

typedef struct MrColumn
{
	const char *name;
	MrColumnKind kind;
	int			offset;			/* in the row struct */
	bool		droppable;		/* may be left out when memory is short */
} MrColumn;

/* Columns in the order of the table. */
typedef struct MrRowType
{
	const char *table;
	const MrColumn *columns;
	int			ncolumns;
} MrRowType;

extern const MrRowType mr_audit_type;
extern const MrRowType mr_attempt_type;

extern void mr_audit_row_init(MrAuditRow *row);
extern void mr_attempt_row_init(MrAttemptRow *row);

extern size_t mr_record_bytes(const MrLedgerRecord *record);
extern size_t mr_record_pack(const MrLedgerRecord *record, char *place,
							 size_t bytes);
extern void mr_record_unpack(const char *place, MrLedgerRecord *record);
extern void mr_record_drop_details(MrLedgerRecord *record);

#endif							/* MR_ROWS_H */

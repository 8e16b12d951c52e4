-- ---------------------------------------------------------------------
-- complete: route and serve
-- ---------------------------------------------------------------------

CREATE TYPE modelroute.completion AS (
	call_id bigint,
	status text,
	content text,
	model text,
	provider text,
	input_tokens bigint,
	output_tokens bigint,
	cost numeric,
	latency_ms double precision,
	attempts integer,
	cached boolean,
	finish_reason text,
	error_code text,
	error text
);
COMMENT ON TYPE modelroute.completion IS 'One call with its reply or failure; the row of audit with the same call_id has the rest.';
COMMENT ON COLUMN modelroute.completion.call_id IS 'Key of audit; NULL when modelroute.ledger is off.';
COMMENT ON COLUMN modelroute.completion.status IS 'ok or failed.';
COMMENT ON COLUMN modelroute.completion.content IS 'The reply; NULL when the call failed or the model only called tools.';
COMMENT ON COLUMN modelroute.completion.model IS 'The model that served, or was tried last.';
COMMENT ON COLUMN modelroute.completion.provider IS 'The provider that served, or was tried last.';
COMMENT ON COLUMN modelroute.completion.input_tokens IS 'Tokens of the prompt, cached ones included.';
COMMENT ON COLUMN modelroute.completion.output_tokens IS 'Tokens of the reply that are billed, reasoning included.';
COMMENT ON COLUMN modelroute.completion.cost IS 'USD over all attempts whose cost is known; NULL when none is.';
COMMENT ON COLUMN modelroute.completion.latency_ms IS 'Milliseconds from the start of the call to its reply or failure.';
COMMENT ON COLUMN modelroute.completion.attempts IS 'HTTP exchanges made.';
COMMENT ON COLUMN modelroute.completion.cached IS 'True when the reply came from a cache here and cost nothing.';
COMMENT ON COLUMN modelroute.completion.finish_reason IS 'stop, length, tool_calls, content_filter or unknown.';
COMMENT ON COLUMN modelroute.completion.error_code IS 'SQLSTATE of the failure.';
COMMENT ON COLUMN modelroute.completion.error IS 'What went wrong.';

CREATE FUNCTION modelroute.complete(
	prompt text,
	model text DEFAULT 'auto',
	options jsonb DEFAULT NULL
) RETURNS text
AS 'MODULE_PATHNAME', 'mr_sql_complete'
LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION modelroute.complete(text, text, jsonb) IS
'Sends the prompt to the model, or with model auto to the best one for it, and returns the reply. Falls back to the next candidate when one fails. NULL for a NULL prompt; with option on_error = null also, with a warning, for a call that failed.';

CREATE FUNCTION modelroute.complete_record(
	prompt text,
	model text DEFAULT 'auto',
	options jsonb DEFAULT NULL
) RETURNS modelroute.completion
AS 'MODULE_PATHNAME', 'mr_sql_complete_record'
LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION modelroute.complete_record(text, text, jsonb) IS
'complete() with the record of the call: who served it, tokens, cost in USD, latency. With option on_error = null a failed call is a record with status failed. Write SELECT (r).* FROM (SELECT complete_record(...) AS r OFFSET 0) s, not SELECT (complete_record(...)).*, which calls once per column.';

CREATE FUNCTION modelroute.chat(
	messages jsonb,
	model text DEFAULT 'auto',
	options jsonb DEFAULT NULL
) RETURNS jsonb
AS 'MODULE_PATHNAME', 'mr_sql_chat'
LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION modelroute.chat(jsonb, text, jsonb) IS
'OpenAI chat completions in SQL: messages as an array of {role, content}, the reply as a chat completion object with a member modelroute (call_id, provider, model, cost, latency_ms, attempts). Works with every provider, whatever its own dialect.';

CREATE FUNCTION modelroute.want_worker() RETURNS void
AS 'MODULE_PATHNAME', 'mr_sql_want_worker'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION modelroute.want_worker() IS
'Asks for a background worker in this database once the transaction commits. CREATE EXTENSION calls it; calling it again is harmless.';

SELECT modelroute.want_worker();

-- ---------------------------------------------------------------------
-- The ledger: one row per call, one row per HTTP exchange
--
-- Without CHECKs: nobody but the server writes these rows, and PostgreSQL
-- reads each CHECK anew for each batch.
-- ---------------------------------------------------------------------

CREATE SEQUENCE modelroute.ledger_id AS bigint INCREMENT BY 1000;
COMMENT ON SEQUENCE modelroute.ledger_id IS
'Ids of calls and attempts. Each value opens a block of 1000 ids that one process hands out; ids of a block that was not used up are never used.';

CREATE TABLE modelroute.audit (
	call_id bigint PRIMARY KEY,
	status text NOT NULL,
	role name NOT NULL,
	database name NOT NULL,
	application text,
	backend_pid integer,
	query_id bigint,
	requested_model text NOT NULL,
	objective text,
	router text,
	model text,
	provider text,
	category text,
	decision jsonb,
	tag text,
	ref text,
	task text,
	input_tokens bigint,
	cached_input_tokens bigint,
	cache_write_tokens bigint,
	output_tokens bigint,
	reasoning_tokens bigint,
	usage_estimated boolean,
	cost numeric,
	attempts integer NOT NULL,
	attempts_unknown integer NOT NULL,
	finish_reason text,
	error_kind text,
	error_code text,
	error text,
	expected_quality double precision,
	expected_cost numeric,
	propensity double precision,
	started_at timestamptz NOT NULL,
	route_us bigint,
	queue_us bigint,
	connect_us bigint,
	first_byte_us bigint,
	total_us bigint,
	prompt_sha256 bytea,
	reply_sha256 bytea,
	prompt text,
	reply text,
	content_dropped boolean NOT NULL
);
CREATE INDEX audit_started_at ON modelroute.audit USING brin (started_at);

COMMENT ON TABLE modelroute.audit IS
'One row per call: who asked, what was decided, what it cost, how it ended. Rows survive ROLLBACK of the statement that made the call when the library is preloaded. A role sees its own rows; grant_monitor() lets it see all.';
COMMENT ON COLUMN modelroute.audit.call_id IS 'The call, as in complete_record().call_id.';
COMMENT ON COLUMN modelroute.audit.status IS 'ok, failed, cancelled (by cancel, time-out of the statement, or end of the session), or unknown (the server died while the call was under way; strict ledger only).';
COMMENT ON COLUMN modelroute.audit.role IS 'The role whose rights the call used (current_user).';
COMMENT ON COLUMN modelroute.audit.database IS 'The database the call was made in.';
COMMENT ON COLUMN modelroute.audit.application IS 'application_name of the session.';
COMMENT ON COLUMN modelroute.audit.backend_pid IS 'Process id of the backend that made the call.';
COMMENT ON COLUMN modelroute.audit.query_id IS 'Query identifier of the calling statement, as in pg_stat_statements; NULL unless compute_query_id is on.';
COMMENT ON COLUMN modelroute.audit.requested_model IS 'The model argument: auto, a model, provider/model, @preset, or router-<name>-<threshold>.';
COMMENT ON COLUMN modelroute.audit.objective IS 'The objective that ordered the candidates.';
COMMENT ON COLUMN modelroute.audit.router IS 'The router that predicted quality: default, or name:version.';
COMMENT ON COLUMN modelroute.audit.model IS 'The model that gave the reply, or the last one tried.';
COMMENT ON COLUMN modelroute.audit.provider IS 'The provider that gave the reply, or the last one tried.';
COMMENT ON COLUMN modelroute.audit.category IS 'The kind of prompt that the router saw.';
COMMENT ON COLUMN modelroute.audit.decision IS 'The decision: "candidates" in the order of their turn (at most 8) with model, provider, quality, cost (USD), latency_ms and utility; "considered", the number of endpoints; "excluded", how many for each reason; "model", when one was asked for; "messages", how many, when there was no prompt; "max_tokens" and "capabilities" that the request needed.';
COMMENT ON COLUMN modelroute.audit.tag IS 'Option tag of the call.';
COMMENT ON COLUMN modelroute.audit.ref IS 'Option ref of the call: a key of the caller''s own, to join with.';
COMMENT ON COLUMN modelroute.audit.task IS 'Option task of the call.';
COMMENT ON COLUMN modelroute.audit.input_tokens IS 'All tokens of the prompt, cached ones included, summed over the attempts with known usage.';
COMMENT ON COLUMN modelroute.audit.cached_input_tokens IS 'Of these, read from the provider''s cache.';
COMMENT ON COLUMN modelroute.audit.cache_write_tokens IS 'Of these, written to the provider''s cache.';
COMMENT ON COLUMN modelroute.audit.output_tokens IS 'Tokens of the reply that are billed, reasoning included.';
COMMENT ON COLUMN modelroute.audit.reasoning_tokens IS 'Of these, spent on reasoning.';
COMMENT ON COLUMN modelroute.audit.usage_estimated IS 'True when the provider sent no usage and the tokens were counted here; then cost is an estimate too.';
COMMENT ON COLUMN modelroute.audit.cost IS 'USD, summed over the attempts whose cost is known; NULL when none is. See attempts_unknown.';
COMMENT ON COLUMN modelroute.audit.attempts IS 'HTTP exchanges made.';
COMMENT ON COLUMN modelroute.audit.attempts_unknown IS 'Attempts that may have been billed but whose cost is not known: when above 0, cost is a lower bound.';
COMMENT ON COLUMN modelroute.audit.finish_reason IS 'stop, length, tool_calls, content_filter or unknown.';
COMMENT ON COLUMN modelroute.audit.error_kind IS 'Kind of the failure that ended the call: connect, timeout, rate_limit, server, ...';
COMMENT ON COLUMN modelroute.audit.error_code IS 'SQLSTATE that the call raised, or would have with on_error = raise.';
COMMENT ON COLUMN modelroute.audit.error IS 'What went wrong, in the provider''s words where there are any; never a secret.';
COMMENT ON COLUMN modelroute.audit.expected_quality IS 'Quality the router expected of the model in model, 0..1.';
COMMENT ON COLUMN modelroute.audit.expected_cost IS 'Cost the router expected, USD.';
COMMENT ON COLUMN modelroute.audit.propensity IS 'Probability with which the candidate that stands first in decision was put there; NULL without option explore.';
COMMENT ON COLUMN modelroute.audit.started_at IS 'When the call began.';
COMMENT ON COLUMN modelroute.audit.route_us IS 'Microseconds spent on the decision.';
COMMENT ON COLUMN modelroute.audit.queue_us IS 'Microseconds from the decision to the first dispatch: waiting for a place in the ledger or for an intent to be on disk.';
COMMENT ON COLUMN modelroute.audit.connect_us IS 'Microseconds the last attempt took to connect, TLS included; 0 on a reused connection.';
COMMENT ON COLUMN modelroute.audit.first_byte_us IS 'Microseconds from dispatch of the last attempt to the first byte of its reply.';
COMMENT ON COLUMN modelroute.audit.total_us IS 'Microseconds from the start of the call to its final reply or failure.';
COMMENT ON COLUMN modelroute.audit.prompt_sha256 IS 'SHA-256 of the prompt or messages in UTF-8, when modelroute.log_content is hash or full.';
COMMENT ON COLUMN modelroute.audit.reply_sha256 IS 'SHA-256 of the reply''s content in UTF-8, likewise.';
COMMENT ON COLUMN modelroute.audit.prompt IS 'The prompt or messages, when modelroute.log_content is full.';
COMMENT ON COLUMN modelroute.audit.reply IS 'The reply''s content, when modelroute.log_content is full.';
COMMENT ON COLUMN modelroute.audit.content_dropped IS 'True when content or details were left out because modelroute.ledger_memory was used up.';

CREATE TABLE modelroute.attempt (
	attempt_id bigint PRIMARY KEY,
	call_id bigint NOT NULL,
	ordinal integer NOT NULL,
	role name NOT NULL,
	model text NOT NULL,
	provider text NOT NULL,
	upstream_model text,
	status text NOT NULL,
	error_kind text,
	http_status integer,
	error text,
	upstream_request_id text,
	input_tokens bigint,
	cached_input_tokens bigint,
	cache_write_tokens bigint,
	output_tokens bigint,
	reasoning_tokens bigint,
	usage_estimated boolean,
	cost numeric,
	request_bytes bigint,
	response_bytes bigint,
	started_at timestamptz NOT NULL,
	connect_us bigint,
	first_byte_us bigint,
	total_us bigint
);
CREATE INDEX attempt_call_id ON modelroute.attempt (call_id);

COMMENT ON TABLE modelroute.attempt IS
'One row per HTTP exchange that left this host, and per failure to connect. The provider saw attempt_id as header X-Client-Request-Id.';
COMMENT ON COLUMN modelroute.attempt.attempt_id IS 'The exchange; sent to the provider as X-Client-Request-Id.';
COMMENT ON COLUMN modelroute.attempt.call_id IS 'The call it belongs to; see audit.';
COMMENT ON COLUMN modelroute.attempt.ordinal IS '1 for the first attempt of the call.';
COMMENT ON COLUMN modelroute.attempt.role IS 'The role whose rights the call used.';
COMMENT ON COLUMN modelroute.attempt.model IS 'Catalog model asked.';
COMMENT ON COLUMN modelroute.attempt.provider IS 'Provider asked.';
COMMENT ON COLUMN modelroute.attempt.upstream_model IS 'The model as the provider named it in the reply, or else as it was asked for.';
COMMENT ON COLUMN modelroute.attempt.status IS 'ok: a reply. failed: known not to have given one. unknown: the request left but its end was not seen; it may have been billed.';
COMMENT ON COLUMN modelroute.attempt.error_kind IS 'Kind of failure; see audit.error_kind.';
COMMENT ON COLUMN modelroute.attempt.http_status IS 'HTTP status; NULL when none arrived.';
COMMENT ON COLUMN modelroute.attempt.error IS 'What went wrong.';
COMMENT ON COLUMN modelroute.attempt.upstream_request_id IS 'The provider''s own id of the request, to quote to its support.';
COMMENT ON COLUMN modelroute.attempt.input_tokens IS 'Tokens of the prompt, cached ones included.';
COMMENT ON COLUMN modelroute.attempt.cached_input_tokens IS 'Of these, read from the provider''s cache.';
COMMENT ON COLUMN modelroute.attempt.cache_write_tokens IS 'Of these, written to the provider''s cache.';
COMMENT ON COLUMN modelroute.attempt.output_tokens IS 'Tokens of the reply that are billed, reasoning included.';
COMMENT ON COLUMN modelroute.attempt.reasoning_tokens IS 'Of these, spent on reasoning.';
COMMENT ON COLUMN modelroute.attempt.usage_estimated IS 'True when the tokens were counted here because the provider sent none.';
COMMENT ON COLUMN modelroute.attempt.cost IS 'USD at the price valid when it was sent; 0 when the provider refused with an HTTP error; NULL when not known.';
COMMENT ON COLUMN modelroute.attempt.request_bytes IS 'Bytes of the request body.';
COMMENT ON COLUMN modelroute.attempt.response_bytes IS 'Bytes of the reply body that arrived.';
COMMENT ON COLUMN modelroute.attempt.started_at IS 'When it was dispatched.';
COMMENT ON COLUMN modelroute.attempt.connect_us IS 'Microseconds to connect, TLS included; 0 on a reused connection.';
COMMENT ON COLUMN modelroute.attempt.first_byte_us IS 'Microseconds from dispatch to the first byte of the reply.';
COMMENT ON COLUMN modelroute.attempt.total_us IS 'Microseconds from dispatch to the end.';

ALTER TABLE modelroute.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE modelroute.attempt ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_or_monitor ON modelroute.audit FOR SELECT
	USING (role = current_user OR (SELECT pg_catalog.has_function_privilege(
		current_user, 'modelroute.monitor()', 'EXECUTE')));
COMMENT ON POLICY own_or_monitor ON modelroute.audit IS
'A role sees its own calls; whoever may execute modelroute.monitor() sees all.';
CREATE POLICY own_or_monitor ON modelroute.attempt FOR SELECT
	USING (role = current_user OR (SELECT pg_catalog.has_function_privilege(
		current_user, 'modelroute.monitor()', 'EXECUTE')));
COMMENT ON POLICY own_or_monitor ON modelroute.attempt IS
'A role sees its own attempts; whoever may execute modelroute.monitor() sees all.';

CREATE VIEW modelroute.audit_cost_daily WITH (security_invoker = true) AS
SELECT pg_catalog.date_trunc('day', started_at) AS day, role, model, provider,
	tag, pg_catalog.count(*) AS calls,
	pg_catalog.count(*) FILTER (WHERE status <> 'ok') AS not_ok,
	pg_catalog.sum(input_tokens) AS input_tokens,
	pg_catalog.sum(output_tokens) AS output_tokens,
	pg_catalog.sum(cost) AS cost,
	pg_catalog.sum(attempts_unknown) AS attempts_unknown
FROM modelroute.audit
GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW modelroute.audit_cost_daily IS
'Calls, tokens and cost (USD) per day, role, model, provider and tag; of the calls the asking role may see.';

SELECT pg_catalog.pg_extension_config_dump('modelroute.ledger_id', '');
SELECT pg_catalog.pg_extension_config_dump('modelroute.audit', '');
SELECT pg_catalog.pg_extension_config_dump('modelroute.attempt', '');

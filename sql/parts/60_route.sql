-- ----------
-- route: recommend a model without calling it
-- ----------

CREATE TYPE modelroute.decision AS (
    model text,
    provider text,
    category text,
    quality float8,
    quality_stderr float8,
    cost numeric,
    worst_cost numeric,
    latency_ms float8,
    input_tokens int,
    output_tokens int,
    objective text,
    reason text,
    fallbacks text[]
);

COMMENT ON TYPE modelroute.decision IS
    'which model and provider should serve a prompt, what to expect of them, and what comes next if they fail';
COMMENT ON COLUMN modelroute.decision.model IS 'model of the catalog';
COMMENT ON COLUMN modelroute.decision.provider IS 'provider that serves it';
COMMENT ON COLUMN modelroute.decision.category IS 'most probable kind of the prompt';
COMMENT ON COLUMN modelroute.decision.quality IS 'expected quality in 0..1; NULL when not known';
COMMENT ON COLUMN modelroute.decision.quality_stderr IS 'standard error of quality';
COMMENT ON COLUMN modelroute.decision.cost IS 'expected cost in USD; NULL when the price is not known';
COMMENT ON COLUMN modelroute.decision.worst_cost IS 'cost in USD if the model writes as much as it may';
COMMENT ON COLUMN modelroute.decision.latency_ms IS 'expected time of the whole call in milliseconds';
COMMENT ON COLUMN modelroute.decision.input_tokens IS 'estimated tokens of the input';
COMMENT ON COLUMN modelroute.decision.output_tokens IS 'expected tokens of the output';
COMMENT ON COLUMN modelroute.decision.objective IS 'objective that was applied';
COMMENT ON COLUMN modelroute.decision.reason IS 'why this candidate is first';
COMMENT ON COLUMN modelroute.decision.fallbacks IS
    'provider/model of the next candidates in order, as many as option max_attempts lets a call try';

CREATE FUNCTION modelroute.route(
    prompt text,
    objective text DEFAULT NULL,
    options jsonb DEFAULT NULL
) RETURNS modelroute.decision
AS 'MODULE_PATHNAME', 'mr_sql_route'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION modelroute.route(text, text, jsonb) IS
    'recommends a model for a prompt, without network; NULL for a NULL prompt';

CREATE FUNCTION modelroute.route_candidates(
    prompt text,
    objective text DEFAULT NULL,
    options jsonb DEFAULT NULL,
    model text DEFAULT 'auto'
) RETURNS TABLE (
    rank int,
    model text,
    provider text,
    quality float8,
    quality_stderr float8,
    cost numeric,
    worst_cost numeric,
    latency_ms float8,
    input_tokens int,
    output_tokens int,
    quality_term float8,
    cost_term float8,
    latency_term float8,
    utility float8,
    propensity float8,
    typical_quality float8,
    router text,
    category text,
    reason text,
    excluded_by text,
    excluded_detail text
)
AS 'MODULE_PATHNAME', 'mr_sql_route_candidates'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 100;

COMMENT ON FUNCTION modelroute.route_candidates(text, text, jsonb, text) IS
    'explains route: a row for each endpoint with its rank, every term of the utility and the probability to be first, or what excludes it';

CREATE FUNCTION modelroute.predict_quality(
    prompt text,
    router text DEFAULT NULL,
    options jsonb DEFAULT NULL
) RETURNS TABLE (
    model text,
    quality float8,
    stderr float8
)
AS 'MODULE_PATHNAME', 'mr_sql_predict_quality'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION modelroute.predict_quality(text, text, jsonb) IS
    'what a router expects of its models on a prompt, without selection: quality in 0..1 with its standard error. router: name (latest version), name:version or default; NULL = option router, else modelroute.router. Of the options, task and category matter. A trained router names the models it was trained on, whether or not the catalog has them; the default router the chat models of the catalog with a prior';

REVOKE ALL ON FUNCTION modelroute.route(text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION modelroute.route_candidates(text, text, jsonb, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION modelroute.predict_quality(text, text, jsonb) FROM PUBLIC;

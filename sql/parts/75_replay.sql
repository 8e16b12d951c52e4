-- ---------------------------------------------------------------------
-- Replay: what another policy would have chosen, and cost
-- ---------------------------------------------------------------------

CREATE FUNCTION modelroute.replay_decision(
	prompt text,
	decision jsonb,
	router text,
	task text,
	policy_model text,
	policy_objective text,
	policy_options jsonb,
	OUT model text,
	OUT provider text,
	OUT cost numeric,
	OUT quality double precision,
	OUT how text
)
AS 'MODULE_PATHNAME', 'mr_sql_replay_decision'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION modelroute.replay_decision(text, jsonb, text, text, text, text, jsonb) IS
'A step of replay_calls: what would be chosen for one call on record.';

CREATE FUNCTION modelroute.replay_calls(
	since timestamptz,
	objective text DEFAULT NULL,
	router text DEFAULT NULL,
	options jsonb DEFAULT NULL
) RETURNS TABLE (
	call_id bigint,
	logged_model text,
	logged_provider text,
	replayed_model text,
	replayed_provider text,
	logged_cost numeric,
	logged_expected_cost numeric,
	expected_cost numeric,
	logged_quality double precision,
	expected_quality double precision,
	propensity double precision,
	feedback double precision,
	how text
)
LANGUAGE sql STABLE PARALLEL SAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
	WITH given AS MATERIALIZED (
		SELECT coalesce(nullif(replay_calls.options, 'null'), '{}') AS options
	), policy AS MATERIALIZED (
		SELECT g.options ->> 'model' AS model,
			g.options ? 'preset' AS has_preset,
			g.options ? 'preset' OR g.options ? 'objective' AS has_objective,
			g.options - 'model' || jsonb_strip_nulls(jsonb_build_object(
				'router', replay_calls.router)) AS options
		FROM given g
	)
	SELECT a.call_id,
		coalesce(f.candidate ->> 'model', a.model),
		coalesce(f.candidate ->> 'provider', a.provider),
		d.model, d.provider,
		a.cost, (f.candidate ->> 'cost')::numeric, d.cost,
		(f.candidate ->> 'quality')::double precision, d.quality,
		a.propensity,
		(SELECT avg(b.score::double precision) FROM modelroute.feedback b
		 WHERE b.call_id = a.call_id),
		d.how
	FROM modelroute.audit a
		CROSS JOIN policy p
		CROSS JOIN LATERAL (
			SELECT a.decision #> '{candidates,0}' AS candidate) f
		CROSS JOIN LATERAL modelroute.replay_decision(
			a.prompt, a.decision, a.router,
			coalesce(a.task, 'query:' || a.query_id),
			CASE
				WHEN p.model IS NOT NULL THEN p.model
				WHEN p.has_preset THEN 'auto'
				WHEN a.requested_model !~ '^(@|router-)' THEN a.requested_model
				WHEN EXISTS (SELECT FROM modelroute.model m
							 WHERE m.model = a.requested_model)
					THEN a.requested_model
				WHEN a.requested_model ~ '^router-' THEN
					CASE WHEN p.options ? 'router' THEN 'auto'
						ELSE a.requested_model END
				WHEN EXISTS (SELECT FROM modelroute.preset s
							 WHERE a.requested_model IN ('@' || s.name,
								'@' || s.name || ':' || s.version))
					THEN a.requested_model
			END,
			coalesce(replay_calls.objective,
					 CASE WHEN NOT p.has_objective THEN a.objective END),
			p.options) d
	WHERE a.status = 'ok'
		AND a.started_at >= coalesce(replay_calls.since, '-infinity')
$$;
COMMENT ON FUNCTION modelroute.replay_calls(timestamptz, text, text, jsonb) IS
'For each answered call since then that the role may see: what it chose first and cost (logged), and what would be chosen now with the objective, router and options, which may hold "model" as a preset does. What is NULL stays as the call had it; router NULL is the setting. how: prompt (routed again), candidates (those of the decision, ordered again), or left out and why. feedback is the mean score.';

CREATE FUNCTION modelroute.replay(
	since timestamptz,
	objective text DEFAULT NULL,
	router text DEFAULT NULL,
	options jsonb DEFAULT NULL
) RETURNS TABLE (
	policy text,
	calls bigint,
	replayed bigint,
	left_out bigint,
	same_choice bigint,
	cost numeric,
	expected_cost numeric,
	expected_quality double precision,
	feedback_quality double precision,
	ips_quality double precision,
	ips_stderr double precision,
	effective_calls double precision,
	note text
)
LANGUAGE sql STABLE PARALLEL SAFE COST 100000 ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
	WITH compared AS MATERIALIZED (
		SELECT c.*, c.replayed_model IS NOT NULL AS replayed,
			(c.replayed_model, c.replayed_provider)
				= (c.logged_model, c.logged_provider) AS same,
			c.logged_cost IS NOT NULL AND c.expected_cost IS NOT NULL
				AS priced
		FROM modelroute.replay_calls(replay.since, replay.objective,
									 replay.router, replay.options) c
	), weighed AS MATERIALIZED (
		SELECT c.feedback AS f,
			CASE WHEN c.same THEN 1 / c.propensity ELSE 0 END AS w
		FROM compared c
		WHERE c.replayed AND c.propensity > 0 AND c.feedback IS NOT NULL
	), estimate AS (
		SELECT count(*) AS n, avg(f) AS mean, stddev_samp(f) AS deviation,
			sum(w) AS w, sum(w * f) / nullif(sum(w), 0) AS ips,
			sum(w) ^ 2 / nullif(sum(w ^ 2), 0) AS effective
		FROM weighed
	), error AS (
		SELECT sqrt(sum((w.w * (w.f - e.ips)) ^ 2)) / min(e.w) AS stderr
		FROM weighed w CROSS JOIN estimate e
		WHERE e.w > 0
	), total AS (
		SELECT count(*) AS calls,
			count(*) FILTER (WHERE c.replayed) AS replayed,
			count(*) FILTER (WHERE c.replayed AND c.same) AS same,
			count(*) FILTER (WHERE c.replayed AND c.priced) AS priced,
			count(*) FILTER (WHERE c.replayed AND c.propensity > 0)
				AS explored,
			sum(c.logged_cost) FILTER (WHERE c.replayed AND c.priced)
				AS logged_cost,
			sum(c.logged_expected_cost) FILTER (WHERE c.replayed AND c.priced)
				AS logged_expected_cost,
			sum(c.expected_cost) FILTER (WHERE c.replayed AND c.priced)
				AS expected_cost,
			avg(c.logged_quality) FILTER (WHERE c.replayed) AS logged_quality,
			avg(c.expected_quality) FILTER (WHERE c.replayed)
				AS expected_quality,
			avg(c.feedback) FILTER (WHERE c.replayed) AS feedback
		FROM compared c
	)
	SELECT 'logged', t.calls, t.replayed, t.calls - t.replayed, t.same,
		t.logged_cost, t.logged_expected_cost, t.logged_quality, t.feedback,
		e.mean, e.deviation / sqrt(e.n), e.n::double precision,
		'as it was: cost as billed, over the calls that could be replayed'
	FROM total t, estimate e
	UNION ALL
	SELECT 'replayed', t.calls, t.replayed, t.calls - t.replayed, t.same,
		t.expected_cost, t.expected_cost, t.expected_quality, NULL,
		e.ips, r.stderr, e.effective,
		modelroute.replay_note(t.calls, t.replayed, t.priced, t.explored,
							   e.n, e.effective)
	FROM total t, estimate e, error r
$$;
COMMENT ON FUNCTION modelroute.replay(timestamptz, text, text, jsonb) IS
'What another policy would have chosen and cost over the answered calls since then, beside what was: a row for each, over the calls of replay_calls() that are not left out; costs over those of them whose cost is known on both sides. ips_quality is the self-normalised inverse propensity estimate of the mean feedback, over calls that explored and have feedback; see docs/feedback.md. note says what the figures do not.';

CREATE FUNCTION modelroute.replay_note(
	calls bigint,
	replayed bigint,
	priced bigint,
	explored bigint,
	judged bigint,
	effective double precision
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws('; ',
		CASE WHEN calls = 0 THEN 'no answered call since then' END,
		CASE WHEN replayed < calls THEN format(
			'%s of %s calls are left out: see how in replay_calls()',
			calls - replayed, calls) END,
		CASE WHEN priced < replayed THEN format(
			'cost is that of the %s calls whose cost is known on both sides',
			priced) END,
		CASE
			WHEN replayed = 0 THEN NULL
			WHEN explored = 0 THEN
				'no call has a propensity: no unbiased estimate of quality; make calls with option explore'
			WHEN judged = 0 THEN
				'no call that explored has feedback: no unbiased estimate of quality; give feedback()'
			WHEN effective IS NULL THEN
				'no call that explored made the choices of this policy: no estimate of its quality'
			WHEN effective < 30 THEN format(
				'the estimate rests on %s effective calls: its error may be larger',
				round(effective)) END)
$$;
COMMENT ON FUNCTION modelroute.replay_note(bigint, bigint, bigint, bigint, bigint, double precision) IS
'A step of replay: what its figures do not say.';

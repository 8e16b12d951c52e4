-- evaluate_router(), router_report() and calibrate(): figures that follow by
-- hand or by plain SQL, what route() makes of a calibrated preset, errors.  All
-- in one transaction, rolled back at the end.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1:9';
SET LOCAL extra_float_digits = 0;

SELECT modelroute.add_provider('ev', 'http://127.0.0.1:9/v1');
UPDATE modelroute.provider SET needs_credential = false WHERE provider = 'ev';
SELECT modelroute.add_model('ev-big', 'ev', input_price => 10, output_price => 10, quality => '{"default": 0.8}'),
	modelroute.add_model('ev-small', 'ev', input_price => 1, output_price => 1, quality => '{"default": 0.5}');

-- Of ten prompts ev-big does eight and ev-small four, which ev-big does, too.
CREATE TABLE evals AS
SELECT 'What is ' || n || '?' AS prompt, model, (n <= CASE model WHEN 'ev-big' THEN 8 ELSE 4 END)::int AS score,
	CASE model WHEN 'ev-big' THEN 0.01 ELSE 0.001 END AS cost
FROM generate_series(1, 10) n, unnest('{ev-small,ev-big}'::text[]) model;

CREATE FUNCTION points(router text, query text, options jsonb DEFAULT NULL)
RETURNS TABLE (kind text, point text, quality float8, cost numeric, share jsonb) LANGUAGE sql AS $$
	SELECT kind, point, round(quality::numeric, 6), round(cost::numeric, 6), share
	FROM modelroute.evaluate_router(router, query, options) WHERE kind <> 'summary' $$;
CREATE FUNCTION metrics(router text, query text, options jsonb DEFAULT NULL)
RETURNS TABLE (metric text, value numeric) LANGUAGE sql AS $$
	SELECT metric, round(value::numeric, 6)
	FROM modelroute.evaluate_router(router, query, options) WHERE kind = 'summary' $$;

-- priors know which is better, not on which prompt
SELECT * FROM points('default', 'TABLE evals') WHERE kind <> 'router' OR point = 'quality';
SELECT * FROM metrics('default', 'TABLE evals', '{"resamples": 0}');
SELECT kind, point, setting, quality_low, quality_high, cost_low, cost_high, metric, value, value_low, value_high
FROM modelroute.evaluate_router('default', 'TABLE evals', '{"resamples": 0}') WHERE kind = 'best_single';

-- without costs in the evals those that the router expects
SELECT kind, point, quality, cost > 0 AS has_cost, meaning
FROM modelroute.evaluate_router('default', 'SELECT prompt, model, score FROM evals') WHERE kind IN ('best_single', 'cheapest');
-- with neither there are none
SELECT kind, point, quality, cost, share
FROM modelroute.evaluate_router('default', $$SELECT prompt, 'other-' || model AS model, score FROM evals$$)
WHERE kind IN ('best_single', 'cheapest', 'oracle');

-- an interval has its value inside, wider at a higher level
SELECT bool_and(quality_low <= quality AND quality <= quality_high AND cost_low <= cost AND cost <= cost_high)
FROM modelroute.evaluate_router('default', 'TABLE evals') WHERE kind <> 'summary';
SELECT w.quality_high - w.quality_low > n.quality_high - n.quality_low AS wider
FROM modelroute.evaluate_router('default', 'TABLE evals', '{"level": 0.99, "resamples": 1000}') w,
	modelroute.evaluate_router('default', 'TABLE evals', '{"level": 0.5, "resamples": 1000}') n
WHERE w.kind = 'best_single' AND n.kind = 'best_single';

-- prompts that a model has no score for are left out
SELECT * FROM metrics('default', $$SELECT NULL AS prompt, 'ev-big' AS model, 1 AS score, 0.01 AS cost
	UNION ALL VALUES ('x', 'ev-big', NULL::int, NULL) UNION ALL SELECT * FROM evals WHERE prompt <> 'What is 3?' OR model = 'ev-big'$$)
WHERE metric ~ '^(prompts|rows)';
SELECT modelroute.evaluate_router('default', $$SELECT prompt, model || score AS model, score FROM evals$$);
SELECT modelroute.evaluate_router('default', 'SELECT * FROM evals WHERE false');
SELECT modelroute.evaluate_router('default', $$SELECT prompt, 'ev-big' AS winner, 'ev-small' AS loser FROM evals$$);

-- ----------
-- A trained router against plain SQL over predict_quality
-- ----------

CREATE TABLE more AS
SELECT CASE WHEN n % 2 = 0 THEN 'Prove theorem ' ELSE 'Translate line ' END || n || ' of ' || n % 7 AS prompt, model,
	CASE WHEN model = 'ev-big' THEN 0.8 WHEN n % 2 = 1 THEN 0.95 ELSE 0.4 END - (n * 31 % 11) * 0.01
		- CASE WHEN model = 'ev-huge' THEN (n % 3) * 0.1 ELSE 0 END AS score,
	CASE model WHEN 'ev-big' THEN 0.01 WHEN 'ev-huge' THEN 0.02 ELSE 0.001 END * (1 + n % 3) AS cost
FROM generate_series(1, 200) n, unnest('{ev-small,ev-big,ev-huge}'::text[]) model;
CREATE VIEW pair AS SELECT * FROM more WHERE model <> 'ev-huge';
SELECT version FROM modelroute.train_router('ev', 'TABLE more');
CREATE TABLE expected AS
SELECT prompt, (modelroute.predict_quality(prompt, 'ev')).* FROM (SELECT DISTINCT prompt FROM more) p;

CREATE TEMP TABLE evaluated AS SELECT * FROM modelroute.evaluate_router('ev', 'TABLE pair');
-- each threshold sends those prompts to the strong model whose score reaches it
WITH place AS (
	SELECT b.prompt, (1 + eb.quality - es.quality) / 2 AS strong_score, b.score AS strong, s.score AS weak
	FROM pair b JOIN pair s ON s.prompt = b.prompt AND s.model = 'ev-small'
		JOIN expected eb ON eb.prompt = b.prompt AND eb.model = 'ev-big'
		JOIN expected es ON es.prompt = b.prompt AND es.model = 'ev-small'
	WHERE b.model = 'ev-big'),
by_threshold AS (
	SELECT point, e.quality, coalesce((share ->> 'ev-big')::float8, 0) AS share,
		avg(CASE WHEN strong_score >= setting THEN strong ELSE weak END) AS sql_quality,
		avg((strong_score >= setting)::int) AS sql_share
	FROM evaluated e, place WHERE setting IS NOT NULL GROUP BY point, e.quality, e.share)
SELECT count(*), bool_and(abs(quality - sql_quality) < 1e-6 AND abs(share - sql_share) < 1e-6) AS same FROM by_threshold;
-- the area between the weak model and the curve over every threshold
WITH place AS (
	SELECT (1 + eb.quality - es.quality) / 2 AS strong_score, avg(b.score - s.score) AS gain, count(*) AS n
	FROM pair b JOIN pair s ON s.prompt = b.prompt AND s.model = 'ev-small'
		JOIN expected eb ON eb.prompt = b.prompt AND eb.model = 'ev-big'
		JOIN expected es ON es.prompt = b.prompt AND es.model = 'ev-small'
	WHERE b.model = 'ev-big' GROUP BY 1),
curve AS (
	SELECT n, n * gain AS step, sum(n * gain) OVER (ORDER BY strong_score DESC) AS recovered FROM place)
SELECT abs(value - (SELECT sum(n * (recovered - step / 2)) / sum(n) / sum(step) FROM curve)) < 1e-6 AS same
FROM evaluated WHERE metric = 'apgr_exact';

-- many models: what goes before routing, and what route() chooses for quality
CREATE TEMP TABLE evaluated_many AS SELECT * FROM modelroute.evaluate_router('ev', 'TABLE more');
SELECT kind, abs(quality - wanted) < 1e-6 AS same, abs(cost - wanted_cost) < 1e-6 AS same_cost
FROM evaluated_many JOIN (
	SELECT 'random' AS kind, avg(score) AS wanted, avg(cost) AS wanted_cost FROM more
	UNION ALL (SELECT 'best_single', avg(score), avg(cost) FROM more GROUP BY model ORDER BY 2 DESC LIMIT 1)
	UNION ALL (SELECT 'cheapest', avg(score), avg(cost) FROM more GROUP BY model ORDER BY 3 LIMIT 1)
	UNION ALL SELECT 'oracle', avg(score), avg(cost) FROM (
		SELECT DISTINCT ON (prompt) score, cost FROM more ORDER BY prompt, score DESC, cost) o) sql USING (kind)
ORDER BY kind;
SELECT modelroute.add_model('ev-huge', 'ev', input_price => 20, output_price => 20, quality => '{"default": 0.7}');
SELECT abs(e.quality - avg(m.score)) < 1e-6 AS same_quality, count(*) FILTER (WHERE m.model = 'ev-big') / 200.0 =
	coalesce((e.share ->> 'ev-big')::numeric, 0) AS same_share
FROM (SELECT DISTINCT prompt FROM more) p,
	LATERAL (SELECT (modelroute.route(prompt, 'quality', '{"router": "ev", "models": "ev-*"}')).model OFFSET 0) r,
	more m, evaluated_many e
WHERE m.prompt = p.prompt AND m.model = r.model AND e.point = 'quality' GROUP BY e.quality, e.share;

-- ----------
-- Cross-validation
-- ----------

CREATE TEMP TABLE crossval AS
SELECT * FROM modelroute.evaluate_router(NULL, 'TABLE more', '{"crossval": 4, "seed": 3}');
-- the order of the rows does not matter
SELECT count(*) > 40 AS many, count(*) FILTER (WHERE c.value IS DISTINCT FROM d.value OR c.quality IS DISTINCT FROM d.quality
	OR c.share IS DISTINCT FROM d.share) AS different
FROM (SELECT *, row_number() OVER () AS row FROM crossval) c
	FULL JOIN (SELECT *, row_number() OVER () AS row FROM modelroute.evaluate_router(NULL,
		'SELECT * FROM more ORDER BY score, md5(prompt)', '{"crossval": 4, "seed": 3}')) d USING (row);
SELECT metric, value_low > 0 AS gains FROM crossval WHERE metric IN ('quality_gain', 'aiq_gain');
-- prompts with a missing score teach, and are not judged
SELECT * FROM metrics(NULL, $$SELECT * FROM more WHERE prompt !~ '3 of' OR model <> 'ev-big'$$, '{"crossval": 2}')
WHERE metric ~ '^prompts';
SELECT * FROM metrics('any-label', 'TABLE evals', '{"crossval": 2, "folds": 2}') WHERE metric = 'prompts';
SELECT modelroute.evaluate_router(NULL, 'TABLE evals', '{"crossval": 11}');
SELECT modelroute.evaluate_router(NULL, $$SELECT * FROM evals WHERE model = 'ev-big'$$, '{"crossval": 2}');

-- ----------
-- The page
-- ----------

CREATE TEMP TABLE page AS SELECT modelroute.router_report('ev', 'TABLE more -- <&"ü', '{"resamples": 20}') AS html;
SELECT html LIKE '<!DOCTYPE html>%</html>' || chr(10) AS whole, html LIKE '%Router ev%' AS titled,
	html LIKE '%TABLE more -- &lt;&amp;%ü%' AS escaped, html ~ '<svg' AS pictures, html !~* '<script|src=|@import' AS self_contained
FROM page;
SELECT modelroute.router_report(NULL, 'TABLE more', '{"crossval": 2}') LIKE '%cross-validation%' AS says_how;

-- ----------
-- Arguments
-- ----------

SELECT count(*) > 10 AS default_router FROM modelroute.evaluate_router(NULL, 'TABLE evals', NULL);
SET LOCAL modelroute.router = 'no-such';
SELECT modelroute.evaluate_router(NULL, 'TABLE evals');
RESET modelroute.router;
SELECT modelroute.evaluate_router('no-such', 'TABLE evals');
SELECT modelroute.evaluate_router('ev:2', 'TABLE evals');
SELECT modelroute.evaluate_router('', 'TABLE evals');
SELECT modelroute.evaluate_router('ev', NULL);
SELECT modelroute.evaluate_router('ev', 'DELETE FROM evals RETURNING *');
SELECT modelroute.evaluate_router('ev', 'SELECT prompt FROM evals');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '{"crossval": 1}');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '{"crossval": 21}');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '{"resamples": 10001}');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '{"level": 1}');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '{"fold": 2}');
SELECT modelroute.evaluate_router('ev', 'TABLE evals', '[]');
SELECT modelroute.router_report('no-such', 'TABLE evals');
SELECT modelroute.router_report('ev', NULL);

-- ----------
-- Calibration
-- ----------

CREATE FUNCTION calibrated(router text, query text, target text, preset text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS TABLE (preset text, version int, model text, objective text, threshold numeric, usd numeric, reached numeric, note text)
LANGUAGE sql AS $$
	SELECT preset, version, model, objective, round(threshold::numeric, 3), round(usd::numeric, 3), round(reached::numeric, 4), note
	FROM modelroute.calibrate(router, query, target, preset, options) $$;
CREATE VIEW prompts AS SELECT DISTINCT prompt FROM more;

-- a share of strong calls, which route() then has
SELECT preset, version, model LIKE 'router-ev-0.%' AS model_form, objective, threshold BETWEEN 0 AND 1 AS in_range, usd,
	abs(reached - 0.3) <= 0.05 AS near, note
FROM modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', NULL, '{"strong": "ev-big", "weak": "ev-small"}');
SELECT body - 'model' AS body FROM modelroute.preset WHERE name = 'ev-strong_share-0.3';
SELECT abs(c.reached - avg((r.model = 'ev-big')::int)) < 1e-9 AS as_measured
FROM modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', NULL, '{"strong": "ev-big", "weak": "ev-small"}') c, prompts,
	LATERAL (SELECT (modelroute.route(prompt, NULL, '{"preset": "ev-strong_share-0.3"}')).model OFFSET 0) r GROUP BY c.reached;
SELECT * FROM calibrated('ev', 'TABLE prompts', 'strong_share=1', 'all-strong', '{"strong": "ev-big", "weak": "ev-small"}');
SELECT reached FROM calibrated('ev', 'TABLE prompts', 'strong_share=0', 'all-weak', '{"strong": "ev-big", "weak": "ev-small"}');
-- priors alone give every prompt the same score: all or nothing
SELECT * FROM calibrated('default', $$SELECT 'a' AS prompt UNION ALL SELECT 'b'$$, 'strong_share=1', 'x', '{"models": "ev-*"}');
SELECT * FROM calibrated('default', $$SELECT 'What is ' || n || '?' AS prompt FROM generate_series(1, 20) n$$,
	'strong_share=0.5', 'x', '{"strong": "ev-big", "weak": "ev-small"}');

-- a budget, which route() then keeps
SELECT c.preset, c.model, c.objective LIKE 'quality=1,usd=%' AS by_weight, c.threshold, c.usd > 0 AS has_weight,
	c.reached <= 6 AS within, c.note
FROM modelroute.calibrate('ev', 'TABLE prompts', 'cost_per_1k=6', 'cheap', '{"models": "ev-*"}') c;
SELECT body - 'objective' AS body FROM modelroute.preset WHERE name = 'cheap';
SELECT version, abs(c.reached - avg((modelroute.route(prompt, NULL, '{"preset": "cheap"}')).cost) * 1000) < 1e-6 AS as_measured
FROM modelroute.calibrate('ev', 'TABLE prompts', 'cost_per_1k=6', 'cheap', '{"models": "ev-*"}') c, prompts GROUP BY c.version, c.reached;
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'cost_per_1k=0.000001', NULL, '{"models": "ev-*"}') IS NULL;

-- a quality, at the lowest cost or with the fewest strong calls
SELECT model, objective IS NOT NULL AS by_weight, reached >= 0.95 AS enough, note
FROM modelroute.calibrate('ev', 'TABLE more', 'quality=0.95');
SELECT body - 'objective' AS body FROM modelroute.preset WHERE name = 'ev-quality-0.95';
SELECT model LIKE 'router-ev-0.%' AS by_threshold, reached >= 0.95 AS enough, note
FROM modelroute.calibrate('ev', 'TABLE pair', 'quality=0.95');
SELECT * FROM calibrated('default', 'TABLE evals', 'quality=0.5');
SELECT * FROM calibrated('default', 'TABLE evals', 'quality=0.51');
SELECT modelroute.calibrate('default', 'TABLE evals', 'quality=1.01');
SELECT * FROM calibrated('default', 'TABLE evals', 'quality=1', 'turned', '{"strong": "ev-small"}');
SELECT modelroute.calibrate('default', 'SELECT prompt, model, 0 AS score FROM evals', 'quality=0.5');
SELECT modelroute.calibrate('ev', $$SELECT prompt, 'x' || model AS model, score FROM more$$, 'quality=0.5');
SELECT modelroute.calibrate('ev', 'TABLE more', 'quality=0.5', NULL, '{"strong": "ev-big"}');
SELECT modelroute.calibrate('ev', 'TABLE pair', 'quality=0.5', NULL, '{"strong": "ev-huge"}');
SELECT modelroute.calibrate('ev', 'TABLE pair', 'quality=0.5', NULL, '{"strong": "ev-big", "weak": "ev-big"}');
SELECT modelroute.calibrate('ev', 'TABLE pair', 'quality=0.5', NULL, '{"models": "ev-big"}');

-- what it refuses
SELECT modelroute.calibrate('ev', 'TABLE prompts', NULL);
SELECT modelroute.calibrate('ev', NULL, 'strong_share=0.3');
SELECT modelroute.calibrate('no-such', 'TABLE prompts', 'strong_share=0.3');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=1.1');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3x');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=nan');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'cost=1');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', 'a b');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', NULL, '{"max_cost": 1}');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', NULL, '{"strong": "no-such"}');
SELECT modelroute.calibrate('ev', 'TABLE prompts', 'strong_share=0.3', NULL, '{"models": "ev-big"}');
SELECT modelroute.calibrate('ev', 'SELECT 1 AS p', 'strong_share=0.3');
SELECT modelroute.calibrate('ev', 'SELECT NULL AS prompt', 'strong_share=0.3', NULL, '{"models": "ev-*"}');

-- ----------
-- Roles: the caller's rights, and the owner of a preset
-- ----------

CREATE ROLE regress_ev_user;
CREATE ROLE regress_ev_other;
SELECT modelroute.grant_use('regress_ev_user');
SET LOCAL ROLE regress_ev_user;
SELECT modelroute.evaluate_router('ev', 'TABLE evals');
SELECT count(*) FROM modelroute.evaluate_router('ev', $$SELECT 'p' AS prompt, 'ev-big' AS model, 1 AS score$$) WHERE kind = 'oracle';
SELECT preset FROM modelroute.calibrate('ev', $$SELECT 'p' AS prompt$$, 'strong_share=1', 'mine', '{"models": "ev-*"}');
\set VERBOSITY terse
SELECT modelroute.calibrate('ev', $$SELECT 'p' AS prompt$$, 'strong_share=1', 'cheap', '{"models": "ev-*"}');
\set VERBOSITY default
SELECT created_by FROM modelroute.preset WHERE name = 'mine';
SET LOCAL ROLE regress_ev_other;
SELECT modelroute.evaluate_router('ev', 'TABLE evals');
RESET ROLE;

ROLLBACK;

-- ----------
-- A transaction that only reads
-- ----------

BEGIN READ ONLY;
SELECT kind, quality FROM modelroute.evaluate_router('default', $$SELECT 'p' AS prompt, 'm' AS model, 0.5 AS score$$)
WHERE kind IN ('router', 'oracle', 'single');
SELECT modelroute.router_report('default', $$SELECT 'p' AS prompt, 'm' AS model, 0.5 AS score$$) LIKE '<!DOCTYPE html>%' AS is_page;
SELECT modelroute.calibrate('default', $$SELECT 'p' AS prompt$$, 'strong_share=0.3');
ROLLBACK;

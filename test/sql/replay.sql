-- replay(): which calls can be replayed and how, what is compared with what,
-- and the estimate by propensities on figures that are known.  All in one
-- transaction over a catalog and calls of its own, rolled back at the end.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1';
DELETE FROM modelroute.model;
DELETE FROM modelroute.audit;
SELECT modelroute.add_provider('rp', 'http://127.0.0.1:9001/v1'),
       modelroute.add_model('rp-good', 'rp', NULL, 5, 25, quality => '{"default": 0.8}'),
       modelroute.add_model('rp-fair', 'rp', NULL, 1, 4, 16000, 4000, '{chat,streaming}', '{"default": 0.7}'),
       modelroute.add_model('rp-poor', 'rp', NULL, 0.1, 0.1, 16000, 4000, '{chat,streaming}', '{"default": 0.2}');

\x on
SELECT * FROM modelroute.replay('2026-01-01');
\x off

-- Calls on record.  Each chose among three by quality, or as it says; those
-- of January are without content, so that only their candidates are known.
CREATE TEMP TABLE decided (id int, decision jsonb);
INSERT INTO decided VALUES
(1, '{"considered": 3, "candidates": [
      {"rank": 1, "model": "rp-good", "provider": "rp", "quality": 0.8, "cost": 0.01, "latency_ms": 1000},
      {"rank": 2, "model": "rp-fair", "provider": "rp", "quality": 0.7, "cost": 0.002, "latency_ms": 500},
      {"rank": 3, "model": "rp-gone", "provider": "rp", "quality": 0.1, "cost": 0.0001, "latency_ms": 100}]}'),
(2, '{"considered": 3, "candidates": [
      {"rank": 1, "model": "rp-fair", "provider": "rp", "quality": 0.7, "cost": 0.002, "latency_ms": 500},
      {"rank": 2, "model": "rp-good", "provider": "rp", "quality": 0.8, "latency_ms": 1000}]}'),
(3, '{"considered": 1, "model": "rp-fair", "candidates": [
      {"rank": 1, "model": "rp-fair", "provider": "rp", "quality": 0.7, "cost": 0.002, "latency_ms": 500}]}'),
(4, '{"considered": 1, "messages": 2, "candidates": [
      {"rank": 1, "model": "rp-poor", "provider": "rp", "quality": 0.2, "cost": 0.001, "latency_ms": 100}]}'),
(5, '{"considered": 1, "capabilities": ["tools"], "max_tokens": 5000, "candidates": [
      {"rank": 1, "model": "rp-poor", "provider": "rp", "quality": 0.2, "cost": 0.001, "latency_ms": 100}]}'),
(6, '{"candidates": [{"rank": 1}, 7, {"model": "rp-fair", "provider": "rp"}, {"model": "x", "provider": 1}]}'),
(7, '[]');
CREATE TEMP TABLE logged (call_id bigint, requested text, decided int, prompt text,
       status text DEFAULT 'ok', router text DEFAULT 'default', cost numeric DEFAULT 0.005);
INSERT INTO logged VALUES
(1, 'auto', 1, NULL), (2, 'auto', 2, NULL), (3, 'rp-fair', 3, NULL), (4, 'auto', 6, NULL),
(5, 'auto', 7, NULL), (6, 'auto', NULL, NULL), (7, '@rp-gone', 1, NULL), (8, 'auto', 1, NULL),
(9, 'auto', 1, NULL), (10, 'rp/rp-fair', 3, NULL),
(11, 'auto', 1, 'hello'), (12, 'rp-fair', 3, 'hello'), (13, 'rp-gone', 3, 'hello'),
(14, 'auto', 4, '[{"role": "system", "content": "hi"}, {"role": "user", "content": "ho"}]'),
(15, 'auto', 1, '[{"role": "nobody"}]'), (16, 'auto', 5, 'hello'), (17, 'auto', NULL, 'hello'),
(18, '@rp-set', 1, 'hello'), (19, '@rp-set:1', 1, 'hello'), (20, '@rp-set:2', 1, 'hello'),
(21, 'router-gone-0.5', 1, 'hello'), (22, 'auto', 1, 'hello'), (23, 'router-default-0.5', 1, NULL);
UPDATE logged SET status = 'failed' WHERE call_id = 8;
UPDATE logged SET router = 'other:1' WHERE call_id IN (9, 22);
UPDATE logged SET cost = NULL WHERE call_id = 22;
SELECT modelroute.set_preset('rp-set', '{"models": "rp-poor"}');
INSERT INTO modelroute.audit (call_id, status, role, database, requested_model, objective, router,
       model, provider, decision, prompt, cost, attempts, attempts_unknown, started_at, content_dropped)
SELECT call_id, status, current_user, 'd', requested, 'quality', router, 'served', 'rp', decision, prompt, cost,
       1, 0, CASE WHEN prompt IS NULL THEN '2026-01-02' ELSE '2026-02-02' END::timestamptz, false
  FROM logged LEFT JOIN decided ON id = decided;

-- ----------
-- Call by call
-- ----------

-- without content: the candidates of the decision, ordered anew
CREATE TEMP TABLE policy (p int, objective text, router text, options jsonb);
INSERT INTO policy VALUES
(1, NULL, NULL, NULL), (2, 'cost=1', NULL, NULL), (3, 'cost', NULL, NULL), (4, 'latency=1', 'default', 'null'),
(5, 'cost=1', NULL, '{"min_quality": 0.5}'), (6, 'quality=1,usd=1', NULL, '{"exclude": "rp-fair"}'),
(7, NULL, NULL, '{"objective": "cost=1", "model": "rp-fair"}'), (8, NULL, NULL, '{"max_cost": 1}'),
(9, 'cost=1', NULL, '{"explore": 1}');
SELECT p, c.call_id, logged_model, replayed_model, expected_cost, expected_quality, how
  FROM policy, LATERAL modelroute.replay_calls('2026-01-01', objective, router, options) c
  JOIN logged l ON c.call_id = l.call_id AND l.prompt IS NULL
 WHERE p IN (1, 2) OR replayed_model IS NOT NULL OR c.call_id = 1
 ORDER BY p, c.call_id;

-- with content: routed again, in the catalog as it is now
\set VERBOSITY terse
SELECT c.call_id, logged_model, replayed_model, logged_cost, logged_expected_cost,
       round(expected_cost, 6) AS expected_cost, logged_quality, round(expected_quality::numeric, 4) AS expected_quality, how
  FROM modelroute.replay_calls('2026-02-01') c ORDER BY c.call_id;
SELECT call_id, replayed_model, how FROM modelroute.replay_calls('2026-02-01', 'cost=1') ORDER BY 1;
SELECT call_id, replayed_model, how
  FROM modelroute.replay_calls('2026-02-01', options => '{"preset": "rp-set", "system": "Be brief."}') ORDER BY 1;
SELECT call_id, replayed_model, how FROM modelroute.replay_calls('2026-02-01', options => '{"model": "auto", "exclude": "rp-good"}') ORDER BY 1;
SELECT call_id, replayed_model, how FROM modelroute.replay_calls('2026-01-01', router => 'default') WHERE call_id IN (9, 21, 22, 23) ORDER BY 1;
SET LOCAL modelroute.router = 'nope';
SELECT modelroute.replay_calls('2026-02-01');
RESET modelroute.router;

-- the same as route() says
SELECT (SELECT replayed_model || ' ' || expected_cost || ' ' || expected_quality
          FROM modelroute.replay_calls('2026-02-01', 'quality=2,cost=1') WHERE call_id = 11)
     = (SELECT model || ' ' || cost || ' ' || quality FROM modelroute.route('hello', 'quality=2,cost=1')) AS same;

-- ----------
-- Errors
-- ----------

SELECT modelroute.replay('2026-01-01', 'best');
SELECT modelroute.replay('2026-01-01', NULL, 'nope');
SELECT modelroute.replay('2026-01-01', NULL, 'no pe');
SELECT modelroute.replay('2026-01-01', options => '{"maxcost": 1}');
SELECT modelroute.replay('2026-01-01', options => '[]');
SELECT modelroute.replay('2026-01-01', options => '{"preset": "nope"}');
\set VERBOSITY default

-- ----------
-- Both policies in sum, and the estimate
-- ----------

\x on
SELECT * FROM modelroute.replay('2026-02-01', 'cost=1', options => '{"models": "rp-*"}');
\x off

-- Calls that explored: two candidates, the cheap one chosen three times with
-- these propensities and scores.  By hand, with weights 4, 4 and 4/3:
-- quality 14/28, error sqrt(8) / (28/3), effective (28/3)^2 / (32 + 16/9).
DELETE FROM modelroute.audit;
CREATE TEMP TABLE explored (call_id bigint, cheap_first boolean, propensity float8, scores real[]);
INSERT INTO explored VALUES
(1, true, 0.25, '{1}'), (2, true, 0.25, '{0,0}'), (3, true, 0.75, '{0.75,0.25}'), (4, false, 0.75, '{0.9}'),
(5, false, 0.25, '{0.7}'), (6, true, 0.25, NULL), (7, true, NULL, '{0.125}'), (8, false, 0.75, NULL);
INSERT INTO modelroute.audit (call_id, status, role, database, requested_model, objective, router, model, provider,
       decision, propensity, cost, attempts, attempts_unknown, started_at, content_dropped)
SELECT call_id, 'ok', current_user, 'd', 'auto', 'quality', 'default', 'm', 'rp',
       jsonb_build_object('candidates', jsonb_build_array(
         CASE WHEN cheap_first THEN cheap ELSE dear END, CASE WHEN cheap_first THEN dear ELSE cheap END)),
       propensity, 0.01, 1, 0, '2026-01-02', false
  FROM explored,
       (SELECT '{"model": "rp-poor", "provider": "rp", "quality": 0.25, "cost": 0.001, "latency_ms": 100}'::jsonb AS cheap,
               '{"model": "rp-good", "provider": "rp", "quality": 0.75, "cost": 0.02, "latency_ms": 100}'::jsonb AS dear) c;
INSERT INTO modelroute.feedback (call_id, score) SELECT call_id, unnest(scores) FROM explored;
SELECT policy, calls, replayed, same_choice AS same, cost, expected_cost, expected_quality AS quality,
       round(feedback_quality::numeric, 6) AS feedback, round(ips_quality::numeric, 6) AS ips,
       round(ips_stderr::numeric, 6) AS stderr, round(effective_calls::numeric, 6) AS effective, note
  FROM modelroute.replay('2026-01-01', 'cost=1');
SELECT 0.5 AS ips, round(sqrt(8.0) / (28.0 / 3), 6) AS stderr, round((28.0 / 3) ^ 2 / (32 + 16.0 / 9), 6) AS effective;
SELECT policy, same_choice AS same, round(ips_quality::numeric, 6) AS ips, round(effective_calls::numeric, 6) AS effective
  FROM modelroute.replay('2026-01-01', 'quality');

-- what the figures do not say
CREATE TEMP VIEW notes AS
SELECT r.note FROM modelroute.replay('2026-01-01', 'cost=1') r WHERE policy = 'replayed';
SELECT * FROM notes;
DELETE FROM modelroute.feedback WHERE call_id IN (1, 2, 3);
SELECT * FROM notes;
DELETE FROM modelroute.feedback;
SELECT * FROM notes;
UPDATE modelroute.audit SET propensity = NULL, cost = nullif(call_id, 1);
SELECT * FROM notes;
UPDATE modelroute.audit SET decision = NULL WHERE call_id > 1;
SELECT * FROM notes;

-- a role replays its own calls, by its own judges
CREATE ROLE rp_alice;
SELECT modelroute.grant_use('rp_alice');
UPDATE modelroute.audit SET role = 'rp_alice' WHERE call_id = 1;
SET LOCAL ROLE rp_alice;
SELECT policy, calls, replayed, feedback_quality FROM modelroute.replay('2026-01-01');
SELECT modelroute.feedback(1, 0.5) IS NOT NULL AS given;
SELECT policy, calls, replayed, feedback_quality FROM modelroute.replay('2026-01-01');
RESET ROLE;
ROLLBACK;

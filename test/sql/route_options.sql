-- What chooses among candidates beside the named objectives: routers,
-- RouteLLM's form of a model, utility per dollar, exploration.  All in one
-- transaction over a catalog of its own, rolled back at the end.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1';
DELETE FROM modelroute.model;
SELECT modelroute.add_provider('ro-a', 'http://127.0.0.1:9001/v1'),
       modelroute.add_model('ro-good', 'ro-a', NULL, 5, 25, quality => '{"default": 0.8}'),
       modelroute.add_model('ro-fair', 'ro-a', NULL, 1, 4, quality => '{"default": 0.6}'),
       modelroute.add_model('ro-poor', 'ro-a', NULL, 0.1, 0.1, quality => '{"default": 0.2}'),
       modelroute.add_model('ro-unpriced', 'ro-a', quality => '{"default": 0.9}');

-- ----------
-- Routers
-- ----------

-- the option, else the setting; only the built-in one is there for certain
SELECT model FROM modelroute.route('hello', 'quality', '{"router": "default"}');
SELECT modelroute.route('hello', NULL, '{"router": "nope"}');
SELECT modelroute.route('hello', NULL, '{"router": "nope:3"}');
SELECT modelroute.route('hello', NULL, '{"router": "no pe"}');
SELECT modelroute.route('hello', NULL, '{"router": "nope:"}');
SELECT modelroute.route('hello', NULL, '{"router": "nope:0"}');
SELECT modelroute.route('hello', NULL, '{"router": ""}');
SELECT modelroute.route('hello', NULL, '{"router": 1}');
SHOW modelroute.router;
SET LOCAL modelroute.router = 'nope:12';
SELECT modelroute.route('hello');
SELECT model FROM modelroute.route('hello', 'quality', '{"router": "default"}');
SET LOCAL modelroute.router = '';
SET LOCAL modelroute.router = 'no pe';
SET LOCAL modelroute.router = 'nope:1234567890';
RESET modelroute.router;

-- RouteLLM's form of a model: router-<name>-<threshold>, and what is none
SELECT model, (SELECT count(*) FROM modelroute.route_candidates('hello', NULL,
         '{"strong": "ro-good", "weak": "ro-poor"}', model)) AS candidates
  FROM unnest('{router-default-0.5,router-default-0,router-default-1,router-default-.25}'::text[]) model;
SELECT modelroute.route_candidates('hello', model => 'router-default-1.01');
SELECT modelroute.route_candidates('hello', model => 'router-a-b:2-0.5');
SELECT modelroute.route_candidates('hello', NULL, '{"router": "default"}', 'router-mf-0.5');
SELECT modelroute.route_candidates('hello', model => 'router-default');
SELECT modelroute.route_candidates('hello', model => 'router-default-high');
SELECT modelroute.route_candidates('hello', model => 'router-default-0.5.5');
SELECT modelroute.route_candidates('hello', model => 'router-default-.');
SELECT modelroute.route_candidates('hello', model => 'router--0.5');
SELECT modelroute.route_candidates('hello', model => 'ro-a/router-default-0.5');
SELECT modelroute.route('hello', NULL, '{"strong": ""}');
SELECT modelroute.route('hello', NULL, '{"weak": ["ro-poor"]}');

-- a model of that very name goes before; a preset may name the form
SAVEPOINT named;
SELECT modelroute.add_model('router-default-0.5', 'ro-a');
SELECT rank, model FROM modelroute.route_candidates('hello', model => 'router-default-0.5');
ROLLBACK TO named;
SELECT modelroute.set_preset('ro', '{"model": "router-default-0.5", "strong": "ro-good", "weak": "ro-poor"}'),
       modelroute.set_preset('ro-later', '{"model": "router-later-0.5"}');
SELECT count(*) FROM modelroute.route_candidates('hello', model => '@ro');
SELECT modelroute.route('hello', NULL, '{"preset": "ro-later"}');
SELECT modelroute.set_preset('ro', '{"model": "router-default-2"}');

-- ----------
-- Objectives with usd: utility per US dollar of expected cost
-- ----------

-- the dearer a dollar, the cheaper the choice; what has no price comes last
SELECT usd, array_agg(model ORDER BY rank) AS ranked
  FROM unnest('{0,0.001,30,100,1000000000}'::numeric[]) usd,
       LATERAL modelroute.route_candidates('hello', 'quality=1,usd=' || usd, '{"category": "default"}') c
 GROUP BY usd ORDER BY usd;

-- linear in the cost, beside the other weights, which alone are scaled
SELECT model, round(quality_term::numeric, 6) AS quality_term,
       round((-50 * cost)::numeric, 9) = round(cost_term::numeric, 9) AS cost_term,
       abs(utility - quality_term - cost_term - latency_term) < 1e-12 AS utility
  FROM modelroute.route_candidates('hello', 'quality=4,usd=50', '{"exclude": "ro-unpriced"}') WHERE rank > 0 ORDER BY rank;
SELECT bool_and(round((b.cost_term - 50 * b.cost)::numeric, 9) = round(a.cost_term::numeric, 9)) AS added
  FROM modelroute.route_candidates('hello', 'quality=3,cost=1,usd=50') a
  JOIN modelroute.route_candidates('hello', 'quality=3,cost=1') b USING (model)
 WHERE model <> 'ro-unpriced';
SELECT rank, cost, cost_term, utility
  FROM modelroute.route_candidates('hello', 'quality=1,usd=1', model => 'ro-unpriced');
SELECT model, objective, reason FROM modelroute.route('hello', ' usd = 5 ');
SELECT model, objective FROM modelroute.route('hello', NULL, '{"objective": {"quality": 1, "usd": 0.001}}');
SELECT model, objective FROM modelroute.route('hello', NULL, '{"objective": {"quality": 1, "usd": 0}}');
SET LOCAL modelroute.objective = 'quality=1,usd=1e9';
SELECT model FROM modelroute.route('hello');
RESET modelroute.objective;

-- what is no weight
SELECT modelroute.route('hello', 'quality=1,usd=1000000001');
SELECT modelroute.route('hello', 'quality=1,usd=-1');
SELECT modelroute.route('hello', 'quality=1,usd=inf');
SELECT modelroute.route('hello', 'quality=1,usd=1,usd=1');
SELECT modelroute.route('hello', 'usd=0');
SELECT modelroute.route('hello', 'eur=1');
SELECT modelroute.route('hello', NULL, '{"objective": {"quality": 1, "usd": 1000000001}}');

-- ----------
-- Exploration: who would be first, and how probably
-- ----------

SELECT explore, array_agg(round(propensity::numeric, 6) ORDER BY rank) AS propensity, sum(propensity) = 1 AS sum
  FROM unnest('{0,0.1,0.5,1}'::numeric[]) explore,
       LATERAL modelroute.route_candidates('hello', 'quality', jsonb_build_object('explore', explore)) c
 GROUP BY explore ORDER BY explore;
SELECT rank, model, propensity, excluded_by
  FROM modelroute.route_candidates('hello', 'quality', '{"explore": 0.5, "exclude": ["ro-good", "ro-poor"]}') ORDER BY rank, model;
SELECT rank, model, round(propensity::numeric, 6) AS propensity, excluded_by
  FROM modelroute.route_candidates('hello', 'quality', '{"explore": 0.2, "provider": {"allow_fallbacks": false}}') ORDER BY rank, model;
SELECT rank, model, propensity FROM modelroute.route_candidates('hello', NULL, '{"explore": 0.5}', 'ro-good');

-- route() is STABLE: it never explores
SELECT DISTINCT d.model, d.reason
  FROM generate_series(1, 100) n,
       LATERAL modelroute.route('hello ' || n, 'quality', '{"explore": 1}') d;

SELECT modelroute.route('hello', NULL, '{"explore": 1.1}');
SELECT modelroute.route('hello', NULL, '{"explore": -0.1}');
SELECT modelroute.route('hello', NULL, '{"explore": true}');
ROLLBACK;

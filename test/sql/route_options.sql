-- What chooses among candidates beside the named objectives: routers and
-- RouteLLM's form of a model.  All in one transaction over a catalog of its
-- own, rolled back at the end.
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
ROLLBACK;

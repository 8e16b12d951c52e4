-- Presets: what one may hold, versions, whose it is, and what a call makes of
-- it.  All in one transaction over a catalog of its own, rolled back.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1';
DELETE FROM modelroute.model;
SELECT modelroute.add_provider('ps-a', 'http://127.0.0.1:9001/v1'),
       modelroute.add_provider('ps-b', 'http://127.0.0.1:9002/v1'),
       modelroute.add_model('ps-good', 'ps-a', NULL, 5, 25, quality => '{"default": 0.8}'),
       modelroute.add_model('ps-fair', 'ps-a', NULL, 1, 4, quality => '{"default": 0.6}'),
       modelroute.add_model('ps-fair', 'ps-b', NULL, 2, 8, quality => '{"default": 0.6}'),
       modelroute.add_model('ps-poor', 'ps-b', NULL, 0.1, 0.1, quality => '{"default": 0.2}');

-- versions: a number each, but for the same body again
SELECT modelroute.set_preset('ps', '{"objective": "cost", "models": "ps-*"}') AS version;
SELECT modelroute.set_preset('ps', '{"models": "ps-*", "objective": "cost"}') AS version;
SELECT modelroute.set_preset('ps', '{"objective": "quality", "max_tokens": 100}') AS version;
SELECT modelroute.set_preset('ps', '{"objective": "cost", "models": "ps-*"}') AS version;
SELECT modelroute.set_preset('ps.named-1', '{"model": "ps-fair", "provider": {"only": ["ps-a"]}}') AS version;
SELECT modelroute.set_preset('9', '{}') AS version;
SELECT name, version, body, created_by = current_user AS own FROM modelroute.preset ORDER BY name COLLATE "C", version;

-- in a call: by the model, by the option, a version of it
CREATE TEMP VIEW chosen AS
SELECT o.ord, d.model, d.provider, d.objective
  FROM unnest(ARRAY[
         '{"preset": "ps"}', '{"preset": "ps:2"}', '{"preset": "ps:1"}',
         '{"preset": "ps.named-1"}', '{"preset": "9"}', '{"preset": null}',
         -- the call's own options go before the preset's
         '{"preset": "ps:2", "objective": "cost"}',
         '{"preset": "ps:2", "exclude": "ps-good"}',
         '{"preset": "ps.named-1", "provider": {"ignore": ["ps-x"]}, "objective": "cost"}',
         '{"preset": "ps.named-1", "provider": {"ignore": ["ps-a"]}}',
         '{"preset": "ps.named-1", "provider": null, "models": "ps-*"}'
       ]::jsonb[]) WITH ORDINALITY o(options, ord),
       LATERAL modelroute.route('hello', NULL, o.options) d;
SELECT * FROM chosen ORDER BY ord;
SELECT (modelroute.route('hello', 'quality', '{"preset": "ps"}')).objective;
SELECT rank, model, provider FROM modelroute.route_candidates('hello', model => '@ps.named-1') WHERE rank > 0;
SELECT model FROM modelroute.route_candidates('hello', model => '@ps:2') WHERE rank = 1;
SELECT model FROM modelroute.route_candidates('hello', NULL, '{"preset": "ps:2"}', 'ps-poor') WHERE rank = 1;
SELECT model FROM modelroute.route_candidates('hello', NULL, '{"exclude": "ps-good"}', '@ps:2') WHERE rank = 1;

-- weights do not mix with those of the preset
SELECT modelroute.set_preset('ps-w', '{"objective": {"quality": 1}}') AS version;
SELECT (modelroute.route('hello', NULL, '{"preset": "ps-w", "objective": {"cost": 1}}')).objective;

-- a change is seen at once; a model of that very name goes before
SELECT modelroute.set_preset('ps', '{"model": "ps-poor"}') AS version;
SELECT model FROM modelroute.route('hello', NULL, '{"preset": "ps"}');
SAVEPOINT named;
SELECT modelroute.add_model('@ps', 'ps-a');
SELECT model FROM modelroute.route_candidates('hello', model => '@ps') WHERE rank = 1;
ROLLBACK TO named;
SELECT model FROM modelroute.route_candidates('hello', model => '@ps') WHERE rank = 1;

-- what cannot be: in a call
\set VERBOSITY default
SELECT modelroute.route('hello', NULL, '{"preset": "nope"}');
\set VERBOSITY terse
SELECT modelroute.route('hello', NULL, '{"preset": "ps:9"}');
SELECT modelroute.route('hello', NULL, '{"preset": "p s"}');
SELECT modelroute.route('hello', NULL, '{"preset": "ps:01"}');
SELECT modelroute.route('hello', NULL, '{"preset": ""}');
SELECT modelroute.route('hello', NULL, '{"preset": 1}');
SELECT modelroute.route_candidates('hello', model => '@nope');
SELECT modelroute.route_candidates('hello', model => '@ps:');
SELECT modelroute.route_candidates('hello', NULL, '{"preset": "9"}', '@ps');
SELECT modelroute.complete('hello', '@nope');

-- what cannot be: in a preset
SELECT modelroute.set_preset(NULL, '{}');
SELECT modelroute.set_preset('', '{}');
SELECT modelroute.set_preset('a b', '{}');
SELECT modelroute.set_preset('-a', '{}');
SELECT modelroute.set_preset('ps:1', '{}');
SELECT modelroute.set_preset('é', '{}');
SELECT modelroute.set_preset(repeat('a', 101), '{}');
SELECT modelroute.set_preset('bad', NULL);
SELECT modelroute.set_preset('bad', '[]');
SELECT modelroute.set_preset('bad', 'null');
SELECT modelroute.set_preset('bad', '{"modle": "x"}');
SELECT modelroute.set_preset('bad', '{"max_cost": -1}');
SELECT modelroute.set_preset('bad', '{"objective": "best"}');
SELECT modelroute.set_preset('bad', '{"provider": {"sort": "size"}}');
SELECT modelroute.set_preset('bad', '{"model": 1}');
SELECT modelroute.set_preset('bad', '{"model": ""}');
SELECT modelroute.set_preset('bad', '{"preset": "ps"}');
SELECT modelroute.set_preset('bad', '{"model": "@ps"}');
SELECT modelroute.set_preset('bad', '{"model": "@ps:1"}');
SELECT modelroute.set_preset('bad', jsonb_build_object('system', repeat('x', 65536)));
SELECT modelroute.set_preset(repeat('a', 100), jsonb_build_object('system', repeat('x', 60000), 'model', '@cf/llama')) AS version;

-- whose it is
CREATE ROLE ps_alice;
CREATE ROLE ps_team;
CREATE ROLE ps_bob IN ROLE ps_team;
SELECT modelroute.grant_use('ps_alice'), modelroute.grant_use('ps_team');
SET LOCAL ROLE ps_team;
SELECT modelroute.set_preset('ps-team', '{"objective": "cost"}') AS version;
SET LOCAL ROLE ps_bob;
SELECT modelroute.set_preset('ps-team', '{"objective": "quality"}') AS version;
SET LOCAL ROLE ps_alice;
SELECT modelroute.set_preset('ps-team', '{"objective": "latency"}');
SELECT modelroute.drop_preset('ps-team');
SELECT modelroute.set_preset('ps', '{}');
INSERT INTO modelroute.preset (name, version, body, created_by) VALUES ('x', 1, '{}', 'ps_team');
SELECT (modelroute.route('hello', NULL, '{"preset": "ps-team"}')).objective;
SELECT name, version, created_by FROM modelroute.preset WHERE name = 'ps-team' ORDER BY version;
RESET ROLE;
SELECT modelroute.set_preset('ps-team', '{"objective": "latency"}') AS version;

-- the maker may be gone: then it is the extension owner's
SAVEPOINT gone;
UPDATE modelroute.preset SET created_by = 'ps_gone' WHERE name = 'ps-team' AND version = 1;
SET LOCAL ROLE ps_bob;
SELECT modelroute.drop_preset('ps-team');
RESET ROLE;
SELECT modelroute.drop_preset('ps-team');
ROLLBACK TO gone;

-- a version goes, or all; the numbers of the others stay
SET LOCAL ROLE ps_bob;
SELECT modelroute.drop_preset('ps-team', 1);
SELECT array_agg(version ORDER BY version) FROM modelroute.preset WHERE name = 'ps-team';
SELECT modelroute.drop_preset('ps-team', 1);
SELECT modelroute.drop_preset('ps-team', 0);
SELECT modelroute.drop_preset('ps-team');
SELECT modelroute.drop_preset('ps-team');
SELECT modelroute.drop_preset(NULL);
RESET ROLE;

-- a bound for all of them
INSERT INTO modelroute.preset (name, version, body, created_by)
SELECT 'ps-many', n, '{}', 'ps_bob' FROM generate_series(1, 1000) n;
SELECT modelroute.set_preset('ps-more', '{}');
SELECT (modelroute.route('hello', NULL, '{"preset": "ps-many:1000"}')).model;
ROLLBACK;

-- train_router(), drop_router(), check_router() and view router_list: what
-- evals may look like, versions, ownership, errors.  What a router learns is
-- tested elsewhere.  All in one transaction, rolled back at the end.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TABLE evals AS
SELECT CASE WHEN n % 2 = 0 THEN 'Prove theorem ' ELSE 'Translate line ' END || n AS prompt,
	model, ((model = 'tr-big' OR n % 2 = 1) AND n % 5 <> 0)::int::real AS score,
	(CASE model WHEN 'tr-big' THEN 0.01 ELSE 0.001 END)::numeric AS cost,
	10 + n AS output_tokens, 'task ' || n % 2 AS task
FROM generate_series(1, 60) n, unnest('{tr-small,tr-big}'::text[]) model;

-- versions
SELECT name, version, prompts, models, report ->> 'rows_skipped' AS skipped
FROM modelroute.train_router('tr', 'SELECT prompt, model, score FROM evals');
SELECT name, version, prompts, models
FROM modelroute.train_router('tr', 'TABLE evals', '{"seed": 7, "folds": 3, "note": "with cost"}');
SELECT name, version, current, owner = current_user AS mine, models, rows, prompts, rows_skipped, note,
	artifact_bytes > 0 AS has_artifact, created_at <= clock_timestamp() AS in_time
FROM modelroute.router_list WHERE name = 'tr' ORDER BY version;
SELECT options, jsonb_typeof(report), artifact_sha256 = sha256(artifact) AS sha256
FROM modelroute.router WHERE name = 'tr' ORDER BY version;

-- the name is the latest version, name:version that one
SELECT router, (c).name, (c).version, (c).artifact_bytes = octet_length(artifact) AS whole
FROM unnest('{tr,tr:1,tr:2}'::text[]) router,
	LATERAL (SELECT modelroute.check_router(router) AS c OFFSET 0) l,
	modelroute.router r
WHERE r.name = (c).name AND r.version = (c).version ORDER BY router;
SELECT modelroute.check_router('tr:3');
SELECT modelroute.check_router('no-such');
SELECT modelroute.check_router('tr:');
SELECT modelroute.check_router('tr:01');
SELECT modelroute.check_router('tr:99999999999999999999');
SELECT modelroute.check_router('');
SELECT modelroute.check_router('default');
SELECT modelroute.check_router(repeat('x', 100));
SELECT modelroute.check_router(NULL);

-- nothing to choose between
SELECT modelroute.train_router('tr', 'SELECT prompt, ''one'' AS model, 1 AS score FROM evals');
SET LOCAL maintenance_work_mem = '1MB';
SELECT modelroute.train_router('tr', $$
	SELECT 'same' AS prompt, 'a' AS winner, 'b' AS loser FROM generate_series(1, 100000) $$);
RESET maintenance_work_mem;
-- one prompt says little
SELECT model, quality, stderr > 0.1 AS unsure FROM modelroute.train_router('tr-one', $$
	SELECT 'same' AS prompt, model, 0.5 AS score FROM unnest('{a,b}'::text[]) model $$) t,
	modelroute.predict_quality('same', t.name) ORDER BY model;
-- five rows do not make a model the best for all prompts, nor its error 0
SELECT (t.report #>> '{held_out,best_single}') AS best_single, p.stderr > 0 AS unsure
FROM modelroute.train_router('tr-few', $$
	SELECT 'Question ' || i AS prompt, model, CASE model WHEN 'few' THEN 1 ELSE 0.6 + 0.1 * (i % 2) END AS score
	FROM generate_series(1, 200) i, unnest('{few,often,seldom}'::text[]) model
	WHERE model = 'often' OR (model = 'seldom' AND i % 3 = 0) OR i <= 5 $$) t,
	LATERAL modelroute.predict_quality('Question 1', t.name) p WHERE p.model = 'few';

-- a savepoint takes its version along
SAVEPOINT s;
SELECT (modelroute.train_router('tr', 'TABLE evals')).version;
SELECT (modelroute.check_router('tr')).version;
ROLLBACK TO s;
SELECT (modelroute.check_router('tr')).version;
SELECT (modelroute.train_router('tr', 'TABLE evals')).version;
SELECT (modelroute.check_router('tr')).version;

-- dropping
SELECT modelroute.drop_router('tr', 3);
SELECT (modelroute.check_router('tr')).version;
SELECT modelroute.drop_router('tr', 3);
SELECT modelroute.drop_router('tr', 0);
SELECT modelroute.drop_router(NULL);
SELECT modelroute.drop_router('tr');
SELECT modelroute.drop_router('tr');
SELECT modelroute.check_router('tr');

-- any type that can be read as text or number, domains too
CREATE DOMAIN share AS numeric CHECK (VALUE BETWEEN 0 AND 1);
CREATE TYPE size AS ENUM ('small', 'big');
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT prompt::varchar(100), CASE model WHEN 'tr-big' THEN 'big' ELSE 'small' END::size AS model,
		score::share, cost::float8, output_tokens::bigint, task::name FROM evals$$);
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT json_build_object('text', prompt) AS prompt, model::char(20), score = 1 AS score,
		cost::real, output_tokens::smallint, length(task) AS task, 'ignored' AS other FROM evals$$);
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT prompt, model, score::int, NULL::int AS cost, NULL::numeric AS output_tokens, NULL AS task FROM evals$$);
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT prompt, 'Größe-' || model AS model, score FROM evals ORDER BY 1$$);

-- preferences, alone and with scores; a tie is a row each way
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT prompt, 'tr-big' AS winner, 'tr-small' AS loser FROM evals WHERE model = 'tr-big'
	UNION ALL SELECT prompt, 'tr-small', 'tr-big' FROM evals WHERE model = 'tr-big' AND output_tokens % 2 = 0$$);
SELECT prompts, models FROM modelroute.train_router('types', $$
	SELECT prompt, model, score, NULL AS winner, NULL AS loser FROM evals
	UNION ALL SELECT prompt, NULL, NULL, 'tr-big', 'tr-third' FROM evals WHERE model = 'tr-big'$$);

-- rows that tell nothing are skipped and counted
SELECT report -> 'rows_skipped' AS skipped FROM modelroute.train_router('types', $$
	SELECT prompt, model, score, NULL AS winner, NULL AS loser FROM evals
	UNION ALL VALUES (NULL, 'tr-big', 1, NULL, NULL), ('', 'tr-big', 1, NULL, NULL), ('x', NULL, 1, NULL, NULL),
		('x', '', 1, NULL, NULL), ('x', 'tr-big', NULL, NULL, NULL), ('x', NULL, NULL, 'tr-big', NULL),
		('x', NULL, NULL, 'tr-big', 'tr-big')$$);

-- the query
SELECT modelroute.train_router('q', 'SELECT model, score FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, score FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model AS winner FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model AS loser, score FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, prompt, model, score FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model, task AS score FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model, score, true AS cost FROM evals');
SELECT modelroute.train_router('q', 'SELECT prompt, model, score FROM no_such_table');
SELECT modelroute.train_router('q', 'SELEC');
SELECT modelroute.train_router('q', '');
SELECT modelroute.train_router('q', ' -- nothing');
SELECT modelroute.train_router('q', 'TABLE evals; TABLE evals');
SELECT modelroute.train_router('q', 'CREATE TABLE made AS TABLE evals');
SELECT modelroute.train_router('q', 'SELECT * INTO made FROM evals');
SELECT modelroute.train_router('q', 'DELETE FROM evals RETURNING *');
SELECT modelroute.train_router('q', 'WITH gone AS (DELETE FROM evals RETURNING *) TABLE gone');
SELECT modelroute.train_router('q', 'SELECT * FROM evals FOR UPDATE');
SELECT modelroute.train_router('q', 'EXPLAIN TABLE evals');
SELECT modelroute.train_router('q', 'COPY evals TO STDOUT');
SELECT modelroute.train_router('q', 'COMMIT');
SELECT modelroute.train_router('q', 'SELECT prompt, model, score FROM evals WHERE false');
SELECT count(*) FROM evals;

-- values
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 7 AS score$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, s AS score FROM unnest('{0.5,-0.1}'::float8[]) s$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 'NaN'::numeric AS score$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 'Infinity'::real AS score$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 1 AS score, -1 AS cost$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 1 AS score, 'NaN'::float8 AS output_tokens$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, repeat('m', 201) AS model, 1 AS score$$);
SELECT modelroute.train_router('q', $$SELECT 'p' AS prompt, 'm' AS model, 1 / (n - 3) AS score FROM generate_series(3, 4) n$$);

-- names and options
SELECT modelroute.train_router('a b', 'TABLE evals');
SELECT modelroute.train_router('default', 'TABLE evals');
SELECT modelroute.train_router('', 'TABLE evals');
SELECT modelroute.train_router('-x', 'TABLE evals');
SELECT modelroute.train_router('x:1', 'TABLE evals');
SELECT modelroute.train_router(E'x\n', 'TABLE evals');
SELECT modelroute.train_router('größe', 'TABLE evals');
SELECT modelroute.train_router(repeat('x', 64), 'TABLE evals');
SELECT version FROM modelroute.train_router(repeat('x', 63), 'TABLE evals');
SELECT modelroute.train_router(NULL, 'TABLE evals');
SELECT modelroute.train_router('q', NULL);
SELECT version FROM modelroute.train_router('nulls', 'TABLE evals', NULL);
SELECT version FROM modelroute.train_router('nulls', 'TABLE evals', 'null');
SELECT version FROM modelroute.train_router('nulls', 'TABLE evals', '{"seed": null}');
SELECT modelroute.train_router('q', 'TABLE evals', '[]');
SELECT modelroute.train_router('q', 'TABLE evals', '{"sed": 1}');
SELECT modelroute.train_router('q', 'TABLE evals', '{"seed": "one"}');
SELECT modelroute.train_router('q', 'TABLE evals', '{"seed": 1.5}');
SELECT modelroute.train_router('q', 'TABLE evals', '{"folds": 1}');
SELECT modelroute.train_router('q', 'TABLE evals', '{"folds": 21}');
SELECT modelroute.train_router('q', 'TABLE evals', '{"note": ""}');

-- the same rows and seed, the same artifact, in any order
SELECT version FROM modelroute.train_router('nulls', 'SELECT * FROM evals ORDER BY prompt DESC, model DESC', '{}');
SELECT count(DISTINCT artifact_sha256), count(*) FROM modelroute.router WHERE name = 'nulls';

-- a router belongs to the role that began it
CREATE ROLE tr_owner;
CREATE ROLE tr_member IN ROLE tr_owner;
CREATE ROLE tr_other;
SELECT modelroute.grant_use(r) FROM unnest('{tr_owner,tr_member,tr_other}'::name[]) r;
GRANT SELECT ON evals TO tr_owner, tr_other;
SET LOCAL ROLE tr_owner;
SELECT version FROM modelroute.train_router('owned', 'TABLE evals');
SET LOCAL ROLE tr_member;
SELECT version FROM modelroute.train_router('owned', 'TABLE evals');
SET LOCAL ROLE tr_other;
SELECT modelroute.train_router('owned', 'TABLE no_such_table');
SELECT modelroute.drop_router('owned', 1);
SELECT modelroute.drop_router('owned');
SELECT name, version, owner, current FROM modelroute.router_list WHERE name = 'owned' ORDER BY version;
SELECT (modelroute.check_router('owned')).version;
-- the query has the caller's rights only
SELECT modelroute.train_router('mine', 'SELECT prolang AS prompt, proname AS model, 1 AS score FROM pg_proc JOIN pg_authid ON true');
UPDATE modelroute.router SET owner = current_user;
DELETE FROM modelroute.router;
SET LOCAL ROLE tr_member;
SELECT modelroute.drop_router('owned', 1);
RESET ROLE;
SELECT version FROM modelroute.train_router('owned', 'TABLE evals');
SELECT version, owner FROM modelroute.router_list WHERE name = 'owned' ORDER BY version;
-- of a role that is gone
UPDATE modelroute.router SET owner = 'tr_gone' WHERE name = 'owned';
SET LOCAL ROLE tr_owner;
SELECT modelroute.drop_router('owned');
RESET ROLE;
SELECT modelroute.drop_router('owned');

-- inside functions, also in an exception block
CREATE FUNCTION train_or_state(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT version FROM modelroute.train_router('inner', query));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT query, train_or_state(query) FROM unnest(ARRAY['TABLE evals', 'TABLE gone', 'TABLE evals', 'SELECT 1']) query;
SELECT count(*) FROM modelroute.train_progress;

-- damaged
UPDATE modelroute.router SET artifact = substr(artifact, 1, 10) WHERE name = 'inner' AND version = 2;
\set VERBOSITY sqlstate
SELECT modelroute.check_router('inner');
\set VERBOSITY default
SELECT (modelroute.check_router('inner:1')).version;
SELECT modelroute.drop_router('inner', 2);
SELECT (modelroute.check_router('inner')).version;

ROLLBACK;

BEGIN READ ONLY;
SELECT modelroute.train_router('q', 'SELECT 1');
ROLLBACK;

SELECT count(*) FROM modelroute.router;

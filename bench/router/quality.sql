-- quality.sql
--	  Trains a router for every protocol and fold by train_router, and asks
--	  predict_quality and route_candidates about every test prompt.  What is
--	  known afterwards is in tables prediction and training.

SET client_min_messages = warning;
SET compute_query_id = off; -- a prompt without task has none
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE UNLOGGED TABLE training(run int GENERATED ALWAYS AS IDENTITY,
                               protocol int, draw int, models text[],
                               seconds float8, artifact_bytes int);
CREATE UNLOGGED TABLE prediction(run int, dataset text, id text, model text,
                                 quality float8, cost float8, rank int);

-- Every model of the data is in the catalog, without a price: what a call costs
-- is what the router has learned.  The pair has a prior for protocols without
-- evals.
UPDATE modelroute.provider SET enabled = false;
DELETE FROM modelroute.endpoint;
SELECT modelroute.add_provider('bench', 'http://127.0.0.1:9')
\g /dev/null
SELECT count(modelroute.add_model(model, 'bench', context_window => 1000000))
  FROM (SELECT DISTINCT model FROM eval) m
\g /dev/null
SELECT modelroute.add_model('mixtral-8x7b', 'bench', quality => '{"default": 0.68}'),
       modelroute.add_model('gpt-4-1106', 'bench', quality => '{"default": 0.81}')
\g /dev/null

-- The evals of four folds, or of as many prompts of them as the protocol has;
-- each draw takes others.  Draw d leaves out fold d modulo 5.
CREATE FUNCTION evals_query(p protocol, draw int) RETURNS text
LANGUAGE sql AS $$
    SELECT format('SELECT i.prompt, e.model, e.score, e.cost %s
                     FROM (SELECT *, row_number() OVER (ORDER BY md5(%L || prompt), id) AS place
                             FROM public.item
                            WHERE dataset = ANY (%L) AND fold <> %s) i
                     JOIN public.eval e USING (dataset, id)
                    WHERE place <= %s',
                  CASE WHEN p.task THEN ', i.task' END, draw, p.train, draw % 5,
                  coalesce(p.prompts, 1000000))
$$;

CREATE PROCEDURE train(p protocol, draw int, INOUT run int)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    IF p.prompts IS DISTINCT FROM 0 THEN
        PERFORM modelroute.train_router('bench', evals_query(p, draw));
    END IF;
    INSERT INTO training(protocol, draw, models, seconds, artifact_bytes)
    VALUES (p.id, draw,
            (SELECT array_agg(DISTINCT model ORDER BY model) FROM eval
              WHERE dataset = ANY (p.test)),
            extract(epoch FROM clock_timestamp() - started),
            (SELECT max(octet_length(artifact)) FROM modelroute.router
              WHERE name = 'bench'))
    RETURNING training.run INTO train.run;
END
$$;

-- The fifth fold, or all prompts where training saw none of them.
CREATE PROCEDURE test(p protocol, draw int, run int)
LANGUAGE sql AS $$
    INSERT INTO prediction
    SELECT t.run, i.dataset, i.id, q.model, q.quality, c.cost, c.rank
      FROM item i
      JOIN training t ON t.run = test.run,
           LATERAL (SELECT jsonb_build_object(
                               'models', t.models,
                               'task', CASE WHEN p.task THEN i.task END,
                               'router', CASE WHEN p.prompts = 0
                                              THEN 'default'
                                              ELSE 'bench' END) AS options
                    OFFSET 0) o,
           LATERAL modelroute.predict_quality(i.prompt, options => o.options) q
      LEFT JOIN LATERAL modelroute.route_candidates(i.prompt, 'quality',
                                                    o.options) c
             ON c.model = q.model
     WHERE i.dataset = ANY (p.test) AND q.model = ANY (t.models)
       AND (i.fold = test.draw % 5 OR NOT p.train && p.test)
$$;

CREATE PROCEDURE run_protocols(pattern text)
LANGUAGE plpgsql AS $$
DECLARE
    p protocol;
    run int;
BEGIN
    FOR p IN SELECT * FROM protocol WHERE name ~ pattern ORDER BY id LOOP
        FOR draw IN 0 .. p.draws - 1 LOOP
            CALL train(p, draw, run);
            CALL test(p, draw, run);
            PERFORM modelroute.drop_router(name)
               FROM modelroute.router WHERE name = 'bench';
        END LOOP;
        COMMIT;
    END LOOP;
END
$$;

CALL run_protocols(:'protocols');
ANALYZE prediction;

-- What score reads: a block per run.
CREATE VIEW cell AS
SELECT run, dataset, id, model, score, e.cost, quality,
       coalesce(p.cost, 0) AS expected_cost, rank
  FROM prediction p JOIN eval e USING (dataset, id, model);

CREATE VIEW score_input AS
WITH line AS (
    SELECT run, dataset, id, count(*) AS models,
           concat_ws(' ', max(quality) FILTER (WHERE model = 'gpt-4-1106')
                          - max(quality) FILTER (WHERE model = 'mixtral-8x7b'),
                     max(score) FILTER (WHERE model = 'mixtral-8x7b'),
                     max(score) FILTER (WHERE model = 'gpt-4-1106')) AS pair,
           string_agg(concat_ws(' ', score, cost, quality, expected_cost),
                      ' ' ORDER BY model) AS many
      FROM cell GROUP BY run, dataset, id)
SELECT CASE WHEN min(models) = 2
            THEN format(E'pair %s %s\n', run, count(*))
                 || string_agg(pair, E'\n' ORDER BY dataset, id)
            ELSE format(E'many %s %s %s\n', run, count(*), min(models))
                 || string_agg(many, E'\n' ORDER BY dataset, id) END AS block
  FROM line GROUP BY run ORDER BY run;

CREATE TABLE metric(run int, metric text, value float8);

-- report.sql
--	  Prints quality by protocol, and how it grows with evals.

SET client_min_messages = warning;

\pset footer off
\pset null ''
\pset format aligned
\pset border 2
\pset linestyle old-ascii

-- "mean +- deviation (must, prototype)", and an exclamation mark where the must
-- is missed.  Nothing is saved where a router cannot reach the quality.
CREATE TEMP VIEW cell_text AS
SELECT p.id, p.name, p.draws, m.metric,
       concat(round(mean, d), ' +- ', round(deviation, d),
              CASE WHEN r.protocol IS NOT NULL
                   THEN format(' (%s, %s)', coalesce(r.must::text, '-'),
                               coalesce(r.prototype::text, '-')) END,
              CASE WHEN m.metric LIKE 'CPT%' AND mean > r.must
                     OR m.metric NOT LIKE 'CPT%' AND mean < r.must
                   THEN ' !' END) AS cell
  FROM (SELECT t.protocol, metric, avg(v)::numeric AS mean,
               stddev(v)::numeric AS deviation
          FROM metric JOIN training t USING (run),
               LATERAL (SELECT CASE WHEN value = 'NaN' THEN 0
                                    ELSE value END AS v) defined
         GROUP BY t.protocol, metric) m
  JOIN protocol p ON p.id = m.protocol
  LEFT JOIN reference r ON r.protocol = p.name AND r.metric = m.metric,
       LATERAL (SELECT CASE WHEN m.metric ~ 'CPT|saved' THEN 1
                            ELSE 3 END AS d) digits;

\echo 'Two models: mean +- deviation over the draws (must, prototype: of other prompts, held out); ! = must missed'
SELECT name AS protocol, draws,
       max(cell) FILTER (WHERE metric = 'APGR') AS "APGR",
       max(cell) FILTER (WHERE metric = 'CPT50') AS "CPT50",
       max(cell) FILTER (WHERE metric = 'CPT80') AS "CPT80"
  FROM cell_text GROUP BY id, name, draws
HAVING count(*) FILTER (WHERE metric = 'APGR') > 0 ORDER BY id;

\echo 'Published, two models, on test sets of their own (CPT50 / CPT80 / APGR)'
SELECT * FROM (VALUES
    ('random', '50.1 / 79.9 / .500', '50.0 / 80.1 / .497'),
    ('RouteLLM, best of four with arena data only', '45.0 / 76.9 / .524',
     '53.6 / 82.1 / .475'),
    ('RouteLLM, best with added labels (1,500 of MMLU, 120,000 of a judge)',
     '35.4 / 71.6 / .603', '33.6 / 63.3 / .622')) anchor(router, "MMLU", "GSM8K");

\echo 'Many models, likewise; saved = % of the best single model''s cost at 95 or 99 % of its quality'
SELECT name AS protocol, draws,
       max(cell) FILTER (WHERE metric = 'quality') AS quality,
       max(cell) FILTER (WHERE metric = 'AIQ') AS "AIQ",
       max(cell) FILTER (WHERE metric = 'saved 95') AS "saved at 95",
       max(cell) FILTER (WHERE metric = 'saved 99') AS "saved at 99"
  FROM cell_text GROUP BY id, name, draws
HAVING count(*) FILTER (WHERE metric = 'AIQ') > 0 ORDER BY id;

\echo 'What there is without a router, on the same folds'
SELECT replace(name, ' all', '') AS dataset,
       max(cell) FILTER (WHERE metric = 'best single') AS "best single",
       max(cell) FILTER (WHERE metric = 'AIQ singles') AS "AIQ of singles",
       max(cell) FILTER (WHERE metric = 'AIQ oracle') AS "AIQ of the oracle",
       max(cell) FILTER (WHERE metric = 'singles saved 95') AS "singles save at 95",
       max(cell) FILTER (WHERE metric = 'singles saved 99') AS "singles save at 99"
  FROM cell_text WHERE name LIKE '% all' GROUP BY id, name
HAVING count(*) FILTER (WHERE metric = 'AIQ') > 0 ORDER BY id;

-- Each test prompt once, mean over the draws: the score of the model chosen less
-- that of the best single model in hindsight; picked = most expected quality, routed = route().
CREATE TEMP VIEW gain AS
WITH single AS (
    SELECT DISTINCT ON (test) p.test, e.model
      FROM (SELECT DISTINCT test FROM protocol) p
      JOIN eval e ON e.dataset = ANY (p.test)
     GROUP BY p.test, e.model ORDER BY p.test, avg(score) DESC),
draw AS (
    SELECT t.protocol, t.draw, c.dataset, c.id,
           (array_agg(score ORDER BY quality DESC, c.model))[1] AS picked,
           (array_agg(score ORDER BY rank))[1] AS routed,
           max(score) FILTER (WHERE c.model = s.model) AS single
      FROM cell c JOIN training t USING (run)
      JOIN protocol p ON p.id = t.protocol
      JOIN single s ON s.test = p.test
     GROUP BY t.protocol, t.draw, c.dataset, c.id),
prompt AS (
    SELECT protocol, avg(picked) AS picked, avg(routed) AS routed,
           avg(single) AS single
      FROM draw GROUP BY protocol, dataset, id)
SELECT protocol, count(*) AS prompts, avg(single) AS single,
       avg(picked) AS picked, avg(routed) AS routed,
       avg(picked - single) AS picked_gain, avg(routed - single) AS routed_gain,
       stddev(picked - single) / sqrt(count(*)) AS picked_stderr,
       stddev(routed - single) / sqrt(count(*)) AS routed_stderr
  FROM prompt GROUP BY protocol;

CREATE TEMP TABLE gains AS SELECT * FROM gain;

\echo 'Objective quality against the best single model in hindsight: test prompts of all folds together, paired standard error'
SELECT p.name AS protocol, g.prompts AS "test prompts",
       round(single::numeric, 4) AS "best single",
       round(picked::numeric, 4) AS "most expected",
       format('%s +- %s', round(picked_gain::numeric, 4),
              round(picked_stderr::numeric, 4)) AS gain,
       round(routed::numeric, 4) AS "route()",
       format('%s +- %s', round(routed_gain::numeric, 4),
              round(routed_stderr::numeric, 4)) AS "gain of route()",
       CASE WHEN routed_gain > 1.96 * routed_stderr THEN 'better'
            WHEN routed_gain < -1.96 * routed_stderr THEN 'worse'
            ELSE 'equal' END AS "at 95 %"
  FROM gains g JOIN protocol p ON p.id = g.protocol ORDER BY p.id;

\echo 'Fewest prompts from which route() beats the best single model with 95 % confidence, and goes on to'
SELECT test[1] AS dataset,
       (SELECT coalesce(n.prompts::text, 'all of four folds')
          FROM protocol n JOIN gains h ON h.protocol = n.id
         WHERE n.train = p.test AND n.test = p.test AND NOT n.task
           AND n.id > coalesce(max(p.id) FILTER (
               WHERE NOT g.routed_gain > 1.96 * g.routed_stderr), 0)
         ORDER BY n.id LIMIT 1) AS prompts
  FROM gains g JOIN protocol p ON p.id = g.protocol
 WHERE train = test AND cardinality(test) = 1 AND NOT task
 GROUP BY test ORDER BY 1;

\echo 'Training: medians of the draws'
SELECT p.name AS protocol, cardinality(min(models)) AS models,
       round(percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 2) AS seconds,
       max(artifact_bytes) AS "artifact bytes"
  FROM training t JOIN protocol p ON p.id = t.protocol
 WHERE p.prompts IS DISTINCT FROM 0
 GROUP BY p.id, p.name ORDER BY p.id;

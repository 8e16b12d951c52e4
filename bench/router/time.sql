-- time.sql
--	  Microseconds of a decision: a query that calls route() on every prompt,
--	  less the same query with octet_length() in its place.  2,000 different
--	  prompts of each size, all of them once or more in each round; medians of 5
--	  rounds, taken in turn.  By the clock, and by the processor time of this
--	  process, which does not count what others take away.

SET client_min_messages = warning;
SET compute_query_id = off;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE TEMP TABLE run(models int, router text, bytes text, what text,
                      us float8, cpu_us float8);

CREATE FUNCTION pg_temp.cpu_us() RETURNS float8
LANGUAGE sql AS $$
    SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1000
$$;

CREATE PROCEDURE pg_temp.measure(models int, router text, bytes text, what text,
                                 call text)
LANGUAGE plpgsql AS $$
DECLARE
    rounds int := greatest(1, least(5, 5000 / bytes::int));
    calls int := rounds * (SELECT count(*) FROM prompt WHERE set = bytes);
    started timestamptz := clock_timestamp();
    cpu float8 := pg_temp.cpu_us();
BEGIN
    EXECUTE format('SELECT count(%s)
                      FROM (SELECT no, prompt AS body
                              FROM prompt, generate_series(1, %s) WHERE set = $1) t,
                           LATERAL (SELECT no || '' '' || body AS prompt OFFSET 0) p',
                   call, rounds)
      USING bytes;
    INSERT INTO run VALUES (models, router, bytes, what,
        extract(epoch FROM clock_timestamp() - started) * 1e6 / calls,
        (pg_temp.cpu_us() - cpu) / calls);
END
$$;

CREATE PROCEDURE pg_temp.measure_all(models int, router text)
LANGUAGE plpgsql AS $$
DECLARE
    size text;
BEGIN
    PERFORM set_config('modelroute.router', router, false);
    FOREACH size IN ARRAY '{100, 1000, 10000}'::text[] LOOP
        FOR turn IN 0 .. 5 LOOP
            CALL pg_temp.measure(models, router, size, 'baseline',
                                 'octet_length(prompt)');
            CALL pg_temp.measure(models, router, size, 'balanced',
                                 'modelroute.route(prompt)');
            CALL pg_temp.measure(models, router, size, 'quality',
                                 'modelroute.route(prompt, ''quality'')');
            CALL pg_temp.measure(models, router, size, 'predict',
                '(SELECT count(*) FROM modelroute.predict_quality(prompt))');
            IF turn = 0 THEN -- to warm up
                DELETE FROM run r WHERE (r.models, r.router, r.bytes)
                                      = (measure_all.models, measure_all.router, size);
            END IF;
        END LOOP;
    END LOOP;
END
$$;

SELECT modelroute.train_router('bench-10', evals_query('train', 3000, 10)),
       modelroute.train_router('bench-100', evals_query('train', 3000, 100))
\g /dev/null

CALL make_catalog(10);
CALL pg_temp.measure_all(10, 'default');
CALL pg_temp.measure_all(10, 'bench-10');
CALL make_catalog(100);
CALL pg_temp.measure_all(100, 'default');
CALL pg_temp.measure_all(100, 'bench-100');

CREATE TEMP VIEW median AS
SELECT models, router, bytes, what,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY us) AS us,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY cpu_us) AS cpu_us
  FROM run GROUP BY models, router, bytes, what;

\pset footer off
\echo 'Microseconds over those of octet_length(): processor time (by the clock)'
SELECT models, router, bytes AS "prompt bytes",
       round(min(b.cpu_us)::numeric, 1) AS "octet_length()",
       max(diff) FILTER (WHERE m.what = 'balanced') AS "route()",
       max(diff) FILTER (WHERE m.what = 'quality') AS "objective quality",
       max(diff) FILTER (WHERE m.what = 'predict') AS "predict_quality()"
  FROM (SELECT * FROM median WHERE what = 'baseline') b
  JOIN median m USING (models, router, bytes),
       LATERAL (SELECT format('%s (%s)', round((m.cpu_us - b.cpu_us)::numeric, 1),
                              round((m.us - b.us)::numeric, 1)) AS diff) d
 GROUP BY models, router, bytes
 ORDER BY models, router = 'default' DESC, bytes::int;

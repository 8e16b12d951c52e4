-- measure.sql
--	  Microseconds per row of a query that calls route() for each row, and of
--	  the same query with octet_length() in its place, medians of 5 runs taken in
--	  turn; the difference is the price of a decision.

SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE TEMP TABLE run(bytes int, what text, us float8);

-- Every row has another prompt, made the same way whatever is called.
CREATE PROCEDURE pg_temp.measure(bytes int, what text, call text)
LANGUAGE plpgsql AS $$
DECLARE
    calls CONSTANT int := 20000;
    body text := substr(repeat('The quick brown fox, who lives in the forest '
        'near Berlin, asked his friends how a function in python can compute '
        '3 + 4 = 7 items from a list of 12, and why. ', 1 + bytes / 100),
        1, bytes - 8);
    started timestamptz := clock_timestamp();
BEGIN
    EXECUTE format('SELECT count(%s)
                      FROM generate_series(10000000, 9999999 + %s) i,
                           LATERAL (SELECT i || $1 AS prompt OFFSET 0) p',
                   call, calls)
      USING body;
    INSERT INTO run VALUES (bytes, what,
        extract(epoch FROM clock_timestamp() - started) * 1e6 / calls);
END
$$;

CREATE PROCEDURE pg_temp.measure_all()
LANGUAGE plpgsql AS $$
DECLARE
    size int;
BEGIN
    FOREACH size IN ARRAY '{100, 1000, 10000}'::int[] LOOP
        FOR turn IN 1 .. 5 LOOP
            CALL pg_temp.measure(size, 'baseline', 'octet_length(prompt)');
            CALL pg_temp.measure(size, 'balanced', 'modelroute.route(prompt)');
            CALL pg_temp.measure(size, 'quality', 'modelroute.route(prompt, ''quality'')');
        END LOOP;
    END LOOP;
END
$$;

CALL pg_temp.measure_all();

SELECT bytes AS "prompt bytes",
       round(l::numeric, 2) AS "octet_length() us",
       round(b::numeric, 2) AS "route() us",
       round((b - l)::numeric, 2) AS "decision us",
       round((q - l)::numeric, 2) AS "decision us, objective quality"
  FROM (SELECT bytes,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE what = 'baseline') AS l,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE what = 'balanced') AS b,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE what = 'quality') AS q
          FROM run GROUP BY bytes) medians
 ORDER BY bytes;

-- report.sql
--	  The medians of the figures on standard input, beside the targets.  A
--	  difference or ratio is the median of those of the rounds, so that the
--	  drift between rounds does not count; "least over least" takes the best
--	  round of each, which a busy machine disturbs less.

CREATE TEMP TABLE figure(round text, section text, what text, sessions int,
    provider_ms int, us float8, per_second float8);
\copy figure FROM pstdin WITH (NULL '')

CREATE TEMP TABLE label(what text, rank int, label text);
INSERT INTO label VALUES
    ('nothing', 0, 'SELECT 1'),
    ('floor', 1, 'floor: libcurl and cJSON'),
    ('off', 2, 'named model, ledger off'),
    ('async', 3, 'auto, synchronous_commit off'),
    ('durable', 4, 'auto, durable'),
    ('durable-nofsync', 5, 'auto, durable, fsync off'),
    ('strict', 6, 'auto, strict'),
    ('peer', 7, 'pgsql-http, keep-alive');

CREATE TEMP VIEW median AS
SELECT f.section, f.what, f.sessions, f.provider_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY f.us) AS us,
       min(f.us) AS least_us, min(b.us) AS least_floor_us,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY f.per_second) AS per_second,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY f.us - b.us) AS over_us,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY f.us / b.us) AS us_ratio,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY f.per_second / b.per_second)
           AS rate_ratio
  FROM figure f
  JOIN figure b USING (round, section, sessions, provider_ms)
 WHERE b.what = 'floor'
 GROUP BY f.section, f.what, f.sessions, f.provider_ms;

CREATE FUNCTION pg_temp.verdict(good bool, very_good bool) RETURNS text
LANGUAGE sql AS $$
    SELECT CASE WHEN very_good THEN 'stretch' WHEN good THEN 'met'
                WHEN good IS NOT NULL THEN 'no' END
$$;

\echo
\echo S1, S2: one session, all calls in one statement, provider at 0 ms
SELECT label AS "call", round(us::numeric, 1) AS "us",
       round(over_us::numeric, 1) AS "over floor",
       round(us_ratio::numeric, 2) AS "ratio",
       round((least_us - least_floor_us)::numeric, 1) AS "least over least",
       target, stretch,
       pg_temp.verdict(over_us <= target, over_us <= stretch) AS "verdict"
  FROM median
  JOIN label USING (what)
  LEFT JOIN (VALUES ('off', 40, 15), ('async', 65, 40))
       AS t(what, target, stretch) USING (what)
 WHERE section = 'statement'
 ORDER BY rank;

\echo
\echo S3: sessions of pgbench, a statement per call
SELECT sessions, label AS "call", round(us::numeric) AS "us",
       round(per_second::numeric) AS "calls/s",
       round(rate_ratio::numeric, 2) AS "of floor"
  FROM median
  JOIN label USING (what)
 WHERE section = 'sessions'
 ORDER BY sessions, rank;

-- Where pgsql-http is not installed, it is taken to be as far from the floor
-- as when both were measured: floor 46 us, pgsql-http 5,300 calls/s at one
-- client and 8,600 at 8.
\echo
\echo S3: durable calls/s against pgsql-http with keep-alive
SELECT sessions, round(d.per_second::numeric) AS "durable calls/s",
       round(peer.per_second::numeric) AS "pgsql-http calls/s",
       peer.how AS "which is",
       round((d.per_second / peer.per_second)::numeric, 2) AS "ratio",
       target, stretch,
       pg_temp.verdict(d.per_second >= target * peer.per_second,
                       d.per_second >= stretch * peer.per_second) AS "verdict",
       round((n.per_second / peer.per_second)::numeric, 2) AS "ratio, fsync off"
  FROM median d
  JOIN median n USING (section, sessions)
  JOIN (VALUES (1, 0.7, 1.0, 5300), (8, 1.0, 1.3, 8600), (32, 1.0, 1.3, 8600))
       AS t(sessions, target, stretch, known) USING (sessions),
       LATERAL (SELECT per_second, 'measured' AS how
                  FROM median p
                 WHERE section = 'sessions' AND what = 'peer'
                   AND p.sessions = t.sessions
                 UNION ALL
                SELECT per_second * known * 46e-6, 'derived from the floor'
                  FROM median p
                 WHERE section = 'sessions' AND what = 'floor'
                   AND p.sessions = 1
                 LIMIT 1) peer
 WHERE section = 'sessions' AND d.what = 'durable'
   AND n.what = 'durable-nofsync'
 ORDER BY sessions;

\echo
\echo S4: one session, a slow provider, a named model (milliseconds)
SELECT provider_ms AS "provider",
       CASE what WHEN 'off' THEN 'ledger off' ELSE what END AS "call",
       round(us::numeric / 1000, 2) AS "ms",
       round(over_us::numeric / 1000, 2) AS "over floor", target,
       pg_temp.verdict(over_us <= target * 1000, false) AS "verdict"
  FROM median
  LEFT JOIN (VALUES ('off', 20, 0.4), ('durable', 20, 0.4),
                    ('off', 200, 0.8), ('durable', 200, 0.8))
       AS t(what, provider_ms, target) USING (what, provider_ms)
 WHERE section = 'slow'
 ORDER BY provider_ms, us;

\echo
\echo What fsync adds to a durable call
SELECT CASE section WHEN 'statement' THEN 'in one statement'
            ELSE format('pgbench, %s', sessions) END AS "calls",
       round(with_it.us::numeric) AS "us", round(without.us::numeric) AS "fsync off",
       round((with_it.us - without.us)::numeric) AS "difference"
  FROM median with_it
  JOIN median without USING (section, sessions, provider_ms)
 WHERE with_it.what = 'durable' AND without.what = 'durable-nofsync'
 ORDER BY section DESC, sessions;

-- training.sql
--	  Time and memory of one training, in a session of its own: of :prompts
--	  prompts x :models models.  Prints a row of the table.

SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION pg_temp.status_mb(field text) RETURNS numeric
LANGUAGE sql AS $$
    SELECT round(substring(pg_read_file('/proc/self/status')
                           FROM field || ':\s+(\d+) kB')::numeric / 1024, 1)
$$;

CREATE FUNCTION pg_temp.cpu_s() RETURNS numeric
LANGUAGE sql AS $$
    SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9
$$;

-- Shared memory that the process has touched is no memory of its own.
\o /dev/null
SELECT clock_timestamp() AS started, pg_temp.cpu_s() AS cpu \gset
SELECT count(*) FROM (SELECT modelroute.train_router('bench',
    evals_query('long', :prompts, :models))) t;
SELECT clock_timestamp() AS ended, pg_temp.cpu_s() - :cpu AS cpu \gset
\o
\pset tuples_only on
\pset format unaligned
SELECT format('| %s x %s | %s | %s | %s | %s | %s | %s | %s |', :prompts, :models,
              :prompts * :models,
              round(extract(epoch FROM :'ended'::timestamptz
                            - :'started'::timestamptz)::numeric, 2),
              round(:cpu, 2),
              pg_temp.status_mb('VmHWM'),
              pg_temp.status_mb('VmHWM') - pg_temp.status_mb('RssShmem')
              - pg_temp.status_mb('RssFile'),
              r.prompts, octet_length(artifact))
  FROM modelroute.router r WHERE name = 'bench';
SELECT modelroute.drop_router('bench')
\g /dev/null

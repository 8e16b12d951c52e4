-- memory.sql
--	  Private memory of this session's backend and of the worker while the
--	  file :calls makes calls; it tells when to look by pg_temp.note_memory.

CREATE TEMP TABLE memory(calls int, backend_kb int, worker_kb int);

CREATE FUNCTION pg_temp.private_kb(process text) RETURNS int
LANGUAGE sql AS $$
    SELECT substring(pg_read_file('/proc/' || process || '/status')
                     FROM 'RssAnon:\s+(\d+) kB')::int
$$;

CREATE FUNCTION pg_temp.note_memory(calls int) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO memory
    SELECT calls, pg_temp.private_kb('self'), pg_temp.private_kb(pid::text)
      FROM pg_stat_activity
     WHERE backend_type = 'modelroute worker'
       AND datname = current_database()
$$;

PREPARE call AS SELECT modelroute.complete(:'prompt', 'auto');

\o /dev/null
\i :calls
\o
\pset tuples_only off
\pset format aligned
\pset footer off
\echo
\echo Private memory of one backend and the worker
SELECT calls, backend_kb, worker_kb FROM memory ORDER BY calls;

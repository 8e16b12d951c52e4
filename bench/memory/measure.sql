-- measure.sql
--	  Makes the calls of file :steps in one session, which looks at its memory
--	  and the worker's by pg_temp.note_memory, and prints what it saw.

SET client_min_messages = warning;
SET synchronous_commit = off;
SET jit = off; -- LLVM would be most of what is seen
\o /dev/null
CREATE TEMP TABLE memory(calls int, process text, private_kb int,
                         resident_kb int, contexts_kb int);

CREATE FUNCTION pg_temp.status_kb(process text, field text) RETURNS int
LANGUAGE sql AS $$
    SELECT substring(pg_read_file('/proc/' || process || '/status')
                     FROM field || ':\s+(\d+) kB')::int
$$;

-- The worker writes its contexts to the server's log when asked.
CREATE FUNCTION pg_temp.note_memory(calls int) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO memory
    SELECT calls, 'backend', pg_temp.status_kb('self', 'RssAnon'),
           pg_temp.status_kb('self', 'VmRSS'),
           (SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts);
    INSERT INTO memory
    SELECT calls, 'worker', pg_temp.status_kb(pid::text, 'RssAnon'),
           pg_temp.status_kb(pid::text, 'VmRSS')
      FROM pg_stat_activity
     WHERE backend_type = 'modelroute worker'
       AND datname = current_database();
    SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity
     WHERE backend_type = 'modelroute worker'
       AND datname = current_database();
$$;

PREPARE call AS SELECT modelroute.complete('hello', 'bench');
\i :steps
SELECT count(*) AS calls FROM modelroute.audit \gset
\o
\pset footer off
\pset null -
\echo 'Memory in kB; rows of audit:' :calls
SELECT * FROM memory ORDER BY process, calls;

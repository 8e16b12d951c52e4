-- measure.sql
--	  The median time, in microseconds, of :calls calls that one statement
--	  makes one after the other; after a warm-up in the same session.

SELECT count(modelroute.complete(:'prompt', :'model'))
  FROM generate_series(1, 1 + :calls / 5) \g /dev/null

SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY us)
  FROM (SELECT 1e6 * extract(epoch FROM ended - lag(ended) OVER (ORDER BY i)) AS us
          FROM (SELECT i,
                       modelroute.complete(:'prompt', :'model') AS reply,
                       clock_timestamp() AS ended
                  FROM generate_series(0, :calls) i
                OFFSET 0) calls
         WHERE reply IS NOT NULL) times;

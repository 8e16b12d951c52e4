-- feedback(): who may judge which call, what a score may be, and what is kept.
-- All in one transaction over calls of its own, rolled back at the end.
\set ON_ERROR_ROLLBACK on
\set VERBOSITY terse
BEGIN;
CREATE ROLE fb_alice;
CREATE ROLE fb_bob;
CREATE ROLE fb_judge;
CREATE ROLE fb_nobody;
SELECT modelroute.grant_use('fb_alice'), modelroute.grant_use('fb_bob'),
       modelroute.grant_use('fb_judge'), modelroute.grant_monitor('fb_judge');
INSERT INTO modelroute.audit (call_id, status, role, database, requested_model,
       attempts, attempts_unknown, started_at, content_dropped)
VALUES (-1, 'ok', 'fb_alice', 'd', 'auto', 1, 0, '2026-01-01', false),
       (-2, 'ok', 'fb_bob', 'd', 'auto', 1, 0, '2026-01-01', false);

-- one's own call, as often as one likes; every kind of number
SET LOCAL ROLE fb_alice;
SELECT modelroute.feedback(-1, 1) < modelroute.feedback(-1, 0) AS in_order;
SELECT modelroute.feedback(call_id => -1, score => 0.25, source => 'café ☕',
                           note => E'two\nlines') IS NOT NULL AS given;
SELECT call_id, score, source = 'café ☕' AS source, note, role,
       created_at = now() AS now
  FROM modelroute.feedback ORDER BY feedback_id;

-- not that of another, nor one that is not there
SELECT modelroute.feedback(-2, 1);
SELECT modelroute.feedback(-3, 1);
\set VERBOSITY default
SELECT modelroute.feedback(-2, 1);
\set VERBOSITY terse

-- scores and calls that are none
SELECT modelroute.feedback(-1, 1.001);
SELECT modelroute.feedback(-1, -0.001);
SELECT modelroute.feedback(-1, 'NaN');
SELECT modelroute.feedback(-1, 'Infinity');
SELECT modelroute.feedback(-1, NULL);
SELECT modelroute.feedback(NULL, 1);
SELECT modelroute.feedback(-1, 1, repeat('é', 201));
SELECT modelroute.feedback(-1, 1, NULL, repeat('é', 10001));
SELECT modelroute.feedback(-1, 1, repeat('é', 200), repeat('é', 10000)) IS NOT NULL AS fits;

-- in bulk, by INSERT, under the same rules
INSERT INTO modelroute.feedback (call_id, score, source)
SELECT call_id, 0.5, 'bulk' FROM modelroute.audit;
INSERT INTO modelroute.feedback (call_id, score) VALUES (-2, 1);
INSERT INTO modelroute.feedback (call_id, score) VALUES (-1, 'NaN');
INSERT INTO modelroute.feedback (call_id, score, role) VALUES (-1, 1, 'fb_bob');
INSERT INTO modelroute.feedback (call_id, score, created_at) VALUES (-1, 1, now());
UPDATE modelroute.feedback SET score = 1;
DELETE FROM modelroute.feedback;

-- what others see of it
SET LOCAL ROLE fb_bob;
SELECT count(*) FROM modelroute.feedback;
SET LOCAL ROLE fb_judge;
SELECT modelroute.feedback(-2, 0.75, 'judge') IS NOT NULL AS given;
SELECT call_id, role, count(*), round(avg(score)::numeric, 2) AS score
  FROM modelroute.feedback GROUP BY 1, 2 ORDER BY 1, 2;
SET LOCAL ROLE fb_nobody;
SELECT modelroute.feedback(-1, 1);
SELECT count(*) FROM modelroute.feedback;
RESET ROLE;

-- joined with the audit it is a training set
SELECT a.call_id, count(*) AS scores, round(avg(f.score)::numeric, 2) AS score
  FROM modelroute.audit a JOIN modelroute.feedback f USING (call_id)
 WHERE a.call_id < 0 GROUP BY 1 ORDER BY 1;
ROLLBACK;

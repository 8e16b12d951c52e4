-- ---------------------------------------------------------------------
-- Feedback: how good the replies were, in the caller's own judgement
--
-- Ordinary rows under row level security: a role may also INSERT them, for
-- the calls that it sees in audit.
-- ---------------------------------------------------------------------

CREATE TABLE modelroute.feedback (
	feedback_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	call_id bigint NOT NULL,
	score real NOT NULL CHECK (score >= 0 AND score <= 1),
	source text CHECK (length(source) <= 200),
	note text CHECK (length(note) <= 10000),
	role name NOT NULL DEFAULT current_user,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX feedback_call_id ON modelroute.feedback (call_id);

COMMENT ON TABLE modelroute.feedback IS
'Scores of replies, any number per call; see feedback(). A role sees what it gave; grant_monitor() lets it see all.';
COMMENT ON COLUMN modelroute.feedback.feedback_id IS 'What feedback() returned.';
COMMENT ON COLUMN modelroute.feedback.call_id IS 'The call that is judged; see audit.';
COMMENT ON COLUMN modelroute.feedback.score IS '0 = useless, 1 = as good as can be.';
COMMENT ON COLUMN modelroute.feedback.source IS 'Who or what judged, in the caller''s words: a person, a test, a model.';
COMMENT ON COLUMN modelroute.feedback.note IS 'Why, for people.';
COMMENT ON COLUMN modelroute.feedback.role IS 'The role that gave it (current_user).';
COMMENT ON COLUMN modelroute.feedback.created_at IS 'When it was given.';
COMMENT ON SEQUENCE modelroute.feedback_feedback_id_seq IS 'Numbers the rows of feedback.';

ALTER TABLE modelroute.feedback ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_or_monitor ON modelroute.feedback FOR SELECT
	USING (role = current_user OR (SELECT pg_catalog.has_function_privilege(
		current_user, 'modelroute.monitor()', 'EXECUTE')));
COMMENT ON POLICY own_or_monitor ON modelroute.feedback IS
'A role sees the feedback it gave; whoever may execute modelroute.monitor() sees all.';
CREATE POLICY on_visible_calls ON modelroute.feedback FOR INSERT
	WITH CHECK (role = current_user AND EXISTS (
		SELECT FROM modelroute.audit a WHERE a.call_id = feedback.call_id));
COMMENT ON POLICY on_visible_calls ON modelroute.feedback IS
'A role judges, in its own name, the calls that it sees in audit.';

CREATE FUNCTION modelroute.feedback(
	call_id bigint,
	score real,
	source text DEFAULT NULL,
	note text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	given_id bigint;
BEGIN
	IF feedback.call_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'call_id must not be NULL',
			HINT = 'A call has no id when modelroute.ledger is off.';
	END IF;
	IF (feedback.score >= 0 AND feedback.score <= 1) IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'score must be a number from 0 to 1',
			HINT = '0 is a useless reply, 1 one that could not be better.';
	END IF;
	IF length(feedback.source) > 200 OR length(feedback.note) > 10000 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'source or note is too long',
			HINT = 'source has at most 200 characters, note 10000.';
	END IF;
	IF NOT EXISTS (SELECT FROM modelroute.audit a
				   WHERE a.call_id = feedback.call_id) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('call %s is not in modelroute.audit',
							 feedback.call_id),
			DETAIL = 'A role sees its own calls, and all with modelroute.grant_monitor().',
			HINT = 'Take call_id from modelroute.complete_record() or modelroute.audit. A transaction in REPEATABLE READ sees the calls that it made only after its end.';
	END IF;
	INSERT INTO modelroute.feedback AS f (call_id, score, source, note)
	VALUES (feedback.call_id, feedback.score, feedback.source, feedback.note)
	RETURNING f.feedback_id INTO given_id;
	RETURN given_id;
END
$$;
COMMENT ON FUNCTION modelroute.feedback(bigint, real, text, text) IS
'Says how good the reply of a call was, from 0 (useless) to 1; as often as you like per call. Returns feedback_id. Raises 42704 for a call that the role does not see in audit.';

SELECT pg_catalog.pg_extension_config_dump('modelroute.feedback', '');
SELECT pg_catalog.pg_extension_config_dump('modelroute.feedback_feedback_id_seq', '');

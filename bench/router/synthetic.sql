-- synthetic.sql
--	  Tables and functions that time.sql and training.sql share: prompts of
--	  synthetic.pl, and evals of as many models as one likes on them.

CREATE TABLE prompt(set text, no int, topic int, prompt text,
                    PRIMARY KEY (set, no));
ALTER TABLE prompt ALTER COLUMN prompt SET STORAGE EXTERNAL;

-- Model m is right on a prompt by chance, with a probability that depends on
-- the prompt's topic.
CREATE FUNCTION score(model int, no int, topic int) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT ((hashint8extended(no * 1000::bigint + model, 0) & 1023) / 1024.0
            < 0.5 + 0.25 * cos(model) + 0.2 * cos(model * (topic + 2)))::int
$$;

CREATE FUNCTION evals_query(set text, prompts int, models int) RETURNS text
LANGUAGE sql AS $$
    SELECT format('SELECT prompt, ''bench-model-'' || m AS model,
                          public.score(m, no, topic) AS score,
                          0.0001 * (1 + m * 37 %% 50) * length(prompt) / 500 AS cost
                     FROM public.prompt, generate_series(1, %s) m
                    WHERE set = %L AND no <= %s', models, set, prompts)
$$;

-- One endpoint for each model; all others leave.
CREATE PROCEDURE make_catalog(models int)
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE modelroute.provider SET enabled = false;
    DELETE FROM modelroute.endpoint;
    PERFORM modelroute.add_provider('bench', 'http://127.0.0.1:9');
    PERFORM modelroute.add_model('bench-model-' || m, 'bench',
                input_price => 0.05 * (1 + m * 37 % 50),
                output_price => 0.2 * (1 + m * 37 % 50),
                context_window => 128000,
                max_output_tokens => 8192,
                quality => jsonb_build_object(
                    'default', 0.3 + 0.012 * (m * 37 % 50),
                    'code', 0.2 + 0.014 * (m * 31 % 50),
                    'math', 0.2 + 0.014 * (m * 29 % 50),
                    'reasoning', 0.2 + 0.014 * (m * 23 % 50),
                    'knowledge', 0.2 + 0.014 * (m * 19 % 50),
                    'writing_chat', 0.2 + 0.014 * (m * 17 % 50)))
       FROM generate_series(1, models) m;
END
$$;

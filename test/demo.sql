-- demo.sql: the main job of modelroute, seen from psql.

-- Add modelroute to a database.
CREATE EXTENSION modelroute;

-- Three providers, one of which speaks Anthropic's dialect and the others
-- OpenAI's; here one local process plays them all, over real HTTP.
SELECT count(modelroute.add_provider(name, :'upstream_url' || '/p/' || name || '/v1', api)) AS providers
FROM (VALUES ('quick', 'openai'), ('deep', 'anthropic'), ('spare', 'openai')) AS p (name, api);

-- Two models, one of them at two providers: prices in USD per million tokens,
-- quality by kind of prompt.
SELECT modelroute.add_model('small', 'quick', input_price => 0.1, output_price => 0.4,
	quality => '{"default": 0.62, "writing_chat": 0.8, "math": 0.3, "code": 0.4}'),
	modelroute.add_model('large', 'deep', input_price => 5, output_price => 25,
	quality => '{"default": 0.85, "math": 0.97, "code": 0.95}'),
	modelroute.add_model('large', 'spare', input_price => 6, output_price => 30);

-- Which model would answer, at what cost?  Nothing is sent.
SELECT model, provider, category, round(quality::numeric, 2) AS quality, round(cost, 6) AS cost
FROM modelroute.route('Write a friendly greeting for a birthday card');

-- Why?  Each term of the decision, and why the other models of the catalog
-- that comes with modelroute are out.
SELECT rank, model, provider, round(quality_term::numeric, 3) AS quality,
	round(cost_term::numeric, 3) AS cost, round(latency_term::numeric, 3) AS latency,
	round(utility::numeric, 3) AS utility
FROM modelroute.route_candidates('Prove that the square root of 2 is irrational')
WHERE rank IS NOT NULL;

SELECT excluded_by, count(*) AS endpoints
FROM modelroute.route_candidates('Prove that the square root of 2 is irrational')
WHERE rank IS NULL GROUP BY excluded_by;

-- Ask, for a whole column.
CREATE TABLE ticket (id int PRIMARY KEY, customer text, body text, answer text);
INSERT INTO ticket (id, customer, body) VALUES
	(1, 'Ada', 'Write a friendly greeting for a birthday card'),
	(2, 'Ada', 'Write a C function that reverses a linked list'),
	(3, 'Grace', 'Solve the equation x^2 + 5x + 6 = 0 and prove it'),
	(4, 'Grace', 'Prove by induction that 2^n > n, in spite of an outage');

UPDATE ticket SET answer = modelroute.complete(body, 'auto',
	jsonb_build_object('ref', id::text, 'objective', 'quality=0.8,cost=0.2'));

SELECT id, answer FROM ticket ORDER BY id;

-- Every call is on record: who answered, and what it cost in USD.
SELECT ref, model, provider, status, attempts, input_tokens, output_tokens, round(cost, 6) AS cost
FROM modelroute.audit ORDER BY call_id;

-- So is every exchange: when one provider was down, the next one answered.
SELECT ref, attempt.provider, attempt.status, http_status, attempt.error_kind
FROM modelroute.attempt JOIN modelroute.audit USING (call_id)
WHERE ref = '4' ORDER BY attempt_id;

-- What did each customer cost?  The audit is a table like any other.
SELECT customer, count(*) AS calls, sum(output_tokens) AS output_tokens, round(sum(cost), 6) AS usd
FROM ticket JOIN modelroute.audit ON audit.ref = ticket.id::text
GROUP BY customer ORDER BY usd DESC;

-- A statement that fails or rolls back has been paid for all the same, and
-- is on record all the same.
BEGIN;
SELECT modelroute.complete('Write a birthday card', 'small', '{"tag": "rolled back"}');
ROLLBACK;
SELECT tag, status, round(cost, 6) AS usd FROM modelroute.audit WHERE tag = 'rolled back';

-- Learn from scores of your own which model is good at what, and use it.
CREATE TABLE eval AS
SELECT kind || ' no. ' || n AS prompt, model,
	(model = 'large' OR kind <> 'Prove the theorem')::int AS score
FROM generate_series(1, 60) n,
	unnest(ARRAY['Prove the theorem', 'Translate the sentence', 'Classify the ticket']) kind,
	unnest(ARRAY['large', 'small']) model;

SELECT name, version, prompts, models
FROM modelroute.train_router('mine', 'SELECT prompt, model, score FROM eval');

SELECT prompt, model, round(quality::numeric, 2) AS quality, round(cost, 6) AS cost, reason
FROM unnest(ARRAY['Prove the theorem no. 99', 'Translate the sentence no. 99']) prompt,
	modelroute.route(prompt, 'quality=0.8,cost=0.2', '{"router": "mine"}');

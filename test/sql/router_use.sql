-- What a trained router does to decisions: expectations, the best single
-- model, pairs with a threshold, models it has not seen.
\set ON_ERROR_ROLLBACK on
SET client_min_messages = warning;
SET modelroute.allowed_hosts = '127.0.0.1';
BEGIN;
UPDATE modelroute.provider SET enabled = false;
DO $$
BEGIN
	PERFORM modelroute.add_provider('ru-a', 'http://127.0.0.1:9001');
	PERFORM modelroute.add_provider('ru-b', 'http://127.0.0.1:9002');
	PERFORM modelroute.add_model('ru-prose', 'ru-a', input_price => 1,
		output_price => 2, context_window => 100000, max_output_tokens => 4000,
		quality => '{"default": 0.6}');
	PERFORM modelroute.add_model('ru-proof', 'ru-a', input_price => 1,
		output_price => 2, context_window => 100000, max_output_tokens => 4000,
		quality => '{"default": 0.6}');
	PERFORM modelroute.add_model('ru-cheap', 'ru-b', input_price => 0.01,
		output_price => 0.02, context_window => 100000,
		max_output_tokens => 4000, quality => '{"default": 0.4}');
	PERFORM modelroute.add_model('ru-unseen', 'ru-b', input_price => 1,
		output_price => 2, context_window => 100000, max_output_tokens => 4000,
		quality => '{"default": 0.5}');
END
$$;

-- ru-proof is good at lemmas, ru-prose at sonnets, ru-cheap at neither.
CREATE TEMP TABLE evals AS
SELECT format('%s number %s about %s', CASE WHEN lemma THEN 'Prove the lemma'
			  ELSE 'Write a sonnet' END, i, (ARRAY['stars', 'rivers', 'trees',
			  'bridges', 'clouds'])[1 + i % 5]) AS prompt,
	lemma, model,
	CASE model WHEN 'ru-cheap' THEN 0.3
		WHEN 'ru-proof' THEN CASE WHEN lemma THEN 0.9 ELSE 0.5 END
		ELSE CASE WHEN lemma THEN 0.4 ELSE 0.9 END END AS score,
	0.001 * (1 + i % 3) AS cost
FROM generate_series(1, 400) i, LATERAL (SELECT i % 2 = 0 AS lemma) kind,
	unnest(ARRAY['ru-proof', 'ru-prose', 'ru-cheap']) model;

SELECT name, version, prompts, models, report #>> '{held_out,leaves_best_single}' AS leaves
FROM modelroute.train_router('ru', 'SELECT prompt, model, score, cost FROM evals');

-- ----------
-- Expectations
-- ----------

SELECT model, round(quality::numeric, 1) AS quality, stderr > 0 AND stderr < 0.2 AS stderr
FROM modelroute.predict_quality('Prove the lemma number 7 about rivers', 'ru')
ORDER BY model;
SELECT model, round(quality::numeric, 1) AS quality
FROM modelroute.predict_quality('Write a sonnet number 8 about rivers', 'ru:1')
ORDER BY model;
SELECT count(*) FROM modelroute.predict_quality(NULL, 'ru');
SELECT modelroute.predict_quality('x', 'ru:2');
SELECT modelroute.predict_quality('x', 'nobody');
SELECT modelroute.predict_quality('x', 'no such');
SELECT modelroute.predict_quality('', 'ru');
SELECT model, quality BETWEEN 0.55 AND 0.65 AS near_prior
FROM modelroute.predict_quality('Tell me more about it', 'default')
WHERE model LIKE 'ru-%' AND model <> 'ru-cheap' AND model <> 'ru-unseen' ORDER BY 1;
-- a harder prompt widens the distance of strong and weak without any rows
SELECT hard.gap > easy.gap AS wider FROM
	(SELECT max(quality) - min(quality) AS gap FROM modelroute.predict_quality('hi', 'default') WHERE model LIKE 'ru-%') easy,
	(SELECT max(quality) - min(quality) AS gap FROM modelroute.predict_quality(repeat('if it is not so, then it is not so unless it is so. ', 50), 'default') WHERE model LIKE 'ru-%') hard;

-- ----------
-- Choices
-- ----------

SELECT prompt, model, reason FROM
	unnest(ARRAY['Prove the lemma number 7 about rivers',
		'Write a sonnet number 8 about rivers']) prompt,
	modelroute.route(prompt, 'quality', '{"router": "ru"}');
SET LOCAL modelroute.router = 'ru';
SELECT model FROM modelroute.route('Write a sonnet number 8 about rivers', 'quality');
SELECT model FROM modelroute.route('Prove the lemma number 7 about rivers', 'quality');
-- a prompt unlike the training rows: nothing that was learned of it holds
SELECT model, reason FROM modelroute.route('¿Dónde está la biblioteca?', 'quality');
SELECT rank, model, round(quality::numeric, 1) AS quality, quality_stderr > 0.05 AS unsure
FROM modelroute.route_candidates('Prove the lemma number 7 about rivers', 'quality')
WHERE model LIKE 'ru-%' ORDER BY rank;
-- expected tokens come from what the calls cost
SELECT model, output_tokens BETWEEN 800 AND 1200 AS by_cost
FROM modelroute.route_candidates('Prove the lemma number 7 about rivers', 'quality')
WHERE model IN ('ru-proof', 'ru-prose') ORDER BY model;
RESET modelroute.router;

-- ----------
-- Pairs with a threshold
-- ----------

SELECT threshold, model, split_part(reason, ':', 1) AS reason FROM
	(VALUES ('0'), ('0.5'), ('0.9'), ('1')) v (threshold),
	LATERAL (SELECT * FROM modelroute.route_candidates(
		'Prove the lemma number 7 about rivers', NULL, NULL,
		'router-ru-' || threshold) ORDER BY rank LIMIT 1) c;
SELECT rank, model, split_part(reason, ':', 1) AS reason FROM modelroute.route_candidates(
	'Write a sonnet number 8 about rivers', NULL,
	'{"strong": "ru-proof", "weak": "ru-prose"}', 'router-ru-0.5')
WHERE rank <= 2 ORDER BY rank;
-- the strong one is another than the weak one, be that the best of all
SELECT threshold, model, split_part(reason, ':', 1) AS reason FROM
	(VALUES ('0'), ('1')) v (threshold),
	LATERAL (SELECT * FROM modelroute.route_candidates(
		'Prove the lemma number 7 about rivers', NULL, '{"weak": "ru-proof"}',
		'router-ru-' || threshold) ORDER BY rank LIMIT 1) c;
SELECT modelroute.route_candidates('x', NULL, '{"strong": "nobody"}', 'router-ru-0.5');
SELECT modelroute.route_candidates('x', NULL, '{"strong": "ru-proof", "weak": "ru-proof"}', 'router-ru-0.5');

-- ----------
-- The best single model, where evidence is thin
-- ----------

UPDATE evals SET score = CASE model WHEN 'ru-cheap' THEN 0.3 WHEN 'ru-proof'
	THEN 0.6 + 0.2 * (hashtext(prompt) % 2) ELSE 0.6 END;
SELECT version, report #>> '{held_out,leaves_best_single}' AS leaves, report #> '{margin}' AS margin
FROM modelroute.train_router('ru', 'SELECT prompt, model, score FROM evals');
SELECT count(DISTINCT model) AS models
FROM (SELECT DISTINCT prompt FROM evals) e, modelroute.route(prompt, 'quality', '{"router": "ru"}');
-- the former version is still there
SELECT model FROM modelroute.route('Write a sonnet number 8 about rivers', 'quality', '{"router": "ru:1"}');

-- the same rows give the same bytes, which do not lend their name
SELECT version FROM modelroute.train_router('ru-twin', 'SELECT prompt, model, score FROM evals');
SELECT asked, router FROM unnest(ARRAY['ru', 'ru-twin', 'ru:1', 'ru:2']) asked,
	LATERAL (SELECT router FROM modelroute.route_candidates('x', NULL,
		jsonb_build_object('router', asked)) LIMIT 1) c;

-- ----------
-- Means that what is missing, or a prior, would take above 1
-- ----------

SELECT version FROM modelroute.train_router('ru-hard', $$
	SELECT 'Question ' || i AS prompt, model,
		CASE WHEN model = 'ru-cheap' THEN 1 WHEN i % 2 = 0 THEN 0.1 ELSE 0.9 END AS score
	FROM generate_series(1, 200) i, unnest(ARRAY['ru-proof', 'ru-prose', 'ru-cheap']) model
	WHERE model <> 'ru-cheap' OR i % 2 = 0 $$);
SELECT version FROM modelroute.train_router('ru-few', $$
	SELECT 'Question ' || i AS prompt, model, CASE model WHEN 'ru-cheap' THEN 0.95 ELSE 1 END AS score
	FROM generate_series(1, 200) i, unnest(ARRAY['ru-proof', 'ru-cheap']) model
	WHERE model = 'ru-cheap' OR i < 5 $$);
SELECT router, model, quality BETWEEN 0 AND 1 AS sound
FROM unnest(ARRAY['ru-hard', 'ru-few']) router,
	modelroute.predict_quality('Question 1001', router) ORDER BY 1, 2;

-- ----------
-- The caller's task
-- ----------

SELECT version FROM modelroute.train_router('ru-task', $$
	SELECT 'Handle row ' || i AS prompt, task, model,
		CASE WHEN model = 'ru-cheap' THEN 0.3 WHEN (task = 'proofs') = (model = 'ru-proof')
			THEN 0.9 ELSE 0.4 END AS score
	FROM generate_series(1, 300) i, unnest(ARRAY[CASE WHEN i % 2 = 0 THEN 'proofs' ELSE 'poems' END]) task,
		unnest(ARRAY['ru-proof', 'ru-prose', 'ru-cheap']) model $$);
SELECT task, model FROM unnest(ARRAY['proofs', 'poems']) task,
	modelroute.route('Handle row 1234', 'quality', jsonb_build_object('router', 'ru-task', 'task', task))
ORDER BY task;

-- ----------
-- Preferences
-- ----------

SELECT version FROM modelroute.train_router('ru-pairs', $$
	SELECT CASE WHEN i % 2 = 0 THEN 'Prove the lemma ' ELSE 'Write a sonnet ' END || i AS prompt,
		CASE WHEN i % 2 = 0 THEN 'ru-proof' ELSE 'ru-prose' END AS winner,
		CASE WHEN i % 2 = 0 THEN 'ru-prose' ELSE 'ru-proof' END AS loser
	FROM generate_series(1, 400) i $$);
SELECT prompt, (array_agg(model ORDER BY quality DESC))[1] AS best
FROM unnest(ARRAY['Prove the lemma 1001', 'Write a sonnet 1002']) prompt,
	modelroute.predict_quality(prompt, 'ru-pairs') GROUP BY prompt ORDER BY prompt;
ROLLBACK;

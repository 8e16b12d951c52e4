-- catalog: its shape, what the administration functions do to it, and that a
-- changed row is the user's.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET modelroute.allowed_hosts = '127.0.0.1:9';

-- ----------
-- Shape
-- ----------

-- every object of the extension is described
SELECT p.oid::regprocedure AS undocumented
FROM pg_proc p
WHERE p.pronamespace = 'modelroute'::regnamespace
	AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname AS undocumented, a.attname
FROM pg_class c
	LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
WHERE c.relnamespace = 'modelroute'::regnamespace
	AND c.relname IN ('provider', 'model', 'endpoint', 'price',
		'category_prior', 'benchmark', 'credential', 'model_grant',
		'catalog_edit')
	AND (a.attname IS NOT NULL OR obj_description(c.oid, 'pg_class') IS NULL);

-- whatever runs as its owner pins its search_path
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc p
WHERE p.pronamespace = 'modelroute'::regnamespace AND p.prosecdef
	AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c
					WHERE c LIKE 'search_path=%');

-- ----------
-- The shipped rows
-- ----------

SELECT relation, bool_or(shipped) AS shipped
FROM (SELECT 'provider', shipped FROM modelroute.provider
	  UNION ALL SELECT 'model', shipped FROM modelroute.model
	  UNION ALL SELECT 'endpoint', shipped FROM modelroute.endpoint
	  UNION ALL SELECT 'price', shipped FROM modelroute.price
	  UNION ALL SELECT 'category_prior', shipped
	  FROM modelroute.category_prior
	  UNION ALL SELECT 'benchmark', shipped FROM modelroute.benchmark
	 ) t (relation, shipped)
GROUP BY relation ORDER BY relation;

-- each price and score names its source and day
SELECT 'price' AS relation FROM modelroute.price
WHERE source IS NULL OR as_of IS NULL
UNION ALL
SELECT 'benchmark' FROM modelroute.benchmark
WHERE source IS NULL OR as_of IS NULL
UNION ALL
SELECT 'category_prior' FROM modelroute.category_prior
WHERE source IS NULL OR as_of IS NULL
UNION ALL
SELECT 'provider' FROM modelroute.provider
WHERE source IS NULL OR as_of IS NULL;

-- a price that is not known is no price: never zero for a hosted model
SELECT model, provider FROM modelroute.price JOIN modelroute.provider p USING (provider)
WHERE p.needs_credential AND input_price = 0;

-- retired endpoints came disabled
SELECT model, provider FROM modelroute.endpoint
WHERE (status = 'retired') <> (NOT enabled);

-- nothing can serve before a credential is set or a local server allowed
SELECT count(*) AS usable FROM modelroute.route_candidates('hi')
WHERE excluded_by IS NULL;

-- a long-context tier, cached input and cache writes
SELECT input_price, output_price, cached_input_price, cache_write_price,
	long_context_threshold, long_context_input_price,
	long_context_cached_input_price, long_context_output_price
FROM modelroute.price WHERE (model, provider) = ('gpt-6-astra', 'openai');

-- an announced price waits for its day
SELECT valid_from AT TIME ZONE 'UTC' AS valid_from, input_price
FROM modelroute.price WHERE (model, provider) = ('gemini-4-argon', 'google')
ORDER BY valid_from;

-- ----------
-- add_provider and add_model
-- ----------

SELECT modelroute.add_provider('cat_local', 'http://127.0.0.1:9/v1///');
SELECT modelroute.add_provider('cat_keyed', 'https://api.example.com/v1',
	'anthropic', '{"env": "MODELROUTE_TEST_UNSET"}');
SELECT provider, base_url, api, needs_credential, enabled, source, shipped
FROM modelroute.provider WHERE provider LIKE 'cat\_%' ORDER BY provider;

-- the same call again changes nothing, another one changes what it says
SELECT modelroute.add_provider('cat_local', 'http://127.0.0.1:9/v1');
SELECT modelroute.add_provider('cat_keyed', 'https://api.example.com/v2',
	'anthropic');
SELECT provider, base_url, needs_credential
FROM modelroute.provider WHERE provider LIKE 'cat\_%' ORDER BY provider;

SELECT modelroute.add_model('cat-a', 'cat_local', input_price => 1,
	output_price => 2.5, quality => '{"default": 0.6, "code": 0.9}');
SELECT modelroute.add_model('cat-a', 'cat_local', input_price => 1,
	output_price => 2.5, quality => '{"default": 0.6, "code": 0.9}');
SELECT model, provider, upstream_name, status, context_window,
	max_output_tokens, capabilities, enabled, shipped
FROM modelroute.endpoint WHERE model = 'cat-a';
SELECT category, quality, basis, source FROM modelroute.category_prior
WHERE model = 'cat-a' ORDER BY category;

-- NULL leaves what is known; a second provider is a second endpoint
SELECT modelroute.add_model('cat-a', 'cat_local', context_window => 8192,
	capabilities => '{chat,vision}');
SELECT modelroute.add_model('cat-a', 'cat_local', 'vendor/a',
	max_output_tokens => 1000, quality => '{"code": 0.5}');
SELECT modelroute.add_model('cat-a', 'cat_keyed');
SELECT modelroute.add_model('cat-embed', 'cat_local',
	capabilities => '{embeddings}');
SELECT modelroute.add_model('cat-embed', 'cat_keyed');
SELECT model, provider, upstream_name, context_window, max_output_tokens,
	capabilities
FROM modelroute.endpoint WHERE model LIKE 'cat-%' ORDER BY model, provider;
SELECT model, kind FROM modelroute.model WHERE model LIKE 'cat-%' ORDER BY model;
SELECT category, quality FROM modelroute.category_prior
WHERE model = 'cat-a' ORDER BY category;

-- what route sees
SELECT model, provider, round(quality::numeric, 2) AS quality, excluded_by
FROM modelroute.route_candidates('hi') WHERE model = 'cat-a' ORDER BY provider;

-- ----------
-- Prices keep their history
-- ----------

SELECT modelroute.add_model('cat-a', 'cat_local', input_price => 3);
SELECT input_price, output_price FROM modelroute.price
WHERE model = 'cat-a' ORDER BY valid_from;

-- twice in one transaction is one change
BEGIN;
SELECT modelroute.add_model('cat-a', 'cat_local', input_price => 4);
SELECT modelroute.add_model('cat-a', 'cat_local', input_price => 5, output_price => 6);
COMMIT;
SELECT input_price, output_price FROM modelroute.price
WHERE model = 'cat-a' ORDER BY valid_from;

-- other facts of the price stay
BEGIN;
SELECT modelroute.add_model('gpt-6-astra', 'openai', output_price => 49);
SELECT input_price, output_price, cached_input_price, long_context_threshold,
	shipped
FROM modelroute.price WHERE (model, provider) = ('gpt-6-astra', 'openai')
ORDER BY valid_from;
ROLLBACK;

-- which row rules: neither the one to come nor the one that has ended
CREATE FUNCTION pg_temp.cost_of(model text) RETURNS numeric LANGUAGE sql AS $$
	SELECT round(cost / nullif(input_tokens, 0) * 1000000, 6)
	FROM modelroute.route_candidates('hi', options => '{"max_tokens": 1}')
	WHERE model = cost_of.model AND provider = 'cat_local'
$$;
DELETE FROM modelroute.price WHERE model = 'cat-a';
SELECT pg_temp.cost_of('cat-a') IS NULL AS unknown;
INSERT INTO modelroute.price (model, provider, valid_from, valid_until, input_price, output_price)
VALUES ('cat-a', 'cat_local', now() - interval '9 days', NULL, 1, 0),
	('cat-a', 'cat_local', now() - interval '8 days', now() - interval '7 days', 2, 0),
	('cat-a', 'cat_local', now() + interval '1 day', NULL, 4, 0);
SELECT pg_temp.cost_of('cat-a');
INSERT INTO modelroute.price (model, provider, valid_from, valid_until, input_price, output_price)
VALUES ('cat-a', 'cat_local', now() - interval '6 days', now() + interval '1 day', 3, 0);
SELECT pg_temp.cost_of('cat-a');

-- a price that comes into force, and one that ends, by the clock alone
INSERT INTO modelroute.price (model, provider, valid_from, input_price, output_price)
VALUES ('cat-a', 'cat_local', clock_timestamp() + interval '0.2 seconds', 7, 0);
SELECT count(*) FROM modelroute.route_candidates('hi') WHERE model = 'cat-a';
SELECT pg_sleep_until(valid_from) FROM modelroute.price
WHERE model = 'cat-a' AND input_price = 7;
SELECT pg_temp.cost_of('cat-a');
UPDATE modelroute.price
SET valid_until = clock_timestamp() + interval '0.2 seconds'
WHERE model = 'cat-a' AND input_price = 7;
SELECT count(*) FROM modelroute.route_candidates('hi') WHERE model = 'cat-a';
SELECT pg_sleep_until(valid_until) FROM modelroute.price
WHERE model = 'cat-a' AND input_price = 7;
SELECT pg_temp.cost_of('cat-a');

-- ----------
-- Retired and disabled things are not chosen
-- ----------

CREATE FUNCTION pg_temp.exclusion() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(excluded_by, 'none') FROM modelroute.route_candidates('hi')
	WHERE model = 'cat-a' AND provider = 'cat_local'
$$;
SELECT pg_temp.exclusion();
BEGIN;
UPDATE modelroute.endpoint SET retirement_date = current_date - 1 WHERE model = 'cat-a';
SELECT pg_temp.exclusion();
UPDATE modelroute.endpoint SET retirement_date = current_date + 2 WHERE model = 'cat-a';
SELECT pg_temp.exclusion();
UPDATE modelroute.endpoint SET status = 'retired' WHERE model = 'cat-a';
SELECT pg_temp.exclusion();
ROLLBACK;
SELECT pg_temp.exclusion();
BEGIN;
UPDATE modelroute.model SET enabled = false WHERE model = 'cat-a';
SELECT pg_temp.exclusion();
ROLLBACK;
BEGIN;
SAVEPOINT s;
UPDATE modelroute.provider SET enabled = false WHERE provider = 'cat_local';
SELECT pg_temp.exclusion();
ROLLBACK TO s;
SELECT pg_temp.exclusion();
COMMIT;

-- ----------
-- Edits make a shipped row the user's; what was deleted is remembered
-- ----------

BEGIN;
UPDATE modelroute.model SET enabled = enabled WHERE model = 'gpt-4o';
SELECT shipped FROM modelroute.model WHERE model = 'gpt-4o';
UPDATE modelroute.model SET note = 'ours' WHERE model = 'gpt-4o';
SELECT shipped FROM modelroute.model WHERE model = 'gpt-4o';
UPDATE modelroute.model SET shipped = true WHERE model = 'gpt-4o';
SELECT shipped FROM modelroute.model WHERE model = 'gpt-4o';
INSERT INTO modelroute.model (model, shipped) VALUES ('cat-b', true);
SELECT shipped FROM modelroute.model WHERE model = 'cat-b';
INSERT INTO modelroute.model (model, note) VALUES ('gpt-4o-mini', 'upsert')
ON CONFLICT (model) DO UPDATE SET note = excluded.note;
SELECT display_name, note, shipped FROM modelroute.model WHERE model = 'gpt-4o-mini';
DELETE FROM modelroute.model WHERE model IN ('nomic-embed-text', 'gpt-4o', 'cat-b');
UPDATE modelroute.provider SET provider = 'renamed' WHERE provider = 'cohere';
SELECT relation, key, removed FROM modelroute.catalog_edit
WHERE key @> '{"model": "nomic-embed-text"}' OR relation IN ('model', 'provider')
ORDER BY relation COLLATE "C", key;
INSERT INTO modelroute.model (model) VALUES ('gpt-4o');
SELECT removed FROM modelroute.catalog_edit WHERE relation = 'model' AND key ->> 'model' = 'gpt-4o';
ROLLBACK;

-- ----------
-- Wrong arguments
-- ----------

SELECT modelroute.add_model('cat-a', 'nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.add_model('auto', 'cat_local');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.add_model('with space', 'cat_local');
SELECT modelroute.add_model(NULL, 'cat_local');
SELECT modelroute.add_model('cat-a', NULL);
SELECT modelroute.add_model('cat-a', 'cat_local', E'a\nb');
SELECT modelroute.add_model('cat-a', 'cat_local', context_window => 0);
SELECT modelroute.add_model('cat-a', 'cat_local', capabilities => '{chat,fly}');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.add_model('cat-a', 'cat_local', capabilities => '{NULL}');
SELECT modelroute.add_model('cat-a', 'cat_local', input_price => -1);
SELECT modelroute.add_model('cat-a', 'cat_local', output_price => 'NaN');
SELECT modelroute.add_model('cat-a', 'cat_local', quality => '{"poetry": 1}');
SELECT modelroute.add_model('cat-a', 'cat_local', quality => '{"code": 1.1}');
SELECT modelroute.add_model('cat-a', 'cat_local', quality => '{"code": "1"}');
SELECT modelroute.add_model('cat-a', 'cat_local', quality => '[]');
SELECT modelroute.add_provider('a b', 'https://api.example.com');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.add_provider('cat_x', 'https://user:secret@api.example.com');
SELECT modelroute.add_provider('cat_x', 'https://api.example.com/?key=secret');
SELECT modelroute.add_provider('cat_x', 'file:///etc/passwd');
SELECT modelroute.add_provider('cat_x', NULL);
SELECT modelroute.add_provider('cat_x', 'https://api.example.com', 'opnai');

-- edits by hand meet the same limits
\set VERBOSITY terse
UPDATE modelroute.provider SET base_url = 'https://u@h' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"A": 1}' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"A": ["x"]}' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"A": "x\r\nB: y"}' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"A B": "x"}' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"Authorization": "x"}' WHERE provider = 'cat_local';
UPDATE modelroute.provider SET headers = '{"x-api-key": "x"}' WHERE provider = 'cat_local';
UPDATE modelroute.price SET input_price = 'NaN' WHERE model = 'cat-a';
UPDATE modelroute.endpoint SET capabilities = '{sing}' WHERE model = 'cat-a';
\set VERBOSITY default

-- ----------
-- Credentials: a reference that is checked and never shown
-- ----------

SELECT modelroute.set_credential('nobody', '{"env": "MODELROUTE_X"}');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.set_credential('cat_local', '{"env": "MODELROUTE_X"}', 'regress_no_such_role');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.set_credential('cat_local', '{"env": "sk-pasted-secret"}');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.set_credential('cat_local', '{"env": "pasted_secret"}');
\echo :LAST_ERROR_SQLSTATE
SELECT modelroute.set_credential('cat_local', '{"key": "sk-pasted-secret"}');
SELECT modelroute.set_credential('cat_local', '{"env": "MODELROUTE_X", "file": "x"}');
SELECT modelroute.set_credential('cat_local', '"sk-pasted-secret"');
SELECT modelroute.set_credential('cat_local', NULL);
SET modelroute.credential_directory = '';
SELECT modelroute.set_credential('cat_local', '{"file": "x"}');
\echo :LAST_ERROR_SQLSTATE
RESET modelroute.credential_directory;
SELECT modelroute.set_credential('cat_local', '{"env": "MODELROUTE_TEST_UNSET"}');
SELECT provider, role, source FROM modelroute.credential ORDER BY provider;

-- with one, or needing none, a provider counts; without it does not
SELECT provider, excluded_by FROM modelroute.route_candidates('hi')
WHERE model = 'cat-a' ORDER BY provider;
SELECT modelroute.unset_credential('cat_keyed');
SET client_min_messages = notice;
SELECT modelroute.unset_credential('cat_keyed');
SET client_min_messages = warning;
SELECT provider, excluded_by FROM modelroute.route_candidates('hi')
WHERE model = 'cat-a' ORDER BY provider;

-- ----------
-- Leave nothing behind
-- ----------

DELETE FROM modelroute.model WHERE model LIKE 'cat-%';
DELETE FROM modelroute.provider WHERE provider LIKE 'cat\_%';
SELECT count(*) FROM modelroute.catalog_edit WHERE key::text LIKE '%"cat-%';

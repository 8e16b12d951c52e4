-- route() and route_candidates(): the order, the limits, the errors.  All in
-- one transaction over a catalog of its own, rolled back at the end.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1';
SET LOCAL modelroute.objective = 'balanced';
SET LOCAL extra_float_digits = 0;
DELETE FROM modelroute.model;

SELECT modelroute.add_provider('rt-a', 'http://127.0.0.1:9001/v1'),
       modelroute.add_provider('rt-b', 'http://127.0.0.1:9002/v1');
SELECT modelroute.add_model('rt-small', 'rt-a', NULL, 0.1, 0.4, 16000, 4000,
                            '{chat,streaming}',
                            '{"default": 0.4, "code": 0.2}'),
       modelroute.add_model('rt-mid', 'rt-a', NULL, 1, 4, 128000, 8000,
                            '{chat,tools,json_schema,streaming}',
                            '{"default": 0.6, "code": 0.7}'),
       modelroute.add_model('rt-mid', 'rt-b', NULL, 0.8, 3, 128000, 8000,
                            '{chat,tools,json_schema,streaming}',
                            '{"default": 0.6, "code": 0.7}'),
       modelroute.add_model('rt-big', 'rt-b', NULL, 5, 25, 200000, 32000,
                            '{chat,tools,json_schema,vision,reasoning,streaming}',
                            '{"default": 0.8, "code": 0.9}');
UPDATE modelroute.endpoint SET first_token_ms = 200, tokens_per_second = 200
 WHERE provider = 'rt-a';
UPDATE modelroute.endpoint SET first_token_ms = 1000, tokens_per_second = 50
 WHERE provider = 'rt-b';

-- the decision
SELECT model, provider, category, quality, cost, worst_cost, latency_ms,
       input_tokens, output_tokens, objective, reason, fallbacks
  FROM modelroute.route('Write a Python function that merges two sorted lists.',
                        options => '{"max_tokens": 1000, "category": "code"}') \gx

-- each objective has its own order
SELECT objective, array_agg(provider || '/' || model ORDER BY rank) AS ranked
  FROM unnest('{quality,balanced,cost,latency,"cost=1","latency=1","quality=3,cost=1"}'::text[]) objective,
       LATERAL modelroute.route_candidates('What is the capital of Peru?', objective) c
 GROUP BY objective ORDER BY objective;

-- NULL objective: the option, else the setting
SELECT (modelroute.route('hello', NULL, '{"objective": "cost"}')).objective;
SELECT (modelroute.route('hello', 'quality', '{"objective": "cost"}')).objective;
SET LOCAL modelroute.objective = 'latency';
SELECT (modelroute.route('hello')).objective;
SET LOCAL modelroute.objective = 'balanced';

-- the quality floor: all that reach it stand before all that do not
SELECT floor, array_agg(model || coalesce(': ' || reason, '') ORDER BY rank)
  FROM (VALUES ('0'), ('0.7'), ('0.8'), ('1')) f(floor),
       LATERAL (SELECT set_config('modelroute.quality_floor', floor, true)) s,
       LATERAL modelroute.route_candidates('hello', 'cost',
                   jsonb_build_object('category', 'knowledge', 'tag', s.set_config)) c
 GROUP BY floor ORDER BY floor;
SET LOCAL modelroute.quality_floor = 0.8;

-- terms: the utility is their sum, on scales that do not depend on the others
SELECT rank, model, provider,
       round(quality_term::numeric, 6) AS quality_term,
       round((-0.3 * log(cost / 0.000001) / 6)::numeric, 6)
         = round(cost_term::numeric, 6) AS cost_term,
       round((-0.2 * log((latency_ms / 100)::numeric) / 3), 6)
         = round(latency_term::numeric, 6) AS latency_term,
       abs(utility - quality_term - cost_term - latency_term) < 1e-12 AS utility
  FROM modelroute.route_candidates('hello', options => '{"category": "writing_chat"}') ORDER BY rank;
SELECT bool_and(round(a.utility::numeric, 9) = round(b.utility::numeric, 9)) AS same_terms
  FROM modelroute.route_candidates('hello') a
  JOIN modelroute.route_candidates('hello', options => '{"exclude": "rt-big"}') b
 USING (model, provider);

-- each limit with its reason
SELECT o.ord, c.model, c.provider, c.excluded_by, c.excluded_detail
  FROM unnest(ARRAY[
         '{"models": "rt-b/*"}',
         '{"models": ["rt-mid", "rt-b?g"]}',
         '{"exclude": ["*-mid"]}',
         '{"provider": {"only": ["rt-a"]}}',
         '{"provider": {"ignore": ["rt-a"]}}',
         '{"provider": {"max_price": {"prompt": 0.8}}}',
         '{"provider": {"max_price": {"completion": 3.5}}}',
         '{"tools": [{"type": "function", "function": {"name": "f"}}]}',
         '{"response_format": {"type": "json_schema", "json_schema": {}}}',
         '{"capabilities": ["vision"]}',
         '{"temperature": 0, "provider": {"require_parameters": true}}',
         '{"max_tokens": 5000}',
         '{"max_cost": 0.05}',
         '{"min_quality": 0.6}',
         '{"max_latency_ms": 5000}',
         '{"provider": {"allow_fallbacks": false}}'
       ]::jsonb[]) WITH ORDINALITY o(options, ord),
       LATERAL modelroute.route_candidates('hello', 'balanced', o.options || '{"category": "knowledge"}') c
 WHERE c.excluded_by IS NOT NULL
 ORDER BY o.ord, c.model, c.provider;
SELECT model, excluded_by, excluded_detail, input_tokens
  FROM modelroute.route_candidates(repeat('hello world ', 20000))
 WHERE excluded_by IS NOT NULL ORDER BY model, provider;

-- provider.order and provider.sort
SELECT o.ord, array_agg(c.provider || '/' || c.model ORDER BY c.rank)
  FROM unnest(ARRAY[
         '{"provider": {"order": ["rt-b"]}}',
         '{"provider": {"order": ["rt-b", "rt-a"], "sort": "price"}}',
         '{"provider": {"sort": "latency"}}',
         '{"provider": {"sort": "throughput"}}'
       ]::jsonb[]) WITH ORDINALITY o(options, ord),
       LATERAL modelroute.route_candidates('hello', 'quality', o.options) c
 GROUP BY o.ord ORDER BY o.ord;

-- a named model: its endpoints only; a whole name goes before provider/model
SELECT rank, model, provider FROM modelroute.route_candidates('hello', model => 'rt-mid') ORDER BY rank;
SELECT rank, model, provider FROM modelroute.route_candidates('hello', model => 'rt-a/rt-mid') ORDER BY rank;
SAVEPOINT slash;
SELECT modelroute.add_model('rt-a/rt-mid', 'rt-b');
SELECT rank, model, provider FROM modelroute.route_candidates('hello', model => 'rt-a/rt-mid') ORDER BY rank;
ROLLBACK TO slash;

-- what the catalog does not know
SAVEPOINT unknown;
SELECT modelroute.add_model('rt-new', 'rt-a');
SELECT rank, model, quality, cost, worst_cost, output_tokens > 0 AS output
  FROM modelroute.route_candidates('hello', 'quality', '{"category": "writing_chat"}') WHERE model IN ('rt-new', 'rt-small') ORDER BY rank;
SELECT excluded_by, excluded_detail
  FROM modelroute.route_candidates('hello', options => '{"max_cost": 1}', model => 'rt-new');
SELECT excluded_by, excluded_detail
  FROM modelroute.route_candidates('hello', options => '{"min_quality": 0}', model => 'rt-new');
SELECT excluded_by, excluded_detail
  FROM modelroute.route_candidates('hello', options => '{"provider": {"max_price": {"prompt": 1}}}', model => 'rt-new');
ROLLBACK TO unknown;

-- what the catalog, the settings and the credentials rule out
SAVEPOINT standing;
UPDATE modelroute.endpoint SET enabled = false WHERE model = 'rt-small';
UPDATE modelroute.endpoint SET status = 'retired' WHERE model = 'rt-big';
UPDATE modelroute.provider SET needs_credential = true WHERE provider = 'rt-a';
SELECT model, provider, rank, excluded_by
  FROM modelroute.route_candidates('hello') ORDER BY model, provider;
SET LOCAL modelroute.allowed_hosts = '';
SELECT model, provider, rank, excluded_by
  FROM modelroute.route_candidates('hello') ORDER BY model, provider;
SELECT modelroute.route('hello');
ROLLBACK TO standing;

-- NULL, empty and odd prompts
SELECT modelroute.route(NULL) IS NULL AS is_null;
SELECT count(*) FROM modelroute.route_candidates(NULL);
SELECT modelroute.route('');
SELECT name, (d).input_tokens
  FROM (SELECT name, modelroute.route(prompt, 'cost', '{"category": "default", "models": "rt-big"}') AS d
          FROM (VALUES ('one byte', 'x'), ('blank', E' \n\t'), ('words', repeat('hello world ', 1000)),
                       ('digits', repeat('0123456789', 100)), ('han', repeat('语', 1000)),
                       ('emoji', repeat('🙂', 100)), ('punctuation', repeat('=', 1000))) v(name, prompt)
        OFFSET 0) q ORDER BY name;

-- options are a closed set, and typed
SELECT modelroute.route('hello', options => '{"maxcost": 1}');
SELECT modelroute.route('hello', options => '{"provider": {"data_collection": "deny"}}');
SELECT modelroute.route('hello', options => '{"provider": {"max_price": {"image": 1}}}');
SELECT modelroute.route('hello', options => '{"max_cost": "1"}');
SELECT modelroute.route('hello', options => '{"max_cost": -1}');
SELECT modelroute.route('hello', options => '{"max_tokens": 1.5}');
SELECT modelroute.route('hello', options => '{"max_attempts": 17}');
SELECT modelroute.route('hello', options => '{"models": []}');
SELECT modelroute.route('hello', options => '{"models": ["a", 1]}');
SELECT modelroute.route('hello', options => '{"category": "poetry"}');
SELECT modelroute.route('hello', options => '{"capabilities": ["telepathy"]}');
SELECT modelroute.route('hello', options => '{"on_error": "ignore"}');
SELECT modelroute.route('hello', options => '{"response_format": {"type": "xml"}}');
SELECT modelroute.route('hello', options => '{"extra": [1]}');
SELECT modelroute.route('hello', options => '[]');
SELECT (modelroute.route('hello', options => 'null')).objective;
SELECT (modelroute.route('hello', options => '{"max_cost": null, "models": null}')).objective;

-- objectives
SELECT modelroute.route('hello', 'best');
SELECT modelroute.route('hello', 'quality=-1');
SELECT modelroute.route('hello', 'quality=NaN');
SELECT modelroute.route('hello', 'quality=inf');
SELECT modelroute.route('hello', 'quality=0,cost=0');
SELECT modelroute.route('hello', 'quality=1,quality=1');
SELECT modelroute.route('hello', 'quality=1;cost=1');
SELECT (modelroute.route('hello', ' quality = 2, cost=1 ')).reason;
SELECT (modelroute.route('hello', options => '{"objective": {"quality": 2, "cost": 1}}')).objective;
SELECT modelroute.route('hello', options => '{"objective": {"speed": 1}}');

-- nothing fits
SELECT modelroute.route('hello', options => '{"max_cost": 0, "models": "rt-mid"}');
SELECT modelroute.route('hello', options => '{"max_cost": 0, "on_error": "null"}') IS NULL AS is_null;
SELECT * FROM modelroute.route_candidates('hello', model => 'rt-bug');
SELECT * FROM modelroute.route_candidates('hello', model => '');
DELETE FROM modelroute.model;
SELECT modelroute.route('hello');
ROLLBACK;

-- A model with published scores but no prior of its own: what they let expect
-- of it.
SET client_min_messages = warning;
SET modelroute.allowed_hosts = '127.0.0.1';
BEGIN;
SELECT count(*) AS of_unknown FROM modelroute.benchmark_prior p
WHERE EXISTS (SELECT FROM modelroute.category_prior c WHERE c.model = p.model);

-- Two models with priors place a benchmark: they score one logit less on it
-- than their priors say.
SELECT modelroute.add_provider('bp', 'http://127.0.0.1:9001');
SELECT modelroute.add_model('bp-' || m, 'bp', input_price => 1, output_price => 1,
	quality => jsonb_build_object('code', 1 / (1 + exp(-a))))
FROM (VALUES ('low', -1), ('high', 1)) v (m, a);
SELECT modelroute.add_model('bp-new', 'bp', input_price => 1, output_price => 1);
INSERT INTO modelroute.benchmark (model, benchmark, category, score)
SELECT 'bp-' || m, 'bp-bench', 'code', 1 / (1 + exp(1 - a))
FROM (VALUES ('low', -1), ('high', 1), ('new', 0.5)) v (m, a);
SELECT model, category, round(ln(quality / (1 - quality))::numeric, 6) AS ability,
	stderr_logit, benchmarks
FROM modelroute.benchmark_prior WHERE model LIKE 'bp-%';

-- It is what decisions go by.
SELECT model, round(quality::numeric, 2) AS quality, round(typical_quality::numeric, 2) AS typical
FROM modelroute.route_candidates('x', 'quality', '{"category": "code", "models": "bp-*"}')
WHERE rank > 0 ORDER BY model;

-- A score of 0 or 1 is no certainty, and one that no model with a prior has
-- tells nothing.
UPDATE modelroute.benchmark SET score = 1 WHERE model = 'bp-new';
SELECT round(quality::numeric, 2) AS quality FROM modelroute.benchmark_prior WHERE model = 'bp-new';
UPDATE modelroute.benchmark SET benchmark = 'bp-other' WHERE model = 'bp-new';
SELECT count(*) FROM modelroute.benchmark_prior WHERE model = 'bp-new';

-- A prior of one's own goes before.
UPDATE modelroute.benchmark SET benchmark = 'bp-bench' WHERE model = 'bp-new';
SELECT modelroute.add_model('bp-new', 'bp', quality => '{"default": 0.3}');
SELECT count(*) FROM modelroute.benchmark_prior WHERE model = 'bp-new';
ROLLBACK;

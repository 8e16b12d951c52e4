-- catalog.sql
--	  A catalog of 100 endpoints that can all serve (50 models at two
--	  providers) for model auto, and the models that are called by name.  :url
--	  leads to the simulated provider.

CREATE EXTENSION modelroute;
DELETE FROM modelroute.endpoint;

SELECT modelroute.add_provider('bench-' || p, :'url' || '/p/bench-' || p || '/v1')
  FROM generate_series(1, 2) p \g /dev/null
SELECT modelroute.add_model('bench-model-' || m, 'bench-' || p,
           input_price => 0.05 * (1 + m * 37 % 50),
           output_price => 0.2 * (1 + m * 37 % 50) + 0.01 * p,
           context_window => 128000,
           max_output_tokens => 8192,
           quality => jsonb_build_object(
               'default', 0.3 + 0.012 * (m * 37 % 50),
               'code', 0.2 + 0.014 * (m * 31 % 50),
               'math', 0.2 + 0.014 * (m * 29 % 50)))
  FROM generate_series(1, 50) m, generate_series(1, 2) p \g /dev/null

-- Too bad and too dear to be chosen for auto.
SELECT modelroute.add_provider('bench', :'url' || '/v1') \g /dev/null
SELECT modelroute.add_model(name, 'bench', input_price => 500,
           output_price => 500, context_window => 128000,
           quality => '{"default": 0.01}')
  FROM unnest('{bench,bench-20,bench-200}'::text[]) name \g /dev/null

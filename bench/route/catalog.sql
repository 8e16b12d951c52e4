-- catalog.sql
--	  A catalog of 100 endpoints that can all serve: 50 models at two
--	  providers, with prices, limits and quality that differ.

CREATE EXTENSION modelroute;
UPDATE modelroute.provider SET enabled = false;
DELETE FROM modelroute.endpoint;

SET modelroute.allowed_hosts = '127.0.0.1';
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET modelroute.allowed_hosts = ''127.0.0.1''',
                   current_database());
    PERFORM modelroute.add_provider('bench-' || p, 'http://127.0.0.1:' || 9000 + p)
       FROM generate_series(1, 2) p;
    PERFORM modelroute.add_model('bench-model-' || m, 'bench-' || p,
                input_price => 0.05 * (1 + m * 37 % 50),
                output_price => 0.2 * (1 + m * 37 % 50) + 0.01 * p,
                context_window => 128000,
                max_output_tokens => 8192,
                quality => jsonb_build_object(
                    'default', 0.3 + 0.012 * (m * 37 % 50),
                    'code', 0.2 + 0.014 * (m * 31 % 50),
                    'math', 0.2 + 0.014 * (m * 29 % 50),
                    'reasoning', 0.2 + 0.014 * (m * 23 % 50),
                    'knowledge', 0.2 + 0.014 * (m * 19 % 50),
                    'writing_chat', 0.2 + 0.014 * (m * 17 % 50)))
       FROM generate_series(1, 50) m, generate_series(1, 2) p;
END
$$;

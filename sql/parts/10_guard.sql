\echo Use "CREATE EXTENSION modelroute" to load this file. \quit

-- ----------
-- The schema is made here, not taken: nobody else can own what is in it
-- ----------

CREATE SCHEMA modelroute;
COMMENT ON SCHEMA modelroute IS
    'picks the best language model for each prompt and serves it; see modelroute.route, modelroute.complete and modelroute.audit';

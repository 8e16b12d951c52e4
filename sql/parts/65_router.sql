-- ----------
-- Trained routers
-- ----------

-- artifact_sha256 is generated: whatever way a row comes in, it belongs to
-- the artifact, by which processes find each other's copy.
CREATE TABLE modelroute.router (
	name text NOT NULL
		CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'
			   AND name <> 'default'),
	version integer NOT NULL CHECK (version > 0),
	owner name NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	feature_version integer NOT NULL,
	models text[] NOT NULL,
	rows bigint NOT NULL,
	prompts bigint NOT NULL,
	options jsonb,
	report jsonb NOT NULL,
	artifact bytea NOT NULL,
	artifact_sha256 bytea GENERATED ALWAYS AS (sha256(artifact)) STORED,
	PRIMARY KEY (name, version)
);

-- Artifacts are compact already.
ALTER TABLE modelroute.router ALTER COLUMN artifact SET STORAGE EXTERNAL;

COMMENT ON TABLE modelroute.router IS
	'Trained routers, every version; train_router adds to it, view router_list shows it without the artifacts';
COMMENT ON COLUMN modelroute.router.name IS
	'name of the router; alone it stands for its latest version';
COMMENT ON COLUMN modelroute.router.version IS
	'from 1 up; name:version stands for this one';
COMMENT ON COLUMN modelroute.router.owner IS
	'role whose members may train the name again and drop it; the same for all its versions';
COMMENT ON COLUMN modelroute.router.created_at IS
	'when it was stored';
COMMENT ON COLUMN modelroute.router.feature_version IS
	'version of the way in which prompts were read';
COMMENT ON COLUMN modelroute.router.models IS
	'models it learned about, in byte order';
COMMENT ON COLUMN modelroute.router.rows IS
	'rows of evals that could be used';
COMMENT ON COLUMN modelroute.router.prompts IS
	'different prompts it learned from';
COMMENT ON COLUMN modelroute.router.options IS
	'options of the training, as given';
COMMENT ON COLUMN modelroute.router.report IS
	'how well it did on prompts it had not seen; rows_skipped counts the rows without prompt, model or score';
COMMENT ON COLUMN modelroute.router.artifact IS
	'what was learned; checked when it is loaded';
COMMENT ON COLUMN modelroute.router.artifact_sha256 IS
	'SHA-256 of artifact';

CREATE VIEW modelroute.router_list WITH (security_invoker = true) AS
SELECT name, version,
	version = pg_catalog.max(version) OVER (PARTITION BY name) AS current,
	owner, created_at, models, rows, prompts,
	pg_catalog.octet_length(artifact) AS artifact_bytes,
	(report ->> 'rows_skipped')::bigint AS rows_skipped,
	(report #>> '{held_out,router_quality}')::double precision
		AS router_quality,
	(report #>> '{held_out,best_single_quality}')::double precision
		AS best_single_quality,
	report #>> '{held_out,best_single}' AS best_single,
	(report #>> '{held_out,gain}')::double precision AS gain,
	(report #>> '{held_out,gain_stderr}')::double precision AS gain_stderr,
	options ->> 'note' AS note
FROM modelroute.router;

COMMENT ON VIEW modelroute.router_list IS
	'Trained routers without their artifacts. current marks the version that the name alone stands for; gain is what it was better by than best_single, the model that is best for all prompts alike, on prompts that it had not seen';

SELECT pg_catalog.pg_extension_config_dump('modelroute.router', '');

-- ----------
-- Training
-- ----------

CREATE TYPE modelroute.router_version AS (
	name text,
	version integer,
	prompts bigint,
	models text[],
	report jsonb
);

COMMENT ON TYPE modelroute.router_version IS
	'A version of a router that was trained';
COMMENT ON COLUMN modelroute.router_version.name IS
	'name of the router';
COMMENT ON COLUMN modelroute.router_version.version IS
	'its new version';
COMMENT ON COLUMN modelroute.router_version.prompts IS
	'different prompts it learned from';
COMMENT ON COLUMN modelroute.router_version.models IS
	'models it learned about';
COMMENT ON COLUMN modelroute.router_version.report IS
	'how well it did on prompts it had not seen';

CREATE FUNCTION modelroute.train_router(
	name text,
	evals_query text,
	options jsonb DEFAULT NULL
) RETURNS modelroute.router_version
AS 'MODULE_PATHNAME', 'mr_sql_train_router'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION modelroute.train_router(text, text, jsonb) IS
	'Learns from evals which model is how good on which prompt, and stores that as the next version of the router. The query yields prompt, model and score in 0..1, or prompt, winner and loser, and if known cost (USD), output_tokens and task. It runs with the caller''s rights and may only read';

CREATE FUNCTION modelroute.drop_router(
	name text,
	version integer DEFAULT NULL
) RETURNS integer
AS 'MODULE_PATHNAME', 'mr_sql_drop_router'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION modelroute.drop_router(text, integer) IS
	'Drops a version of a router, or all of them; returns how many. For members of its owner';

CREATE FUNCTION modelroute.check_router(
	router text,
	OUT name text,
	OUT version integer,
	OUT artifact_bytes bigint,
	OUT shared boolean
)
AS 'MODULE_PATHNAME', 'mr_sql_check_router'
LANGUAGE C STABLE PARALLEL SAFE COST 100;

COMMENT ON FUNCTION modelroute.check_router(text) IS
	'Loads a router, by name or name:version, as route does, and tells which version that is and whether its artifact lies in shared memory; an error says what is wrong with it';

CREATE FUNCTION modelroute.list_trainings(
	OUT pid integer,
	OUT database text,
	OUT role text,
	OUT router text,
	OUT phase text,
	OUT rows_read bigint,
	OUT prompts bigint,
	OUT done bigint,
	OUT total bigint,
	OUT started_at timestamptz
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'mr_sql_list_trainings'
LANGUAGE C VOLATILE PARALLEL SAFE ROWS 4;

COMMENT ON FUNCTION modelroute.list_trainings() IS
	'The rows of view train_progress';

CREATE VIEW modelroute.train_progress AS
SELECT pid, database, role, router, phase, rows_read, prompts, done, total,
	started_at
FROM modelroute.list_trainings();

COMMENT ON VIEW modelroute.train_progress IS
	'Calls of train_router under way, on the whole server: phase is reading, validating, fitting or writing, of which done of total is behind. Of trainings of roles whose rights it does not have a role sees the pid only, unless it may execute monitor(). Empty when the library is not in shared_preload_libraries; at most 64 are shown';

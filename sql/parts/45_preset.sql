-- ----------
-- Presets: named, versioned options of calls
--
-- set_preset and drop_preset check, as the role that calls them, what they are
-- given, and call store_preset and remove_preset as the extension's owner.
-- ----------

CREATE TABLE modelroute.preset (
	name text NOT NULL
		CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'),
	version integer NOT NULL CHECK (version > 0 AND version <= 999999999),
	body jsonb NOT NULL
		CHECK (jsonb_typeof(body) = 'object' AND length(body::text) <= 65536),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by name NOT NULL,
	PRIMARY KEY (name, version)
);

COMMENT ON TABLE modelroute.preset IS
	'Options of calls under a name: model => ''@name'' or ''@name:version'', or option preset; see set_preset. Whoever may call models reads and uses all of them';
COMMENT ON COLUMN modelroute.preset.name IS
	'the name behind @';
COMMENT ON COLUMN modelroute.preset.version IS
	'from 1; @name means the latest';
COMMENT ON COLUMN modelroute.preset.body IS
	'the options, as a call takes them, and "model", the model argument';
COMMENT ON COLUMN modelroute.preset.created_at IS
	'when this version was made';
COMMENT ON COLUMN modelroute.preset.created_by IS
	'the role that made it; that of the oldest version owns the preset';

CREATE FUNCTION modelroute.set_preset(name text, body jsonb) RETURNS integer
AS 'MODULE_PATHNAME', 'mr_sql_set_preset'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION modelroute.set_preset(text, jsonb) IS
	'Makes a new version of a preset from an object of options and "model", and returns its number; older versions stay. The same body as the latest makes no new version';

CREATE FUNCTION modelroute.drop_preset(
	name text,
	version integer DEFAULT NULL
) RETURNS void
AS 'MODULE_PATHNAME', 'mr_sql_drop_preset'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION modelroute.drop_preset(text, integer) IS
	'Drops a preset, or one version of it';

-- ----------
-- Steps of the functions above
-- ----------

CREATE FUNCTION modelroute.require_preset_owner(name text, author oid)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	owner_name name;
BEGIN
	SELECT p.created_by INTO owner_name FROM modelroute.preset p
	WHERE p.name = require_preset_owner.name
	ORDER BY p.version LIMIT 1;
	IF FOUND AND NOT EXISTS (
		SELECT FROM pg_roles r
		WHERE (r.rolname = owner_name
			   OR r.oid = (SELECT e.extowner FROM pg_extension e
						   WHERE e.extname = 'modelroute'))
			AND pg_has_role(author, r.oid, 'USAGE')) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('must be owner of preset "%s"',
							 require_preset_owner.name),
			DETAIL = format('It belongs to role "%s".', owner_name),
			HINT = 'Choose another name, or become a member of that role.';
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.require_preset_owner(text, oid) IS
	'Raises 42501 unless the role, its member or a member of the extension''s owner made the oldest version, or there is none';

CREATE FUNCTION modelroute.store_preset(name text, body jsonb, author oid)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	latest modelroute.preset;
	rows_max constant integer := 1000;
BEGIN
	LOCK TABLE modelroute.preset IN SHARE ROW EXCLUSIVE MODE;
	PERFORM modelroute.require_preset_owner(store_preset.name, author);
	SELECT * INTO latest FROM modelroute.preset p
	WHERE p.name = store_preset.name
	ORDER BY p.version DESC LIMIT 1;
	IF latest.body = store_preset.body THEN
		RETURN latest.version;
	END IF;
	IF (SELECT count(*) FROM modelroute.preset) >= rows_max THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded',
			MESSAGE = 'there are too many presets',
			DETAIL = format('%s versions of presets are there.', rows_max),
			HINT = 'Drop old ones with SELECT modelroute.drop_preset(name, version).';
	END IF;
	INSERT INTO modelroute.preset (name, version, body, created_by)
	SELECT store_preset.name, coalesce(latest.version, 0) + 1,
		store_preset.body, r.rolname
	FROM pg_roles r WHERE r.oid = author;
	RETURN coalesce(latest.version, 0) + 1;
END
$$;

COMMENT ON FUNCTION modelroute.store_preset(text, jsonb, oid) IS
	'Writes a version of a preset for a role';

CREATE FUNCTION modelroute.remove_preset(
	name text,
	version integer,
	author oid
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	LOCK TABLE modelroute.preset IN SHARE ROW EXCLUSIVE MODE;
	PERFORM modelroute.require_preset_owner(remove_preset.name, author);
	DELETE FROM modelroute.preset p
	WHERE p.name = remove_preset.name
		AND p.version = coalesce(remove_preset.version, p.version);
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('preset "%s" does not exist', concat_ws(':',
				remove_preset.name, remove_preset.version)),
			HINT = 'Table modelroute.preset lists the presets and their versions.';
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.remove_preset(text, integer, oid) IS
	'Deletes a preset, or one version of it, for a role';

SELECT pg_catalog.pg_extension_config_dump('modelroute.preset', '');

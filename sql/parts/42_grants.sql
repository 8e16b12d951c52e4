-- ----------
-- Administration: who may do what, and with which models
--
-- These functions run as the extension's owner, as those of 40_admin.sql do.
-- ----------

-- Features add rows here.  All overloads of a function are meant.  read is
-- part of every level; use is part of admin.
CREATE FUNCTION modelroute.privilege_list()
RETURNS TABLE (level text, kind text, object text, privileges text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
	('read', 'table', 'audit', 'SELECT'),
	('read', 'table', 'attempt', 'SELECT'),
	('read', 'table', 'audit_cost_daily', 'SELECT'),
	('read', 'table', 'train_progress', 'SELECT'),
	('read', 'function', 'list_trainings', 'EXECUTE'),
	('read', 'table', 'feedback', 'SELECT'),
	('use', 'table', 'provider', 'SELECT'),
	('use', 'table', 'model', 'SELECT'),
	('use', 'table', 'endpoint', 'SELECT'),
	('use', 'table', 'price', 'SELECT'),
	('use', 'table', 'category_prior', 'SELECT'),
	('use', 'table', 'benchmark', 'SELECT'),
	('use', 'table', 'benchmark_prior', 'SELECT'),
	('use', 'table', 'router', 'SELECT'),
	('use', 'table', 'router_list', 'SELECT'),
	('use', 'function', 'route', 'EXECUTE'),
	('use', 'function', 'route_candidates', 'EXECUTE'),
	('use', 'function', 'predict_quality', 'EXECUTE'),
	('use', 'function', 'complete', 'EXECUTE'),
	('use', 'function', 'complete_record', 'EXECUTE'),
	('use', 'function', 'chat', 'EXECUTE'),
	('use', 'function', 'train_router', 'EXECUTE'),
	('use', 'function', 'drop_router', 'EXECUTE'),
	('use', 'function', 'check_router', 'EXECUTE'),
	('use', 'table', 'preset', 'SELECT'),
	('use', 'function', 'set_preset', 'EXECUTE'),
	('use', 'function', 'drop_preset', 'EXECUTE'),
	('use', 'table', 'feedback', 'INSERT (call_id, score, source, note)'),
	('use', 'function', 'feedback', 'EXECUTE'),
	('use', 'function', 'replay', 'EXECUTE'),
	('use', 'function', 'replay_calls', 'EXECUTE'),
	('use', 'function', 'replay_decision', 'EXECUTE'),
	('use', 'function', 'replay_note', 'EXECUTE'),
	('admin', 'table', 'provider', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'model', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'endpoint', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'price', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'category_prior', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'benchmark', 'INSERT, UPDATE, DELETE'),
	('admin', 'table', 'model_grant', 'SELECT, INSERT, UPDATE, DELETE'),
	('admin', 'table', 'catalog_edit', 'SELECT'),
	('admin', 'function', 'add_provider', 'EXECUTE'),
	('admin', 'function', 'add_model', 'EXECUTE'),
	('admin', 'function', 'set_credential', 'EXECUTE'),
	('admin', 'function', 'unset_credential', 'EXECUTE'),
	('admin', 'function', 'grant_use', 'EXECUTE'),
	('admin', 'function', 'revoke_use', 'EXECUTE'),
	('admin', 'function', 'grant_monitor', 'EXECUTE'),
	('admin', 'function', 'revoke_monitor', 'EXECUTE'),
	('admin', 'function', 'grant_model', 'EXECUTE'),
	('admin', 'function', 'revoke_model', 'EXECUTE'),
	('monitor', 'function', 'monitor', 'EXECUTE')
$$;

COMMENT ON FUNCTION modelroute.privilege_list() IS
	'What grant_use, grant_admin and grant_monitor grant';

CREATE FUNCTION modelroute.grant_use(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{read,use}', true);
END
$$;

COMMENT ON FUNCTION modelroute.grant_use(name) IS
	'Lets a role call models and read the catalog and its own calls. Run it again after an update of the extension';

CREATE FUNCTION modelroute.revoke_use(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{read,use,admin,monitor}',
										 false);
END
$$;

COMMENT ON FUNCTION modelroute.revoke_use(name) IS
	'Takes back all that grant_use, grant_admin and grant_monitor gave';

CREATE FUNCTION modelroute.grant_admin(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{read,use,admin}', true);
END
$$;

COMMENT ON FUNCTION modelroute.grant_admin(name) IS
	'Lets a role use modelroute, change the catalog, set credentials and grant use. It can send the secrets it may set to any provider it adds';

CREATE FUNCTION modelroute.revoke_admin(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{admin}', false);
END
$$;

COMMENT ON FUNCTION modelroute.revoke_admin(name) IS
	'Takes back what grant_admin gave beyond grant_use';

CREATE FUNCTION modelroute.grant_monitor(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{read,monitor}', true);
END
$$;

COMMENT ON FUNCTION modelroute.grant_monitor(name) IS
	'Lets a role read the calls of all roles';

CREATE FUNCTION modelroute.revoke_monitor(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM modelroute.change_privileges(role, '{monitor}', false);
END
$$;

COMMENT ON FUNCTION modelroute.revoke_monitor(name) IS
	'Lets a role read its own calls only';

CREATE FUNCTION modelroute.monitor() RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT true $$;

COMMENT ON FUNCTION modelroute.monitor() IS
	'Whoever may execute it sees the calls of all roles in audit and attempt; see grant_monitor';

CREATE FUNCTION modelroute.grant_model(glob text, role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee regrole := modelroute.require_role(grant_model.role);
BEGIN
	IF grant_model.glob ~ '^[!-~]{1,200}$' IS NOT TRUE THEN
		PERFORM modelroute.refuse_value(
			'glob must be 1 to 200 printable characters without spaces',
			'It is matched against model and provider/model; * is any text and ? any one character, as in openai/gpt-*.');
	END IF;
	INSERT INTO modelroute.model_grant (model_glob, role)
	VALUES (grant_model.glob, grantee)
	ON CONFLICT DO NOTHING;
END
$$;

COMMENT ON FUNCTION modelroute.grant_model(text, name) IS
	'Limits a role, and the roles that inherit from it, to the models that match this or another of its globs';

CREATE FUNCTION modelroute.revoke_model(glob text, role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee regrole := modelroute.require_role(revoke_model.role);
BEGIN
	DELETE FROM modelroute.model_grant g
	WHERE g.model_glob = revoke_model.glob AND g.role = grantee;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('role "%s" has no grant on models "%s"',
							 revoke_model.role, revoke_model.glob),
			HINT = 'Table modelroute.model_grant lists the grants.';
	END IF;
	IF NOT EXISTS (SELECT FROM modelroute.model_grant g
				   WHERE g.role = grantee) THEN
		RAISE NOTICE 'role "%" has no grants on models of its own left',
			revoke_model.role
			USING HINT = 'Unless it inherits some, it may use every model now.';
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.revoke_model(text, name) IS
	'Takes back a grant on models; a role without any may use every model';

CREATE FUNCTION modelroute.change_privileges(
	role name,
	levels text[],
	grants boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	phrase text := CASE WHEN grants THEN '%s %s ON %s %s TO %I'
				   ELSE '%s %s ON %s %s FROM %I' END;
	verb text := CASE WHEN grants THEN 'GRANT' ELSE 'REVOKE' END;
	part record;
BEGIN
	PERFORM modelroute.require_role(role);
	IF grants OR 'use' = ANY (levels) THEN
		EXECUTE format(phrase, verb, 'USAGE', 'SCHEMA', 'modelroute', role);
	END IF;
	FOR part IN
		SELECT l.privileges, 'TABLE' AS kind, c.oid::regclass::text AS object
		FROM modelroute.privilege_list() l
			JOIN pg_class c ON c.relname = l.object
				AND c.relnamespace = 'modelroute'::regnamespace
		WHERE l.kind = 'table' AND l.level = ANY (levels)
		UNION ALL
		SELECT l.privileges, 'ROUTINE', p.oid::regprocedure::text
		FROM modelroute.privilege_list() l
			JOIN pg_proc p ON p.proname = l.object
				AND p.pronamespace = 'modelroute'::regnamespace
		WHERE l.kind = 'function' AND l.level = ANY (levels)
	LOOP
		EXECUTE format(phrase, verb, part.privileges, part.kind, part.object,
					   role);
	END LOOP;
END
$$;

COMMENT ON FUNCTION modelroute.change_privileges(name, text[], boolean) IS
	'Grants or revokes what privilege_list names for the levels';

-- ----------
-- Backends read the catalog again when a change of it commits
-- ----------

CREATE FUNCTION modelroute.catalog_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'mr_sql_catalog_changed'
LANGUAGE C VOLATILE;

COMMENT ON FUNCTION modelroute.catalog_changed() IS
	'Trigger: announces that a table of the catalog changed';

DO $$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY '{provider,model,endpoint,price,category_prior,benchmark,credential,model_grant,preset,router}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER announce_change
			AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON modelroute.%I
			FOR EACH STATEMENT EXECUTE FUNCTION modelroute.catalog_changed()',
			relation);
		EXECUTE format('ALTER TABLE modelroute.%I
			ENABLE ALWAYS TRIGGER announce_change', relation);
	END LOOP;
END
$$;

-- Of what a subscriber applies, only triggers for each row hear.
CREATE TRIGGER announce_row
	AFTER INSERT OR UPDATE OR DELETE ON modelroute.router
	FOR EACH ROW EXECUTE FUNCTION modelroute.catalog_changed();
ALTER TABLE modelroute.router ENABLE ALWAYS TRIGGER announce_row;

-- ----------
-- Dump and restore carry what the user made of the catalog
--
-- A dump holds the rows that are not as shipped and the list of shipped rows
-- that were deleted; CREATE EXTENSION brings the shipped ones.  These triggers
-- keep the column shipped true to that, and on restore let a row of the dump
-- take the place of the shipped one.  They come after the seed, which they
-- would mark as the user's; an upgrade script that changes shipped rows
-- disables them first.
--
-- A parallel restore loads tables of an extension in any order, whatever
-- their foreign keys.  So a restored row brings a placeholder for a missing
-- parent, whose own row then takes its place; and one lock lets only one
-- table be restored at a time.
--
-- Keys hold times as text: timezone is pinned so that they compare.
-- ----------

CREATE FUNCTION modelroute.row_key(contents jsonb, columns text[])
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(c, contents -> c) FROM unnest(columns) c
$$;

COMMENT ON FUNCTION modelroute.row_key(jsonb, text[]) IS
	'The part of a row that catalog_edit.key holds';

-- Marks a key as edited or removed; unless force is set, only one that is
-- known to be shipped because it was marked before.
CREATE FUNCTION modelroute.note_edit(
	table_name text,
	row_key jsonb,
	is_removed boolean,
	force boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE modelroute.catalog_edit e SET removed = is_removed
	WHERE e.relation = table_name AND e.key = row_key
		AND e.removed <> is_removed;
	IF force THEN
		INSERT INTO modelroute.catalog_edit (relation, key, removed)
		VALUES (table_name, row_key, is_removed)
		ON CONFLICT DO NOTHING;
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.note_edit(text, jsonb, boolean, boolean) IS
	'Writes catalog_edit';

CREATE FUNCTION modelroute.set_user_row() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	NEW.shipped := false;
	PERFORM modelroute.note_edit(TG_TABLE_NAME,
		modelroute.row_key(to_jsonb(NEW), TG_ARGV), false, false);
	RETURN NEW;
END
$$;

COMMENT ON FUNCTION modelroute.set_user_row() IS
	'Trigger: an inserted row is the user''s';

CREATE FUNCTION modelroute.note_update() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	old_key jsonb := modelroute.row_key(to_jsonb(OLD), TG_ARGV);
	new_key jsonb := modelroute.row_key(to_jsonb(NEW), TG_ARGV);
BEGIN
	IF NOT OLD.shipped OR to_jsonb(NEW) <> to_jsonb(OLD) THEN
		NEW.shipped := false;
	END IF;
	IF new_key <> old_key THEN
		PERFORM modelroute.note_edit(TG_TABLE_NAME, old_key, true,
									 OLD.shipped);
		PERFORM modelroute.note_edit(TG_TABLE_NAME, new_key, false, false);
	ELSIF OLD.shipped AND NOT NEW.shipped THEN
		PERFORM modelroute.note_edit(TG_TABLE_NAME, old_key, false, true);
	END IF;
	RETURN NEW;
END
$$;

COMMENT ON FUNCTION modelroute.note_update() IS
	'Trigger: a shipped row that changes is the user''s from then on';

CREATE FUNCTION modelroute.note_delete() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	PERFORM modelroute.note_edit(TG_TABLE_NAME,
		modelroute.row_key(to_jsonb(OLD), TG_ARGV), true, OLD.shipped);
	RETURN NULL;
END
$$;

COMMENT ON FUNCTION modelroute.note_delete() IS
	'Trigger: remembers that a shipped row was deleted';

CREATE FUNCTION modelroute.note_truncate() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	UPDATE modelroute.catalog_edit SET removed = true
	WHERE relation = TG_TABLE_NAME AND NOT removed;
	EXECUTE format('INSERT INTO modelroute.catalog_edit (relation, key, removed)
		SELECT $1, modelroute.row_key(to_jsonb(t), $2), true
		FROM modelroute.%I t WHERE t.shipped ON CONFLICT DO NOTHING',
		TG_TABLE_NAME)
		USING TG_TABLE_NAME, TG_ARGV;
	RETURN NULL;
END
$$;

COMMENT ON FUNCTION modelroute.note_truncate() IS
	'Trigger: remembers that the shipped rows were deleted';

CREATE FUNCTION modelroute.lock_restore() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT pg_advisory_xact_lock('modelroute.catalog_edit'::regclass::bigint)
$$;

COMMENT ON FUNCTION modelroute.lock_restore() IS
	'Waits until no other transaction restores rows of the catalog';

CREATE FUNCTION modelroute.restore_parents(table_name text, contents jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF table_name IN ('endpoint', 'price', 'category_prior') THEN
		INSERT INTO modelroute.model (model, enabled, source)
		VALUES (contents ->> 'model', false, 'being restored')
		ON CONFLICT DO NOTHING;
	END IF;
	IF table_name IN ('endpoint', 'price') THEN
		INSERT INTO modelroute.provider (provider, base_url, enabled, source)
		VALUES (contents ->> 'provider', 'https://localhost', false,
				'being restored')
		ON CONFLICT DO NOTHING;
	END IF;
	IF table_name = 'price' THEN
		INSERT INTO modelroute.endpoint
			(model, provider, upstream_name, enabled, source)
		VALUES (contents ->> 'model', contents ->> 'provider', '-', false,
				'being restored')
		ON CONFLICT DO NOTHING;
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.restore_parents(text, jsonb) IS
	'Adds disabled placeholders for the rows that a restored row refers to';

CREATE FUNCTION modelroute.restore_row() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	same_key text;
	columns text;
	contents text;
	taken boolean;
BEGIN
	PERFORM modelroute.lock_restore();
	PERFORM modelroute.restore_parents(TG_TABLE_NAME, to_jsonb(NEW));

	SELECT string_agg(format('t.%1$I = ($1).%1$I', c), ' AND ')
	INTO same_key FROM unnest(TG_ARGV) c;
	SELECT string_agg(quote_ident(a.attname), ', '),
		string_agg(format('($1).%I', a.attname), ', ')
	INTO columns, contents
	FROM pg_attribute a
	WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped;

	EXECUTE format('UPDATE modelroute.%I t SET (%s) = ROW(%s)
		WHERE (t.shipped OR t.source = ''being restored'') AND %s
		RETURNING true', TG_TABLE_NAME, columns, contents, same_key)
		INTO taken USING NEW;
	RETURN CASE WHEN taken IS NULL THEN NEW END;
END
$$;

COMMENT ON FUNCTION modelroute.restore_row() IS
	'Trigger: a row of a dump takes the place of the shipped row or placeholder with its key';

CREATE FUNCTION modelroute.restore_removal() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	same_key text;
BEGIN
	PERFORM modelroute.lock_restore();
	IF NEW.removed THEN
		SELECT string_agg(format('t.%1$I = k.%1$I', c), ' AND ')
		INTO same_key FROM jsonb_object_keys(NEW.key) c;
		EXECUTE format('DELETE FROM modelroute.%1$I t
			USING jsonb_populate_record(NULL::modelroute.%1$I, $1) k
			WHERE t.shipped AND %2$s', NEW.relation, same_key)
			USING NEW.key;
	END IF;
	PERFORM modelroute.note_edit(NEW.relation, NEW.key, NEW.removed, true);
	RETURN NULL;
END
$$;

COMMENT ON FUNCTION modelroute.restore_removal() IS
	'Trigger: deletes the shipped row again that a dump says was deleted';

-- pg_dump's output runs with an empty search_path and inserts by itself; in
-- every other session INSERT means what it says, also with ON CONFLICT.
DO $$
DECLARE
	part record;
	keys text;
BEGIN
	FOR part IN
		SELECT c.relname, array_agg(a.attname ORDER BY a.attnum) AS columns
		FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
			JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
				AND a.attnum = ANY (i.indkey)
		WHERE c.relnamespace = 'modelroute'::pg_catalog.regnamespace
			AND c.relname = ANY ('{provider,model,endpoint,price,category_prior,benchmark}')
		GROUP BY c.relname
	LOOP
		SELECT string_agg(quote_literal(c), ', ') INTO keys
		FROM unnest(part.columns) c;
		EXECUTE format('CREATE TRIGGER restore_row
			BEFORE INSERT ON modelroute.%I FOR EACH ROW
			WHEN (pg_catalog.current_setting(''search_path'') = ''''
				AND pg_catalog.current_query() ~* ''(copy|insert into) modelroute[.]'')
			EXECUTE FUNCTION modelroute.restore_row(%s)', part.relname, keys);
		EXECUTE format('CREATE TRIGGER set_user_row
			BEFORE INSERT ON modelroute.%I FOR EACH ROW
			EXECUTE FUNCTION modelroute.set_user_row(%s)', part.relname, keys);
		EXECUTE format('CREATE TRIGGER note_update
			BEFORE UPDATE ON modelroute.%I FOR EACH ROW
			EXECUTE FUNCTION modelroute.note_update(%s)', part.relname, keys);
		EXECUTE format('CREATE TRIGGER note_delete
			AFTER DELETE ON modelroute.%I FOR EACH ROW
			EXECUTE FUNCTION modelroute.note_delete(%s)', part.relname, keys);
		EXECUTE format('CREATE TRIGGER note_truncate
			BEFORE TRUNCATE ON modelroute.%I FOR EACH STATEMENT
			EXECUTE FUNCTION modelroute.note_truncate(%s)', part.relname, keys);
		PERFORM pg_catalog.pg_extension_config_dump(
			format('modelroute.%I', part.relname)::pg_catalog.regclass,
			'WHERE NOT shipped');
	END LOOP;
END
$$;

CREATE TRIGGER restore_removal
	BEFORE INSERT ON modelroute.catalog_edit FOR EACH ROW
	WHEN (pg_catalog.pg_trigger_depth() = 0)
	EXECUTE FUNCTION modelroute.restore_removal();

-- An edit is noted again when the edited row is restored.
SELECT pg_catalog.pg_extension_config_dump('modelroute.catalog_edit',
	'WHERE removed');

-- A grant to a role that was dropped means nothing, here or elsewhere.
SELECT pg_catalog.pg_extension_config_dump('modelroute.model_grant',
	'WHERE role IN (SELECT oid FROM pg_catalog.pg_roles)');

-- ----------
-- Nothing is granted to PUBLIC; see privilege_list for what grant_use and
-- its like grant
-- ----------

DO $$
DECLARE
	member record;
BEGIN
	FOR member IN
		SELECT CASE d.classid
				WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass
				THEN 'ROUTINE ' || d.objid::pg_catalog.regprocedure
				ELSE CASE WHEN c.relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
					|| d.objid::pg_catalog.regclass END AS object
		FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
			LEFT JOIN pg_catalog.pg_class c
				ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
				AND c.oid = d.objid
		WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.deptype = 'e' AND e.extname = 'modelroute'
			AND (d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
				 OR c.relkind IN ('r', 'p', 'v', 'm', 'S'))
	LOOP
		EXECUTE 'REVOKE ALL ON ' || member.object || ' FROM PUBLIC';
	END LOOP;
	REVOKE ALL ON SCHEMA modelroute FROM PUBLIC;
END
$$;

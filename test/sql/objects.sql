-- What holds for every object of the extension: it is described, PUBLIC has
-- no right to it, and its functions run safely.  Each query finds nothing.

CREATE TEMP VIEW member AS
SELECT classid, objid, pg_describe_object(classid, objid, 0) AS object
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'modelroute');

SELECT count(*) > 50 AS many_members FROM member;

-- without a comment
SELECT object FROM member
WHERE classid IN ('pg_class'::regclass, 'pg_proc'::regclass,
		'pg_type'::regclass, 'pg_namespace'::regclass)
	AND obj_description(objid, classid::regclass::name) IS NULL
	AND NOT EXISTS (SELECT FROM pg_type t
		WHERE classid = 'pg_type'::regclass AND t.oid = objid
			AND t.typelem <> 0)
ORDER BY object COLLATE "C";

-- columns of tables without one
SELECT attrelid::regclass::text AS relation, attname
FROM member
JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid
JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
WHERE relkind IN ('r', 'p') AND col_description(attrelid, attnum) IS NULL
ORDER BY attrelid::regclass::text COLLATE "C", attnum;

-- open to PUBLIC
SELECT object FROM member JOIN pg_proc p
	ON classid = 'pg_proc'::regclass AND p.oid = objid
WHERE has_function_privilege('public', p.oid, 'EXECUTE')
UNION ALL
SELECT object FROM member JOIN pg_class c
	ON classid = 'pg_class'::regclass AND c.oid = objid
WHERE relkind IN ('r', 'p', 'v', 'm')
	AND has_any_column_privilege('public', c.oid, 'SELECT, INSERT, UPDATE')
UNION ALL
SELECT object FROM member JOIN pg_namespace n
	ON classid = 'pg_namespace'::regclass AND n.oid = objid
WHERE has_schema_privilege('public', n.oid, 'USAGE, CREATE')
ORDER BY 1;

-- SECURITY DEFINER without a search_path that ends with pg_temp
SELECT object, proconfig FROM member JOIN pg_proc p
	ON classid = 'pg_proc'::regclass AND p.oid = objid
WHERE prosecdef AND NOT coalesce(array_to_string(proconfig, ',')
	~ 'search_path=pg_catalog, pg_temp', false)
ORDER BY object COLLATE "C";

-- dear, so it sends, but EXPLAIN or a parallel worker may call it
SELECT object, provolatile, proparallel FROM member JOIN pg_proc p
	ON classid = 'pg_proc'::regclass AND p.oid = objid
WHERE procost >= 1000000 AND (provolatile <> 'v' OR proparallel = 's' OR proisstrict)
ORDER BY object COLLATE "C";

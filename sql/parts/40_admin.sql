-- ----------
-- Administration: providers, models, credentials
--
-- These functions run as the extension's owner; who may call them is decided
-- by EXECUTE, which grant_admin gives.  The last ones are steps of the others
-- and granted to no one.
-- ----------

CREATE FUNCTION modelroute.add_provider(
	provider text,
	base_url text,
	api text DEFAULT 'openai',
	credential jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	url text := rtrim(add_provider.base_url, '/');
BEGIN
	PERFORM modelroute.check_provider(add_provider.provider, url,
									  add_provider.api);

	INSERT INTO modelroute.provider AS p
		(provider, base_url, api, needs_credential, source, as_of)
	VALUES (add_provider.provider, url, add_provider.api,
			add_provider.credential IS NOT NULL, 'add_provider', current_date)
	ON CONFLICT (provider) DO UPDATE
		SET base_url = excluded.base_url, api = excluded.api, enabled = true,
			source = excluded.source, as_of = excluded.as_of
		WHERE (p.base_url, p.api, p.enabled)
			<> (excluded.base_url, excluded.api, true);

	IF add_provider.credential IS NOT NULL THEN
		PERFORM modelroute.set_credential(add_provider.provider,
										  add_provider.credential);
		UPDATE modelroute.provider p
		SET needs_credential = true
		WHERE p.provider = add_provider.provider AND NOT p.needs_credential;
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.add_provider(text, text, text, jsonb) IS
	'Adds a provider, or changes its base_url and dialect and enables it. A new one without credential is taken to need none';

CREATE FUNCTION modelroute.add_model(
	model text,
	provider text,
	upstream_name text DEFAULT NULL,
	input_price numeric DEFAULT NULL,
	output_price numeric DEFAULT NULL,
	context_window integer DEFAULT NULL,
	max_output_tokens integer DEFAULT NULL,
	capabilities text[] DEFAULT NULL,
	quality jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM modelroute.require_provider(add_model.provider);
	PERFORM modelroute.check_model(
		add_model.model, add_model.upstream_name, add_model.context_window,
		add_model.max_output_tokens, add_model.capabilities);
	PERFORM modelroute.check_price(add_model.input_price);
	PERFORM modelroute.check_price(add_model.output_price);
	PERFORM modelroute.check_quality(add_model.quality);

	INSERT INTO modelroute.model (model, kind, source, as_of)
	VALUES (add_model.model,
			CASE WHEN 'embeddings' = ANY (add_model.capabilities)
				AND 'chat' <> ALL (add_model.capabilities)
				THEN 'embedding' ELSE 'chat' END,
			'add_model', current_date)
	ON CONFLICT (model) DO NOTHING;

	INSERT INTO modelroute.endpoint AS e
		(model, provider, upstream_name, context_window, max_output_tokens,
		 capabilities, source, as_of)
	VALUES (add_model.model, add_model.provider,
			coalesce(add_model.upstream_name, add_model.model),
			add_model.context_window, add_model.max_output_tokens,
			coalesce(add_model.capabilities,
					 modelroute.default_capabilities(add_model.model)),
			'add_model', current_date)
	ON CONFLICT (model, provider) DO UPDATE
		SET upstream_name = coalesce(add_model.upstream_name,
									 e.upstream_name),
			context_window = coalesce(add_model.context_window,
									  e.context_window),
			max_output_tokens = coalesce(add_model.max_output_tokens,
										 e.max_output_tokens),
			capabilities = coalesce(add_model.capabilities, e.capabilities),
			source = excluded.source, as_of = excluded.as_of
		WHERE (e.upstream_name, e.context_window, e.max_output_tokens,
			   e.capabilities) IS DISTINCT FROM
			  (coalesce(add_model.upstream_name, e.upstream_name),
			   coalesce(add_model.context_window, e.context_window),
			   coalesce(add_model.max_output_tokens, e.max_output_tokens),
			   coalesce(add_model.capabilities, e.capabilities));

	PERFORM modelroute.record_price(add_model.model, add_model.provider,
									add_model.input_price,
									add_model.output_price);
	PERFORM modelroute.record_quality(add_model.model, add_model.quality);
END
$$;

COMMENT ON FUNCTION modelroute.add_model(text, text, text, numeric, numeric, integer, integer, text[], jsonb) IS
	'Adds a model at a provider, or changes what is given: prices in USD per million tokens, quality as {"default": 0.6, "code": 0.8}. NULL leaves what is known. Without capabilities a new endpoint has chat, tools, json_schema, streaming and sampling';

CREATE FUNCTION modelroute.set_credential(
	provider text,
	source jsonb,
	role name DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	owner_role regrole;
BEGIN
	PERFORM modelroute.require_provider(set_credential.provider);
	IF set_credential.role IS NOT NULL THEN
		owner_role := modelroute.require_role(set_credential.role);
	END IF;
	PERFORM modelroute.check_credential_source(set_credential.source);

	INSERT INTO modelroute.credential (provider, role, source)
	VALUES (set_credential.provider, owner_role, set_credential.source)
	ON CONFLICT (provider, role) DO UPDATE SET source = excluded.source;
END
$$;

COMMENT ON FUNCTION modelroute.set_credential(text, jsonb, name) IS
	'Says where the server finds a provider''s secret: {"env": NAME} or {"file": PATH}; for one role, or for every role without its own';

CREATE FUNCTION modelroute.unset_credential(
	provider text,
	role name DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	owner_role regrole;
BEGIN
	PERFORM modelroute.require_provider(unset_credential.provider);
	IF unset_credential.role IS NOT NULL THEN
		owner_role := modelroute.require_role(unset_credential.role);
	END IF;

	DELETE FROM modelroute.credential c
	WHERE c.provider = unset_credential.provider
		AND c.role IS NOT DISTINCT FROM owner_role;
	IF NOT FOUND THEN
		RAISE NOTICE 'provider "%" has no such credential',
			unset_credential.provider;
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.unset_credential(text, name) IS
	'Forgets a provider''s credential of a role, or the one for every role';

-- ----------
-- Steps of the functions above
-- ----------

CREATE FUNCTION modelroute.check_credential_source(source jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'mr_sql_check_credential_source'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION modelroute.check_credential_source(jsonb) IS
	'Raises an error unless it is {"env": NAME} or {"file": PATH} and allowed';

CREATE FUNCTION modelroute.refuse_value(message text, hint text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
		MESSAGE = message, HINT = hint;
END
$$;

COMMENT ON FUNCTION modelroute.refuse_value(text, text) IS
	'Raises 22023';

CREATE FUNCTION modelroute.require_provider(provider text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM modelroute.provider p
				   WHERE p.provider = require_provider.provider) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('provider "%s" does not exist',
							 require_provider.provider),
			HINT = 'Table modelroute.provider lists the providers; modelroute.add_provider(provider, base_url) adds one.';
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.require_provider(text) IS
	'Raises 42704 unless the provider exists';

CREATE FUNCTION modelroute.require_role(role name) RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_role oid;
BEGIN
	SELECT r.oid INTO found_role FROM pg_roles r
	WHERE r.rolname = require_role.role;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('role "%s" does not exist', require_role.role);
	END IF;
	RETURN found_role;
END
$$;

COMMENT ON FUNCTION modelroute.require_role(name) IS
	'The role''s OID; raises 42704 unless it exists';

CREATE FUNCTION modelroute.check_provider(
	provider text,
	base_url text,
	api text
) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF provider ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$' IS NOT TRUE THEN
		PERFORM modelroute.refuse_value(
			'provider has a malformed name',
			'Use up to 100 letters, digits, dots, colons, hyphens and underscores.');
	END IF;
	IF (base_url ~ '^https?://[][A-Za-z0-9._:-]+(/[!-~]*)?$'
		AND base_url !~ '[?#]' AND length(base_url) <= 2000) IS NOT TRUE THEN
		PERFORM modelroute.refuse_value(
			'base_url is not acceptable',
			'Write it like https://api.example.com/v1, without user, password, query and fragment.');
	END IF;
	IF (api IN ('openai', 'anthropic', 'gemini')) IS NOT TRUE THEN
		PERFORM modelroute.refuse_value(
			format('unknown api "%s"', api),
			'Use openai, anthropic or gemini, whichever interface the server has; most copy openai.');
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.check_provider(text, text, text) IS
	'Raises 22023 unless the arguments of add_provider are good';

CREATE FUNCTION modelroute.check_model(
	model text,
	upstream_name text,
	context_window integer,
	max_output_tokens integer,
	capabilities text[]
) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known constant text[] := '{chat,tools,json_schema,vision,reasoning,streaming,embeddings,sampling}';
	word text;
BEGIN
	IF (model ~ '^[!-~]{1,200}$' AND model <> 'auto') IS NOT TRUE THEN
		PERFORM modelroute.refuse_value(
			'model has a malformed name',
			'Use up to 200 printable ASCII characters without spaces; "auto" is reserved.');
	END IF;
	IF upstream_name !~ '^[ -~]{1,250}$' THEN
		PERFORM modelroute.refuse_value(
			'upstream_name is malformed',
			'Use up to 250 printable ASCII characters.');
	END IF;
	IF least(context_window, max_output_tokens) <= 0 THEN
		PERFORM modelroute.refuse_value(
			'context_window and max_output_tokens must be positive',
			'Leave them NULL when they are not known.');
	END IF;
	FOREACH word IN ARRAY coalesce(capabilities, '{}') LOOP
		IF (word = ANY (known)) IS NOT TRUE THEN
			PERFORM modelroute.refuse_value(
				format('unknown capability "%s"', word),
				'Capabilities are ' || array_to_string(known, ', ') || '.');
		END IF;
	END LOOP;
END
$$;

COMMENT ON FUNCTION modelroute.check_model(text, text, integer, integer, text[]) IS
	'Raises 22023 unless the arguments of add_model are good';

CREATE FUNCTION modelroute.check_price(price numeric) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF price < 0 OR price > 1000000 THEN
		PERFORM modelroute.refuse_value(
			'price is out of range',
			'Prices are USD per million tokens, 0 to 1000000.');
	END IF;
END
$$;

COMMENT ON FUNCTION modelroute.check_price(numeric) IS
	'Raises 22023 unless it is a price';

CREATE FUNCTION modelroute.check_quality(quality jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known constant text[] := '{default,code,math,reasoning,knowledge,instruction_following,writing_chat,multilingual,extraction_summarization,long_context,tool_use}';
	entry record;
BEGIN
	IF jsonb_typeof(quality) <> 'object' THEN
		PERFORM modelroute.refuse_value('quality is not an object',
			'Write it like {"default": 0.6, "code": 0.8}.');
	END IF;
	FOR entry IN SELECT * FROM jsonb_each(quality) LOOP
		IF entry.key <> ALL (known) THEN
			PERFORM modelroute.refuse_value(
				format('unknown category "%s" in quality', entry.key),
				'Categories are ' || array_to_string(known, ', ') || '.');
		END IF;
		IF NOT entry.value @? '$ ? (@.type() == "number" && @ >= 0 && @ <= 1)' THEN
			PERFORM modelroute.refuse_value(
				format('quality of category "%s" is not a number from 0 to 1',
					   entry.key),
				'0.5 is an average model; see table modelroute.category_prior.');
		END IF;
	END LOOP;
END
$$;

COMMENT ON FUNCTION modelroute.check_quality(jsonb) IS
	'Raises 22023 unless it is an object of categories and numbers from 0 to 1';

CREATE FUNCTION modelroute.default_capabilities(model text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE m.kind
		WHEN 'embedding' THEN '{embeddings}'::text[]
		ELSE '{chat,tools,json_schema,streaming,sampling}'::text[] END
	FROM modelroute.model m WHERE m.model = default_capabilities.model
$$;

COMMENT ON FUNCTION modelroute.default_capabilities(text) IS
	'What add_model takes a new endpoint of the model to be capable of';

CREATE FUNCTION modelroute.record_price(
	model text,
	provider text,
	input_price numeric,
	output_price numeric
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	present modelroute.price;
	known boolean;
BEGIN
	SELECT * INTO present FROM modelroute.price c
	WHERE c.model = record_price.model AND c.provider = record_price.provider
		AND c.valid_from <= now()
		AND (c.valid_until IS NULL OR c.valid_until > now())
	ORDER BY c.valid_from DESC LIMIT 1;
	known := FOUND;

	present.input_price := coalesce(record_price.input_price,
									present.input_price);
	present.output_price := coalesce(record_price.output_price,
									 present.output_price);
	IF (record_price.input_price IS NULL AND record_price.output_price IS NULL)
		OR known AND EXISTS (
			SELECT FROM modelroute.price c
			WHERE (c.model, c.provider, c.valid_from) =
				(present.model, present.provider, present.valid_from)
				AND (c.input_price, c.output_price) IS NOT DISTINCT FROM
				(present.input_price, present.output_price))
	THEN
		RETURN;
	END IF;

	INSERT INTO modelroute.price
		(model, provider, valid_from, input_price, output_price,
		 cached_input_price, cache_write_price, long_context_threshold,
		 long_context_input_price, long_context_cached_input_price,
		 long_context_output_price, source, as_of)
	VALUES
		(record_price.model, record_price.provider, now(),
		 present.input_price, present.output_price,
		 present.cached_input_price, present.cache_write_price,
		 present.long_context_threshold, present.long_context_input_price,
		 present.long_context_cached_input_price,
		 present.long_context_output_price, 'add_model', current_date)
	ON CONFLICT (model, provider, valid_from) DO UPDATE
		SET input_price = excluded.input_price,
			output_price = excluded.output_price,
			valid_until = NULL;
END
$$;

COMMENT ON FUNCTION modelroute.record_price(text, text, numeric, numeric) IS
	'Begins a new price now if it differs from the one in force; other prices of the endpoint stay as they are';

CREATE FUNCTION modelroute.record_quality(model text, quality jsonb)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO modelroute.category_prior AS c
		(model, category, quality, basis, source, as_of)
	SELECT record_quality.model, e.key, e.value::float8, 'user', 'add_model',
		current_date
	FROM jsonb_each_text(record_quality.quality) e
	ON CONFLICT (model, category) DO UPDATE
		SET quality = excluded.quality, stderr_logit = NULL,
			basis = excluded.basis, source = excluded.source,
			as_of = excluded.as_of
		WHERE c.quality <> excluded.quality
$$;

COMMENT ON FUNCTION modelroute.record_quality(text, jsonb) IS
	'Writes qualities by category into category_prior';

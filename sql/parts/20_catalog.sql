-- ----------
-- The catalog: what is known of providers, models and prices
--
-- Text that reaches the wire is printable ASCII by CHECK.  Every fact keeps
-- its source and the day it was true; what is not known is NULL.
-- ----------

CREATE TABLE modelroute.provider (
	provider text PRIMARY KEY
		CHECK (provider ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$'),
	display_name text,
	api text NOT NULL DEFAULT 'openai'
		CHECK (api IN ('openai', 'anthropic', 'gemini')),
	base_url text NOT NULL
		CHECK (base_url ~ '^https?://[][A-Za-z0-9._:-]+(/[!-~]*)?$'
			   AND base_url !~ '[?#]' AND length(base_url) <= 2000),
	chat_path text CHECK (chat_path ~ '^/[!-~]{0,200}$'),
	embeddings_path text CHECK (embeddings_path ~ '^/[!-~]{0,200}$'),
	models_path text CHECK (models_path ~ '^/[!-~]{0,200}$'),
	max_tokens_field text
		CHECK (max_tokens_field IN ('max_tokens', 'max_completion_tokens')),
	headers jsonb
		CONSTRAINT provider_headers_check CHECK (
			jsonb_typeof(headers) = 'object' AND length(headers::text) <= 8000
			AND NOT headers @? 'strict $.keyvalue() ? (
				!(@.value.type() == "string")
				|| !(@.key like_regex "^[A-Za-z0-9-]{1,100}$")
				|| !(@.value like_regex "^[ -~]*$"))'),
	CONSTRAINT provider_headers_secret_check CHECK (
		NOT headers @? 'strict $.keyvalue() ? (@.key like_regex
			"^(proxy-)?authorization$|^cookie$|(api|access|auth)-?(key|token)|^(host|connection|content-length|transfer-encoding)$"
			flag "i")'),
	needs_credential boolean NOT NULL DEFAULT true,
	credential_env text,
	enabled boolean NOT NULL DEFAULT true,
	note text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE modelroute.provider IS
	'Who serves models: where, in which dialect. Usable once it has a credential or needs none';
COMMENT ON COLUMN modelroute.provider.provider IS
	'name, the first part of provider/model';
COMMENT ON COLUMN modelroute.provider.display_name IS
	'name for people';
COMMENT ON COLUMN modelroute.provider.api IS
	'wire dialect: openai, anthropic or gemini; servers that copy one speak it too';
COMMENT ON COLUMN modelroute.provider.base_url IS
	'http or https URL that the paths are appended to; without user, query or fragment';
COMMENT ON COLUMN modelroute.provider.chat_path IS
	'path of chat completions under base_url; NULL = the dialect''s own';
COMMENT ON COLUMN modelroute.provider.embeddings_path IS
	'path of embeddings under base_url; NULL = the dialect''s own';
COMMENT ON COLUMN modelroute.provider.models_path IS
	'path of the list of models under base_url; NULL = the dialect''s own';
COMMENT ON COLUMN modelroute.provider.max_tokens_field IS
	'openai dialect only: the field that limits the reply; NULL = the dialect''s own';
COMMENT ON COLUMN modelroute.provider.headers IS
	'extra headers of every request, an object of name and text; never a secret: see set_credential';
COMMENT ON COLUMN modelroute.provider.needs_credential IS
	'not used until set_credential named one; false for a server that takes anyone';
COMMENT ON COLUMN modelroute.provider.credential_env IS
	'the environment variable that usually holds its key, for hints only';
COMMENT ON COLUMN modelroute.provider.enabled IS
	'false: never chosen';
COMMENT ON COLUMN modelroute.provider.note IS
	'what else to know, for people';
COMMENT ON COLUMN modelroute.provider.source IS
	'where the facts of this row come from';
COMMENT ON COLUMN modelroute.provider.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.provider.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

CREATE TABLE modelroute.model (
	model text PRIMARY KEY
		CHECK (model ~ '^[!-~]{1,200}$' AND model <> 'auto'),
	display_name text,
	family text,
	tier text,
	kind text NOT NULL DEFAULT 'chat' CHECK (kind IN ('chat', 'embedding')),
	release_date date,
	enabled boolean NOT NULL DEFAULT true,
	note text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE modelroute.model IS
	'Models, whoever serves them';
COMMENT ON COLUMN modelroute.model.model IS
	'name, as in the argument model of complete()';
COMMENT ON COLUMN modelroute.model.display_name IS
	'name for people';
COMMENT ON COLUMN modelroute.model.family IS
	'models of one family share a line of development';
COMMENT ON COLUMN modelroute.model.tier IS
	'class of price and strength: top, mid, cheap, local, legacy or embedding in the shipped rows';
COMMENT ON COLUMN modelroute.model.kind IS
	'chat or embedding';
COMMENT ON COLUMN modelroute.model.release_date IS
	'day it was released';
COMMENT ON COLUMN modelroute.model.enabled IS
	'false: never chosen, at no provider';
COMMENT ON COLUMN modelroute.model.note IS
	'what else to know, for people';
COMMENT ON COLUMN modelroute.model.source IS
	'where the facts of this row come from';
COMMENT ON COLUMN modelroute.model.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.model.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

CREATE TABLE modelroute.endpoint (
	model text NOT NULL REFERENCES modelroute.model
		ON UPDATE CASCADE ON DELETE CASCADE,
	provider text NOT NULL REFERENCES modelroute.provider
		ON UPDATE CASCADE ON DELETE CASCADE,
	upstream_name text NOT NULL CHECK (upstream_name ~ '^[ -~]{1,250}$'),
	status text NOT NULL DEFAULT 'active'
		CHECK (status IN ('active', 'legacy', 'deprecated', 'preview',
						  'retired')),
	retirement_date date,
	replacement text,
	context_window integer CHECK (context_window > 0),
	max_output_tokens integer CHECK (max_output_tokens > 0),
	capabilities text[] NOT NULL DEFAULT '{chat}'
		CHECK (capabilities <@ ARRAY['chat', 'tools', 'json_schema', 'vision',
			   'reasoning', 'streaming', 'embeddings', 'sampling']),
	first_token_ms double precision
		CHECK (first_token_ms >= 0 AND first_token_ms <= 3600000),
	tokens_per_second double precision
		CHECK (tokens_per_second > 0 AND tokens_per_second <= 1000000),
	enabled boolean NOT NULL DEFAULT true,
	note text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false,
	PRIMARY KEY (model, provider)
);

CREATE INDEX endpoint_provider_idx ON modelroute.endpoint (provider);

COMMENT ON TABLE modelroute.endpoint IS
	'A model at a provider: what a request can be sent to';
COMMENT ON COLUMN modelroute.endpoint.model IS
	'the model served';
COMMENT ON COLUMN modelroute.endpoint.provider IS
	'who serves it';
COMMENT ON COLUMN modelroute.endpoint.upstream_name IS
	'the model''s name at the provider';
COMMENT ON COLUMN modelroute.endpoint.status IS
	'active, legacy, deprecated (a retirement date is set), preview, or retired: never chosen';
COMMENT ON COLUMN modelroute.endpoint.retirement_date IS
	'the day (UTC) the provider switches it off: not chosen from that day on';
COMMENT ON COLUMN modelroute.endpoint.replacement IS
	'what the provider names as its successor';
COMMENT ON COLUMN modelroute.endpoint.context_window IS
	'tokens of prompt and reply together; NULL = unknown, does not limit';
COMMENT ON COLUMN modelroute.endpoint.max_output_tokens IS
	'tokens of the reply; NULL = unknown, does not limit';
COMMENT ON COLUMN modelroute.endpoint.capabilities IS
	'words of: chat, tools, json_schema, vision, reasoning, streaming, embeddings, sampling (takes temperature and top_p)';
COMMENT ON COLUMN modelroute.endpoint.first_token_ms IS
	'expected milliseconds to the first token, until measured; NULL = unknown';
COMMENT ON COLUMN modelroute.endpoint.tokens_per_second IS
	'expected tokens of reply per second, until measured; NULL = unknown';
COMMENT ON COLUMN modelroute.endpoint.enabled IS
	'false: never chosen';
COMMENT ON COLUMN modelroute.endpoint.note IS
	'what else to know, for people';
COMMENT ON COLUMN modelroute.endpoint.source IS
	'where the limits and capabilities come from';
COMMENT ON COLUMN modelroute.endpoint.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.endpoint.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

-- The bound keeps tokens times price within 64 bits; it also refuses NaN.
CREATE DOMAIN modelroute.usd_per_mtok AS numeric
	CHECK (VALUE >= 0 AND VALUE <= 1000000);

COMMENT ON DOMAIN modelroute.usd_per_mtok IS
	'a price in US dollars per million tokens';

CREATE TABLE modelroute.price (
	model text NOT NULL,
	provider text NOT NULL,
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_until timestamptz,
	input_price modelroute.usd_per_mtok,
	output_price modelroute.usd_per_mtok,
	cached_input_price modelroute.usd_per_mtok,
	cache_write_price modelroute.usd_per_mtok,
	long_context_threshold integer CHECK (long_context_threshold > 0),
	long_context_input_price modelroute.usd_per_mtok,
	long_context_cached_input_price modelroute.usd_per_mtok,
	long_context_output_price modelroute.usd_per_mtok,
	note text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false,
	PRIMARY KEY (model, provider, valid_from),
	FOREIGN KEY (model, provider) REFERENCES modelroute.endpoint
		ON UPDATE CASCADE ON DELETE CASCADE,
	CHECK (valid_until > valid_from)
);

COMMENT ON TABLE modelroute.price IS
	'What an endpoint bills, in USD per million tokens, with history: a change is a new row, and the latest valid_from that has come rules. NULL = unknown, never free';
COMMENT ON COLUMN modelroute.price.model IS
	'the endpoint''s model';
COMMENT ON COLUMN modelroute.price.provider IS
	'the endpoint''s provider';
COMMENT ON COLUMN modelroute.price.valid_from IS
	'when the price began or will begin; 2000-01-01 in shipped rows whose beginning is not known';
COMMENT ON COLUMN modelroute.price.valid_until IS
	'when it ends, exclusive; NULL = until a later row begins';
COMMENT ON COLUMN modelroute.price.input_price IS
	'USD per million prompt tokens';
COMMENT ON COLUMN modelroute.price.output_price IS
	'USD per million tokens of reply, reasoning included';
COMMENT ON COLUMN modelroute.price.cached_input_price IS
	'USD per million prompt tokens read from the provider''s cache; NULL = billed as input';
COMMENT ON COLUMN modelroute.price.cache_write_price IS
	'USD per million prompt tokens written to the provider''s cache; NULL = billed as input';
COMMENT ON COLUMN modelroute.price.long_context_threshold IS
	'prompt tokens, cached ones included, above which the whole request is billed at the long_context prices; NULL = no such tier';
COMMENT ON COLUMN modelroute.price.long_context_input_price IS
	'input_price above the threshold';
COMMENT ON COLUMN modelroute.price.long_context_cached_input_price IS
	'cached_input_price above the threshold; NULL = billed as input';
COMMENT ON COLUMN modelroute.price.long_context_output_price IS
	'output_price above the threshold';
COMMENT ON COLUMN modelroute.price.note IS
	'how well sources agree and what was announced, for people';
COMMENT ON COLUMN modelroute.price.source IS
	'where the price comes from';
COMMENT ON COLUMN modelroute.price.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.price.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

CREATE TABLE modelroute.category_prior (
	model text NOT NULL REFERENCES modelroute.model
		ON UPDATE CASCADE ON DELETE CASCADE,
	category text NOT NULL
		CHECK (category IN ('default', 'code', 'math', 'reasoning',
			   'knowledge', 'instruction_following', 'writing_chat',
			   'multilingual', 'extraction_summarization', 'long_context',
			   'tool_use')),
	quality double precision NOT NULL CHECK (quality >= 0 AND quality <= 1),
	stderr_logit double precision
		CHECK (stderr_logit >= 0 AND stderr_logit <= 100),
	basis text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false,
	PRIMARY KEY (model, category)
);

COMMENT ON TABLE modelroute.category_prior IS
	'Expected quality of a model by kind of prompt, before anything was learned here';
COMMENT ON COLUMN modelroute.category_prior.model IS
	'the model';
COMMENT ON COLUMN modelroute.category_prior.category IS
	'kind of prompt; default stands for every kind that has no row';
COMMENT ON COLUMN modelroute.category_prior.quality IS
	'0 to 1 on one scale for all models and kinds; 0.5 is an average model';
COMMENT ON COLUMN modelroute.category_prior.stderr_logit IS
	'standard error of quality on the logit scale; NULL = unknown';
COMMENT ON COLUMN modelroute.category_prior.basis IS
	'direct: from scores of this kind; imputed: from the model''s scores of other kinds; user: given to add_model';
COMMENT ON COLUMN modelroute.category_prior.source IS
	'where the figure comes from';
COMMENT ON COLUMN modelroute.category_prior.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.category_prior.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

CREATE TABLE modelroute.benchmark (
	model text NOT NULL,
	benchmark text NOT NULL,
	category text NOT NULL,
	variant text NOT NULL DEFAULT '',
	score double precision CHECK (score >= 0 AND score <= 1),
	raw_score double precision,
	max_score double precision,
	reported_by text,
	licence text,
	source text,
	as_of date,
	shipped boolean NOT NULL DEFAULT false,
	PRIMARY KEY (model, benchmark, category, variant)
);

COMMENT ON TABLE modelroute.benchmark IS
	'Published scores with a licence that allows passing them on; also of models that are not in the catalog';
COMMENT ON COLUMN modelroute.benchmark.model IS
	'the model, not necessarily one of table model';
COMMENT ON COLUMN modelroute.benchmark.benchmark IS
	'name of the benchmark';
COMMENT ON COLUMN modelroute.benchmark.category IS
	'kind of prompt it measures';
COMMENT ON COLUMN modelroute.benchmark.variant IS
	'snapshot, effort or mode of the model that was measured; empty = not stated';
COMMENT ON COLUMN modelroute.benchmark.score IS
	'0 to 1, higher is better';
COMMENT ON COLUMN modelroute.benchmark.raw_score IS
	'as published';
COMMENT ON COLUMN modelroute.benchmark.max_score IS
	'the published scale''s best';
COMMENT ON COLUMN modelroute.benchmark.reported_by IS
	'independent, or vendor: the model''s own maker';
COMMENT ON COLUMN modelroute.benchmark.licence IS
	'licence of the published table';
COMMENT ON COLUMN modelroute.benchmark.source IS
	'where the score was published';
COMMENT ON COLUMN modelroute.benchmark.as_of IS
	'the day the source was true';
COMMENT ON COLUMN modelroute.benchmark.shipped IS
	'true: as the extension ships it; any edit makes it false, and dumps hold only such rows';

-- Item response theory with one parameter (Rasch): logit(score) = ability -
-- difficulty of the benchmark.  Models with a prior place each benchmark on the
-- priors' scale.
CREATE VIEW modelroute.benchmark_prior WITH (security_invoker = true) AS
WITH result AS (
	SELECT model, benchmark, category, pg_catalog.avg(pg_catalog.ln(s / (1 - s))) AS logit
	FROM (SELECT model, benchmark, category,
				 LEAST(GREATEST(score, 0.01), 0.99) AS s
		  FROM modelroute.benchmark WHERE score IS NOT NULL) clipped
	GROUP BY model, benchmark, category
), known AS (
	SELECT model, category, pg_catalog.ln(q / (1 - q)) AS logit
	FROM (SELECT model, category, LEAST(GREATEST(quality, 0.01), 0.99) AS q
		  FROM modelroute.category_prior) clipped
), placed AS (
	SELECT benchmark, category,
		pg_catalog.avg(known.logit - result.logit) AS difficulty,
		COALESCE(pg_catalog.var_samp(known.logit - result.logit), 0.25) AS variance
	FROM result JOIN known USING (model, category)
	GROUP BY benchmark, category
)
SELECT model, category,
	1 / (1 + pg_catalog.exp(-pg_catalog.avg(logit + difficulty))) AS quality,
	GREATEST(pg_catalog.sqrt(pg_catalog.avg(variance) / pg_catalog.count(*)), 0.2)
		AS stderr_logit,
	pg_catalog.count(*) AS benchmarks
FROM result JOIN placed USING (benchmark, category)
WHERE NOT EXISTS (SELECT FROM modelroute.category_prior p
				  WHERE p.model = result.model)
GROUP BY model, category;

COMMENT ON VIEW modelroute.benchmark_prior IS
	'What published scores let expect of models that have no row in category_prior: logit(quality) = mean over benchmarks of logit(score) + difficulty, the difficulty of a benchmark from the models that have both (Rasch model). Used as their prior';
COMMENT ON COLUMN modelroute.benchmark_prior.model IS
	'the model';
COMMENT ON COLUMN modelroute.benchmark_prior.category IS
	'kind of prompt';
COMMENT ON COLUMN modelroute.benchmark_prior.quality IS
	'0 to 1, on the scale of category_prior';
COMMENT ON COLUMN modelroute.benchmark_prior.stderr_logit IS
	'standard error of quality on the logit scale, by how well other models fit the benchmarks; at least 0.2';
COMMENT ON COLUMN modelroute.benchmark_prior.benchmarks IS
	'how many benchmarks it rests on';

-- ----------
-- Who may use what, and with which secret
-- ----------

CREATE TABLE modelroute.credential (
	provider text NOT NULL REFERENCES modelroute.provider
		ON UPDATE CASCADE ON DELETE CASCADE,
	role regrole,
	source jsonb NOT NULL CHECK (jsonb_typeof(source) = 'object'),
	UNIQUE NULLS NOT DISTINCT (provider, role)
);

COMMENT ON TABLE modelroute.credential IS
	'Where the secret of a provider is found: a reference, never the secret. Not dumped, readable by no one; see set_credential';
COMMENT ON COLUMN modelroute.credential.provider IS
	'the provider it opens';
COMMENT ON COLUMN modelroute.credential.role IS
	'the role that uses it; NULL = every role without its own';
COMMENT ON COLUMN modelroute.credential.source IS
	'{"env": NAME}, a variable of the server''s environment, or {"file": PATH}';

CREATE TABLE modelroute.model_grant (
	model_glob text NOT NULL CHECK (model_glob ~ '^[!-~]{1,200}$'),
	role regrole NOT NULL,
	PRIMARY KEY (model_glob, role)
);

COMMENT ON TABLE modelroute.model_grant IS
	'Which models a role may use. A role without rows of its own or inherited may use all; see grant_model';
COMMENT ON COLUMN modelroute.model_grant.model_glob IS
	'matched against model and provider/model; * is any text, ? any one character';
COMMENT ON COLUMN modelroute.model_grant.role IS
	'the role it is granted to; its members inherit it';

-- ----------
-- What happened to the shipped rows here
-- ----------

CREATE TABLE modelroute.catalog_edit (
	relation text NOT NULL
		CHECK (relation IN ('provider', 'model', 'endpoint', 'price',
							'category_prior', 'benchmark')),
	key jsonb NOT NULL,
	removed boolean NOT NULL,
	PRIMARY KEY (relation, key)
);

COMMENT ON TABLE modelroute.catalog_edit IS
	'Shipped rows that were edited or deleted in this database, so that a dump can carry the deletions';
COMMENT ON COLUMN modelroute.catalog_edit.relation IS
	'the catalog table';
COMMENT ON COLUMN modelroute.catalog_edit.key IS
	'primary key of the row, times in UTC';
COMMENT ON COLUMN modelroute.catalog_edit.removed IS
	'true: deleted; false: edited';

-- ----------
-- What a router is worth on prompts whose outcome is known
-- ----------

CREATE FUNCTION modelroute.evaluate_router(
	name text,
	evals_query text,
	options jsonb DEFAULT NULL
) RETURNS TABLE (
	kind text,
	point text,
	setting float8,
	quality float8,
	quality_low float8,
	quality_high float8,
	expected_quality float8,
	cost float8,
	cost_low float8,
	cost_high float8,
	share jsonb,
	metric text,
	value float8,
	value_low float8,
	value_high float8,
	meaning text
)
AS 'MODULE_PATHNAME', 'mr_sql_evaluate_router'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 60;

COMMENT ON FUNCTION modelroute.evaluate_router(text, text, jsonb) IS
	'What a router (NULL: modelroute.router) is worth on the prompts of evals_query that every model has a score for; columns of the query as for train_router. Options: crossval (folds: learn from the other folds instead of taking a stored router), folds, seed, resamples, level.

Kinds of rows: router (what route() would choose; point quality is objective quality with its guard, strong_share=x the threshold of a pair that sends x of the prompts to the strong model, lambda=w objective quality=1,usd=w), random (each model alike), best_single (the highest mean score), cheapest, oracle (the best score of each prompt; of equal ones the cheaper), single (each model), summary. setting: the threshold or w; quality: mean score; expected_quality: what the router expected; cost: mean USD per call; share: of the prompts by model; _low and _high: bootstrap interval over prompts.

Metrics of kind summary: quality_gain (router at point quality less best_single), quality_gain_p (share of resamplings without gain), quality_gap_closed (gain as share of the oracle''s). Of two models, RouteLLM (arXiv 2406.18665): PGR = (quality - weak) / (strong - weak); apgr (PGR averaged over strong shares, 10 thresholds by quantile), cpt50, cpt80 (least % of strong calls with PGR of 50, 80 %), _exact (with every threshold), apgr_oracle. With costs, RouterBench (arXiv 2403.12031): aiq (mean quality under the non-decreasing hull of cost and quality, over the range of costs), aiq_single, aiq_random, aiq_oracle, aiq_gain (aiq - aiq_single), aiq_gap_closed; cost_saved_at_95, _99, _100 (% of the best single model''s cost saved at that % of its quality), single_saved_at_ (the same by single models mixed at random). calibration_slope (of scores over expectations, 1 = as expected), calibration_error (mean distance of both over ten bins). prompts, prompts_left_out, prompts_share, rows_skipped: what it rests on';

CREATE FUNCTION modelroute.router_report(
	name text,
	evals_query text,
	options jsonb DEFAULT NULL
) RETURNS text
AS 'MODULE_PATHNAME', 'mr_sql_router_report'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION modelroute.router_report(text, text, jsonb) IS
	'evaluate_router as one HTML page with pictures (inline SVG; no script, nothing from elsewhere); same arguments';

-- ----------
-- The threshold or weight that meets a target
-- ----------

CREATE FUNCTION modelroute.calibrate(
	name text,
	query text,
	target text,
	INOUT preset text DEFAULT NULL,
	options jsonb DEFAULT NULL,
	OUT version integer,
	OUT model text,
	OUT objective text,
	OUT threshold float8,
	OUT usd float8,
	OUT reached float8,
	OUT note text
)
AS 'MODULE_PATHNAME', 'mr_sql_calibrate'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION modelroute.calibrate(text, text, text, text, jsonb) IS
	'Finds the operating point of a router (NULL: modelroute.router) that meets a target, stores it as a version of a preset (default: <router>-<target>), and returns both. Targets: strong_share=0.3 (the share of prompts for the strong model: a threshold; the query yields prompt and maybe task), cost_per_1k=12.50 (the most quality at an expected cost of 1000 calls in USD: objective quality=1,usd=<w>; same query), quality=0.95 (of the best single model''s mean score, at the lowest cost or with the fewest strong calls; the query yields evals as for train_router). reached is what was measured: the share, USD for 1000 calls, or the quality ratio. Options: strong, weak, and for the targets on prompts models, exclude, provider, which stay in the preset';

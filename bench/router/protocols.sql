-- protocols.sql
--	  What is trained on what and tested on what, and figures of others to print
--	  beside the results (ROUTING.md sections 2, 3 and 5; others' held-out
--	  prompts are not ours).

-- prompts: how many training prompts are drawn; NULL = all of the four folds,
-- 0 = the default router with nothing but the catalog.  draws: few prompts are
-- drawn more often, because much depends on which they are.
CREATE TABLE protocol(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      name text UNIQUE, train text[], test text[],
                      prompts int, task boolean DEFAULT false,
                      draws int GENERATED ALWAYS AS
                          (CASE WHEN prompts BETWEEN 1 AND 300 THEN 20
                                ELSE 5 END) STORED);

INSERT INTO protocol(name, train, test, prompts)
SELECT 'mmlu ' || coalesce(n::text, 'all'), '{mmlu}', '{mmlu}', n
  FROM unnest('{0, 30, 100, 300, 1000, 1500, 3000, NULL}'::int[]) n;
INSERT INTO protocol(name, train, test, prompts)
SELECT 'gsm8k ' || coalesce(n::text, 'all'), '{gsm8k}', '{gsm8k}', n
  FROM unnest('{0, 100, 300, NULL}'::int[]) n;
INSERT INTO protocol(name, train, test, prompts) VALUES
    ('mmlu 1500 -> gsm8k', '{mmlu}', '{gsm8k}', 1500),
    ('gsm8k all -> mmlu', '{gsm8k}', '{mmlu}', NULL),
    ('both -> mixed', '{mmlu, gsm8k}', '{mmlu, gsm8k}', NULL);
INSERT INTO protocol(name, train, test, prompts)
SELECT d || ' ' || coalesce(n::text, 'all'), ARRAY[d], ARRAY[d], n
  FROM unnest('{llmrouter9, mmlupro11, zeroeval16}'::text[]) d,
       unnest('{100, 300, 1000, 1500, 3000, NULL}'::int[]) n
 WHERE (d, coalesce(n, 0)) NOT IN (('llmrouter9', 1500), ('llmrouter9', 3000),
                                   ('zeroeval16', 1500), ('zeroeval16', 3000));
INSERT INTO protocol(name, train, test, prompts, task)
SELECT name || ' +task', train, test, prompts, true FROM protocol
 WHERE name IN ('mmlu 1500', 'mmlu all', 'both -> mixed', 'llmrouter9 300',
                'llmrouter9 all', 'mmlupro11 1500', 'mmlupro11 all',
                'zeroeval16 all');

-- What others reach: must and prototype are of the held-out half.
CREATE TABLE reference(protocol text, metric text, must numeric,
                       prototype numeric);
INSERT INTO reference VALUES
    ('mmlu 0', 'APGR', .57, .599), ('mmlu 0', 'CPT50', NULL, 35.7),
    ('mmlu 0', 'CPT80', NULL, 66.4),
    ('gsm8k 0', 'APGR', .57, .594), ('gsm8k 0', 'CPT50', NULL, 40.4),
    ('gsm8k 0', 'CPT80', NULL, 64.9),
    ('mmlu 30', 'APGR', NULL, .594), ('mmlu 30', 'CPT50', NULL, 35.5),
    ('mmlu 30', 'CPT80', NULL, 68.6),
    ('mmlu 100', 'APGR', .600, .634), ('mmlu 100', 'CPT50', NULL, 29.9),
    ('mmlu 100', 'CPT80', NULL, 65.9),
    ('mmlu 300', 'APGR', NULL, .631), ('mmlu 300', 'CPT50', NULL, 30.9),
    ('mmlu 300', 'CPT80', NULL, 66.0),
    ('mmlu 1500', 'APGR', .635, .654), ('mmlu 1500', 'CPT50', 31, 28.1),
    ('mmlu 1500', 'CPT80', 67, 62.6),
    ('mmlu 1500 +task', 'APGR', NULL, .672),
    ('mmlu all', 'APGR', .665, .683), ('mmlu all', 'CPT50', NULL, 27.2),
    ('mmlu all', 'CPT80', NULL, 55.2),
    ('mmlu all +task', 'APGR', NULL, .700),
    ('gsm8k 100', 'APGR', NULL, .608), ('gsm8k 100', 'CPT50', NULL, 37.8),
    ('gsm8k 100', 'CPT80', NULL, 62.9),
    ('gsm8k 300', 'APGR', .595, .612),
    ('gsm8k all', 'APGR', .600, .620), ('gsm8k all', 'CPT50', NULL, 39.4),
    ('gsm8k all', 'CPT80', NULL, 58.5),
    ('mmlu 1500 -> gsm8k', 'APGR', .56, .614),
    ('mmlu 1500 -> gsm8k', 'CPT50', NULL, 38.8),
    ('mmlu 1500 -> gsm8k', 'CPT80', NULL, 66.5),
    ('gsm8k all -> mmlu', 'APGR', .56, .590),
    ('gsm8k all -> mmlu', 'CPT50', NULL, 38.4),
    ('gsm8k all -> mmlu', 'CPT80', NULL, 65.4),
    ('both -> mixed', 'APGR', .620, .644),
    ('both -> mixed', 'CPT50', NULL, 30.4),
    ('both -> mixed', 'CPT80', NULL, 60.9),
    ('llmrouter9 300', 'saved 95', NULL, 76),
    ('llmrouter9 300 +task', 'saved 95', NULL, 85),
    ('llmrouter9 all', 'best single', NULL, .627),
    ('llmrouter9 all', 'quality', .643, .652),
    ('llmrouter9 all', 'AIQ', .628, .638),
    ('llmrouter9 all', 'AIQ singles', NULL, .591),
    ('llmrouter9 all', 'AIQ oracle', NULL, .794),
    ('llmrouter9 all', 'saved 95', 82, 85.5),
    ('llmrouter9 all', 'saved 99', NULL, 74.1),
    ('llmrouter9 all', 'singles saved 95', NULL, 38.8),
    ('llmrouter9 all +task', 'quality', .660, .671),
    ('llmrouter9 all +task', 'AIQ', .647, .657),
    ('llmrouter9 all +task', 'saved 95', NULL, 86.6),
    ('llmrouter9 all +task', 'saved 99', NULL, 83.9),
    ('mmlupro11 1500', 'quality', .705, .710),
    ('mmlupro11 1500', 'AIQ', .673, .679),
    ('mmlupro11 1500', 'saved 95', 54, 60),
    ('mmlupro11 all', 'best single', NULL, .705),
    ('mmlupro11 all', 'quality', NULL, .711),
    ('mmlupro11 all', 'AIQ', NULL, .680),
    ('mmlupro11 all', 'AIQ singles', NULL, .668),
    ('mmlupro11 all', 'AIQ oracle', NULL, .902),
    ('mmlupro11 all', 'saved 95', NULL, 63),
    ('mmlupro11 all', 'saved 99', NULL, 32),
    ('mmlupro11 all +task', 'quality', NULL, .718),
    ('mmlupro11 all +task', 'AIQ', NULL, .684),
    ('zeroeval16 all', 'best single', NULL, .847),
    ('zeroeval16 all', 'quality', .842, .850),
    ('zeroeval16 all', 'AIQ', .836, .843),
    ('zeroeval16 all', 'AIQ singles', NULL, .841),
    ('zeroeval16 all', 'AIQ oracle', NULL, .952),
    ('zeroeval16 all', 'saved 95', NULL, 69),
    ('zeroeval16 all', 'saved 99', NULL, 22);

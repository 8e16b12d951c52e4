-- load.sql
--	  Tables of the development data, and load(dataset), which turns the table
--	  wide, as a file has it, into rows.

CREATE TABLE item(dataset text, id text, prompt text, task text, fold int,
                  PRIMARY KEY (dataset, id));
CREATE TABLE eval(dataset text, id text, model text, score float8, cost float8,
                  PRIMARY KEY (dataset, id, model));

-- A prompt is in the same one of 5 folds wherever and however often it stands.
CREATE PROCEDURE load(dataset text)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO item
    SELECT load.dataset, w.id, w.prompt, w.subset,
           (hashtextextended(w.prompt, 0) & 1048575) % 5
      FROM wide w;
    INSERT INTO eval
    SELECT load.dataset, w.id, substr(cell.key, 7), cell.value::float8,
           (row.cells ->> ('cost:' || substr(cell.key, 7)))::float8
      FROM wide w, LATERAL (SELECT to_jsonb(w) AS cells) row,
           LATERAL jsonb_each_text(row.cells) cell
     WHERE cell.key LIKE 'score:%' AND cell.value IS NOT NULL;
    DROP TABLE wide;
END
$$;

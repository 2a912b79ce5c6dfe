-- What must come of raw messages, in the words of docs/: contracts.md, features.md, bigtable.md,
-- metrics.md and window_metrics.md. It shares nothing with the suite but the declarations, and knows
-- of wrong payloads what the generator makes of them. Many seeds are judged at once.
--
-- Tables that are given, by chaos/oracle.py: raw(seed, message_id, published, encoding, payload),
-- times in microseconds; contract(event_type, fields), as the files are; rule(rule, kind, owner,
-- key, name, aggregate, field, conditions) and condition(rule, path, allowed), from the features and
-- metrics; dimension(metric, place, path); length(metric, name, micros).

CREATE OR REPLACE MACRO micros(text) AS epoch_us(try_cast(text AS TIMESTAMPTZ));

CREATE OR REPLACE TABLE message AS SELECT row_number() OVER () AS m, * FROM raw;

CREATE OR REPLACE TABLE field AS
WITH listed AS (
    SELECT event_type, unnest(fields) AS field FROM contract
), typed AS (
    SELECT *, CASE json_type(field->'type') WHEN 'ARRAY' THEN ((field->'type')->1)
                   ELSE (field->'type') END AS base
    FROM listed
)
SELECT event_type, (field->>'name') AS name, json_type(field->'type') = 'ARRAY' AS nullable,
    (field->'default') AS fallback,
    CASE json_type(base) WHEN 'VARCHAR' THEN (base->>'$')
         ELSE coalesce((base->>'logicalType'), (base->>'type')) END AS kind,
    CAST(base->'scale' AS INTEGER) AS scale, CAST(base->'symbols' AS VARCHAR[]) AS symbols
FROM typed;

-- The generator's gzip is one stored block, so inflating it is to cut it out.
CREATE OR REPLACE TABLE opened AS
WITH coded AS (SELECT *, hex(from_base64(payload)) AS code FROM message)
SELECT m, seed, message_id, published, length(code) // 2 AS size, CASE
        WHEN encoding IS NULL THEN code
        WHEN code LIKE '1F8B08000000000000FF01%' AND try_cast(
            '0x' || substr(code, 25, 2) || substr(code, 23, 2) AS INTEGER) * 2 = length(code) - 46
        THEN substr(code, 31, length(code) - 46) END AS code
FROM coded;

CREATE OR REPLACE TABLE parsed AS
WITH texts AS (SELECT *, try(decode(unhex(code))) AS text FROM opened)
SELECT *, CASE
        WHEN size = 0 THEN 'empty_payload'
        WHEN size > 1000000 THEN 'payload_too_large'
        WHEN code IS NULL THEN 'bad_compression'
        WHEN text IS NULL THEN 'not_utf8'
        WHEN regexp_matches(text, '\[{65}') THEN 'too_deep'
        WHEN NOT json_valid(text) THEN 'not_json'
        WHEN json_type(text) <> 'OBJECT' THEN 'not_an_object'
        WHEN regexp_matches(text, ':\s*(NaN|-?Infinity)\s*[,}]') THEN 'number_out_of_range'
    END AS reason
FROM texts;

CREATE OR REPLACE TABLE envelope AS
WITH members AS (
    SELECT m, seed, message_id, published, reason,
        CASE WHEN reason IS NULL THEN CAST(text AS JSON) END AS root
    FROM parsed
)
SELECT *, (root->>'event_id') AS event_id, (root->>'event_type') AS event_type,
    micros(root->>'event_timestamp') AS happened, (root->'event_details') AS details
FROM members;

-- A row for each field that the contract of an event declares.
CREATE OR REPLACE TABLE detail AS
WITH given AS (
    SELECT m, field.*, json_extract(details, '$."' || name || '"') AS value
    FROM envelope JOIN field USING (event_type) WHERE reason IS NULL
), known AS (
    SELECT *, coalesce(json_type(value), 'NULL') AS json, value IS NULL OR json = 'NULL' AS absent
    FROM given
)
SELECT m, name, CASE
        WHEN absent AND nullable OR value IS NULL AND fallback IS NOT NULL THEN NULL
        WHEN value IS NULL THEN 'missing_field'
        WHEN json <> CASE kind WHEN 'boolean' THEN 'BOOLEAN' WHEN 'array' THEN 'ARRAY'
                WHEN 'map' THEN 'OBJECT' WHEN 'record' THEN 'OBJECT'
                ELSE CASE WHEN kind IN ('int', 'long', 'float', 'double', 'decimal') THEN json
                     ELSE 'VARCHAR' END END THEN 'wrong_type'
        WHEN kind IN ('int', 'long') AND NOT regexp_full_match(CAST(value AS VARCHAR), '-?\d+')
            THEN 'wrong_type'
        WHEN kind = 'int' AND try_cast(CAST(value AS VARCHAR) AS INTEGER) IS NULL
            OR kind = 'long' AND try_cast(CAST(value AS VARCHAR) AS BIGINT) IS NULL
            THEN 'number_out_of_range'
        WHEN kind = 'enum' AND NOT list_contains(symbols, (value->>'$')) THEN 'bad_enum_value'
        WHEN kind = 'uuid' AND try_cast(value->>'$' AS UUID) IS NULL
            OR kind = 'decimal' AND try_cast(value->>'$' AS DECIMAL(38, 9)) IS NULL
            THEN 'bad_value'
    END AS reason, CASE
        WHEN absent THEN nullif(fallback->>'$', 'null')
        WHEN kind = 'decimal' THEN CAST(CAST(
            try_cast(value->>'$' AS DECIMAL(38, 9)) * CAST(10 ** scale AS BIGINT) AS BIGINT)
            AS VARCHAR)
        WHEN kind IN ('timestamp-micros', 'timestamp-millis') THEN CAST(micros(value->>'$') AS VARCHAR)
        ELSE value->>'$'
    END AS text
FROM known;

CREATE OR REPLACE TABLE judged AS
WITH wrong AS (SELECT m, min(reason) AS wrong FROM detail GROUP BY ALL)
SELECT envelope.* EXCLUDE (reason), coalesce(reason, CASE
        WHEN event_type IS NULL OR event_id IS NULL OR details IS NULL
            OR (root->'event_timestamp') IS NULL THEN 'missing_field'
        WHEN event_type NOT IN (SELECT event_type FROM contract) THEN 'unknown_event_type'
        WHEN json_type(details) <> 'OBJECT' OR json_type(root->'user_id') <> 'VARCHAR'
            OR json_type(root->'session_id') NOT IN ('VARCHAR', 'NULL') THEN 'wrong_type'
        WHEN length(hex(event_id)) NOT BETWEEN 2 AND 512 THEN 'bad_id'
        WHEN happened IS NULL OR NOT regexp_full_match(root->>'event_timestamp',
            '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)') THEN 'bad_timestamp'
        WHEN happened < micros('2000-01-01T00:00:00Z') OR happened > published + 86400000000
            THEN 'time_out_of_range'
    END, wrong) AS reason
FROM envelope LEFT JOIN wrong USING (m);

-- Of the messages of one event the first that was published; copies say the same, rivals have
-- another user.
CREATE OR REPLACE TABLE kept AS
SELECT m, seed, event_id, event_type, happened, published, (root->>'user_id') AS user_id,
    (root->>'session_id') AS session_id,
    count(*) OVER same AS copies,
    count(DISTINCT (root->>'user_id')) OVER (PARTITION BY seed, event_id) > 1 AS rivals
FROM judged WHERE reason IS NULL
WINDOW same AS (PARTITION BY seed, event_id)
QUALIFY row_number() OVER (
    PARTITION BY seed, event_id ORDER BY published, message_id) = 1;

CREATE OR REPLACE TABLE rival AS
SELECT DISTINCT seed, event_id, (root->>'user_id') AS user_id, (root->>'session_id') AS session_id,
    happened
FROM judged SEMI JOIN (FROM kept WHERE rivals) AS rivals USING (seed, event_id)
WHERE reason IS NULL;

CREATE OR REPLACE TABLE fact AS
SELECT m, unnest(['event_type', 'user_id', 'session_id', 'event_timestamp', 'age_ms', 'event_id'])
    AS path,
    unnest([event_type, user_id, session_id, CAST(happened AS VARCHAR),
        CAST(CAST(floor((published - happened) / 1000) AS BIGINT) AS VARCHAR), event_id]) AS text
FROM kept WHERE NOT rivals
UNION ALL
SELECT m, 'event_details.' || name, text
FROM detail SEMI JOIN (FROM kept WHERE NOT rivals) AS counted USING (m);
DELETE FROM fact WHERE text IS NULL;

-- Which events pass which rule, and with which value.
CREATE OR REPLACE TABLE passed AS
WITH held AS (
    SELECT rule, m FROM condition JOIN fact USING (path)
    WHERE list_contains(allowed, text) GROUP BY rule, m
    HAVING count(*) = (SELECT conditions FROM rule WHERE rule.rule = condition.rule)
    UNION ALL
    SELECT rule, m FROM rule, kept WHERE conditions = 0 AND NOT rivals
)
SELECT rule.*, kept.m, kept.seed, kept.happened, kept.event_id, fact.text
FROM held JOIN rule USING (rule) JOIN kept USING (m)
LEFT JOIN fact ON fact.m = kept.m AND fact.path = rule.field
WHERE rule.field IS NULL OR fact.text IS NOT NULL;

CREATE OR REPLACE TABLE state AS
SELECT seed, owner AS entity, fact.text AS id, name, happened // 1000 AS ms, passed.text AS value
FROM passed JOIN fact ON fact.m = passed.m AND fact.path = passed.key
WHERE kind = 'state'
QUALIFY row_number() OVER (
    PARTITION BY seed, owner, fact.text, name ORDER BY happened // 1000 DESC, event_id DESC) = 1;

CREATE OR REPLACE MACRO aggregated(aggregate, text) AS CASE aggregate
    WHEN 'count' THEN count(*)
    WHEN 'sum' THEN CAST(sum(try_cast(text AS BIGINT)) AS BIGINT)
    WHEN 'min' THEN min(try_cast(text AS BIGINT))
    WHEN 'max' THEN max(try_cast(text AS BIGINT))
    WHEN 'approx_distinct' THEN count(DISTINCT text) END;

CREATE OR REPLACE TABLE tile AS
SELECT seed, owner AS entity, fact.text AS id, name,
    happened // 3600000000 * 3600000000 AS start, count(*) AS n,
    aggregated(any_value(aggregate), passed.text) AS value
FROM passed JOIN fact ON fact.m = passed.m AND fact.path = passed.key
WHERE kind = 'tile' GROUP BY ALL;

-- Windows: the floor of the time, and the key in the order of the dimensions.
CREATE OR REPLACE TABLE member AS
WITH keyed AS (
    SELECT passed.m, seed, owner AS metric, happened,
        list(fact.text ORDER BY dimension.place) AS key
    FROM passed JOIN dimension ON dimension.metric = owner
    LEFT JOIN fact ON fact.m = passed.m AND fact.path = dimension.path
    WHERE kind = 'metric' GROUP BY ALL
)
SELECT keyed.*, length.name AS "window", happened // micros * micros AS start
FROM keyed JOIN length USING (metric);

CREATE OR REPLACE TABLE measured AS
SELECT member.seed, metric, "window", start, member.key, passed.name,
    aggregated(any_value(aggregate), text) AS value
FROM member JOIN passed ON passed.m = member.m AND passed.kind = 'measure'
    AND passed.owner = metric
GROUP BY ALL;

CREATE OR REPLACE TABLE counted AS
SELECT seed, metric, "window", start, key, count(*) AS events FROM member GROUP BY ALL
UNION ALL
SELECT seed, 'rejects', name, published // micros * micros, [reason, 'Decode'], count(*)
FROM judged, length WHERE metric = 'rejects' AND reason IS NOT NULL GROUP BY ALL;

-- What cannot be told: windows that hold a rival, and ages of events of which there are copies.
CREATE OR REPLACE TABLE unsure AS
SELECT DISTINCT seed, metric, name AS "window", happened // micros * micros AS start
FROM rival, length
UNION
SELECT seed, metric, "window", start FROM member JOIN kept USING (m, seed)
WHERE metric = 'event_age' AND copies > 1;

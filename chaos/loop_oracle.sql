-- What the stores must hold after the messages of a file, in the words of docs/: contracts.md,
-- deduplicate.md, bigtable.md, metrics.md and curated_events.md. It shares nothing with the suite but
-- the declarations, and knows of wrong payloads what the loop's stream makes of them.
--
-- Tables that are given: raw(message_id, published, encoding, payload), times in microseconds;
-- contract(event_type, domain, fields), as the files are; late(event_id, told): what a live job had
-- to leave out of tiles ('tile') or of windows ('<metric>/<window>'); lengths(name, micros).

CREATE MACRO micros(text) AS epoch_us(try_cast(text AS TIMESTAMPTZ));

CREATE TABLE field AS
WITH listed AS (SELECT event_type, unnest(fields) AS field FROM contract), typed AS (
    SELECT *, CASE json_type(field->'type') WHEN 'ARRAY' THEN ((field->'type')->1)
                   ELSE (field->'type') END AS base
    FROM listed
)
SELECT event_type, (field->>'name') AS name, json_type(field->'type') = 'ARRAY' AS nullable,
    (field->'default') AS fallback, CASE json_type(base) WHEN 'VARCHAR' THEN (base->>'$')
        ELSE coalesce((base->>'logicalType'), (base->>'type')) END AS kind,
    CAST(base->'symbols' AS VARCHAR[]) AS symbols,
    coalesce(CAST(base->>'scale' AS INTEGER), 0) AS scale
FROM typed;

-- A payload that says gzip is one stored block behind a head of ten bytes, or it is damaged.
CREATE TABLE message AS
WITH coded AS (SELECT *, hex(from_base64(payload)) AS code FROM raw), opened AS (
    SELECT message_id, published, length(code) // 2 AS size, CASE
            WHEN encoding IS NULL THEN code
            WHEN substr(code, 1, 22) = '1F8B08000000000000FF01' AND length(code) - 46 =
                2 * try_cast('0x' || substr(code, 25, 2) || substr(code, 23, 2) AS INTEGER)
            THEN substr(code, 31, length(code) - 46) END AS plain
    FROM coded
), texts AS (SELECT *, try(decode(unhex(plain))) AS text FROM opened), judged AS (
    SELECT *, CASE
            WHEN size = 0 THEN 'empty_payload'
            WHEN size > 1000000 THEN 'payload_too_large'
            WHEN plain IS NULL THEN 'bad_compression'
            WHEN text IS NULL THEN 'not_utf8'
            WHEN regexp_matches(text, '\[{65}') THEN 'too_deep'
            WHEN NOT json_valid(text) THEN 'not_json'
            WHEN json_type(text) <> 'OBJECT' THEN 'not_an_object'
            WHEN regexp_matches(text, ':\s*(NaN|-?Infinity)\s*[,}]') THEN 'number_out_of_range'
        END AS reason
    FROM texts
), rooted AS (
    SELECT message_id, published, reason,
        CASE WHEN reason IS NULL THEN CAST(text AS JSON) END AS root
    FROM judged
)
SELECT *, (root->>'event_id') AS event_id, (root->>'event_type') AS event_type,
    (root->>'user_id') AS user_id, (root->>'session_id') AS session_id,
    micros(root->>'event_timestamp') AS happened, (root->'event_details') AS details
FROM rooted;

CREATE TABLE member AS
WITH given AS (
    SELECT message_id, field.*, json_extract(details, '$."' || name || '"') AS value
    FROM message JOIN field USING (event_type) WHERE reason IS NULL
), known AS (
    SELECT *, coalesce(json_type(value), 'NULL') AS json, value IS NULL OR json = 'NULL' AS absent,
        (value->>'$') AS text
    FROM given
)
SELECT message_id, name, kind, CASE
        WHEN absent AND nullable OR value IS NULL AND fallback IS NOT NULL THEN NULL
        WHEN value IS NULL THEN 'missing_field'
        WHEN kind IN ('int', 'long') AND NOT regexp_full_match(CAST(value AS VARCHAR), '-?\d+')
            THEN 'wrong_type'
        WHEN kind NOT IN ('int', 'long', 'float', 'double', 'decimal') AND json <> CASE kind
                WHEN 'boolean' THEN 'BOOLEAN' WHEN 'array' THEN 'ARRAY' WHEN 'map' THEN 'OBJECT'
                WHEN 'record' THEN 'OBJECT' ELSE 'VARCHAR' END THEN 'wrong_type'
        WHEN kind = 'int' AND try_cast(text AS INTEGER) IS NULL
            OR kind = 'long' AND try_cast(text AS BIGINT) IS NULL THEN 'number_out_of_range'
        WHEN kind = 'enum' AND NOT list_contains(symbols, text) THEN 'bad_enum_value'
        WHEN kind = 'uuid' AND try_cast(text AS UUID) IS NULL
            OR kind = 'decimal' AND try_cast(text AS DECIMAL(38, 9)) IS NULL THEN 'bad_value'
    END AS reason, CASE WHEN absent THEN (fallback->>'$')
        WHEN kind = 'decimal'
        THEN CAST(CAST(try_cast(text AS DECIMAL(38, 9)) * power(10, scale) AS BIGINT) AS VARCHAR)
        ELSE text END AS text
FROM known;

CREATE TABLE judged AS
WITH wrong AS (SELECT message_id, min(reason) AS wrong FROM member GROUP BY ALL)
SELECT message.* EXCLUDE (reason), coalesce(reason, CASE
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
FROM message LEFT JOIN wrong USING (message_id);

-- Copies of one event say the same; rivals do not: the stream gives them another user or time.
CREATE TABLE valid AS
SELECT * EXCLUDE (reason), min((user_id, happened)) OVER same <> max((user_id, happened)) OVER same
    AS rival, row_number() OVER (same ORDER BY published, message_id) AS copy
FROM judged WHERE reason IS NULL WINDOW same AS (PARTITION BY event_id);

CREATE VIEW refused AS SELECT message_id, reason FROM judged WHERE reason IS NOT NULL;
CREATE VIEW accepted AS SELECT * FROM valid WHERE copy = 1;
CREATE VIEW rival AS SELECT DISTINCT event_id, user_id, session_id FROM valid WHERE rival;

CREATE VIEW disputed_windows AS
SELECT name AS "window", happened // micros * micros AS start, event_type,
    (details->>'country') AS country, (details->>'course_id') AS course_id
FROM valid, lengths WHERE rival;

CREATE MACRO windowed(leaves_out_late, metric) AS TABLE
SELECT accepted.*, name AS "window", happened // micros * micros AS window_start
FROM accepted, lengths WHERE NOT (leaves_out_late AND EXISTS (
    FROM late WHERE late.event_id = accepted.event_id AND told = metric || '/' || name));

CREATE MACRO activity(leaves_out_late) AS TABLE
SELECT "window", window_start, event_type, (details->>'country') AS country, count(*) AS events,
    count(DISTINCT user_id) AS users, count(DISTINCT session_id) AS sessions,
    count(*) AS event_count
FROM windowed(leaves_out_late, 'activity') GROUP BY ALL;

CREATE MACRO lesson_funnel(leaves_out_late) AS TABLE
SELECT "window", window_start, (details->>'course_id') AS course_id,
    count(*) FILTER (event_type = 'lesson_started') AS started,
    count(*) FILTER (event_type = 'lesson_completed') AS completed,
    count(*) FILTER (event_type = 'quiz_submitted') AS quizzes,
    count(*) FILTER (event_type = 'quiz_submitted' AND (details->>'passed') = 'true') AS passed,
    count(DISTINCT user_id) AS learners,
    CAST(coalesce(sum(CAST(details->>'duration_s' AS BIGINT)), 0) AS BIGINT) AS lesson_seconds,
    count(*) AS event_count
FROM windowed(leaves_out_late, 'lesson_funnel')
WHERE event_type IN ('lesson_started', 'lesson_completed', 'quiz_submitted') GROUP BY ALL;

-- What every table must hold after the raw messages of a file, in the words of docs/: contracts.md,
-- curated_events.md, metrics.md and window_metrics.md. It shares nothing with the suite but the
-- declarations, and knows of wrong payloads what the generator makes of them.
--
-- Tables that are given: raw(message_id, published, encoding, payload), times in microseconds;
-- contract(event_type, domain, fields), as the files are; lengths(name, micros); late(event_id,
-- told): what a live job had to leave out. Variables: inner_block, outer_block (the key's blocks of
-- HMAC-SHA256 in hex), key_id, span_from, span_to.

CREATE MACRO micros(text) AS epoch_us(try_cast(text AS TIMESTAMPTZ));
CREATE MACRO plain_decimal(text) AS
    regexp_replace(CAST(CAST(text AS DECIMAL(38, 9)) AS VARCHAR), '\.?0+$', '');
CREATE MACRO hmac_sha256(text) AS sha256(
    unhex(getvariable('outer_block') || sha256(unhex(getvariable('inner_block') || hex(text)))));
CREATE MACRO pseudonym(text) AS getvariable('key_id') || '.' ||
    rtrim(replace(replace(to_base64(unhex(hmac_sha256(text))), '+', '-'), '/', '_'), '=');

CREATE TABLE field AS
WITH listed AS (
    SELECT event_type, unnest(fields) AS field, generate_subscripts(fields, 1) AS place
    FROM contract
), typed AS (
    SELECT *, CASE json_type(field->'type') WHEN 'ARRAY' THEN ((field->'type')->1)
                   ELSE (field->'type') END AS base
    FROM listed
)
SELECT event_type, place, (field->>'name') AS name, (field->>'pii') AS pii,
    json_type(field->'type') = 'ARRAY' AS nullable, (field->'default') AS fallback,
    CASE json_type(base) WHEN 'VARCHAR' THEN (base->>'$')
         ELSE coalesce((base->>'logicalType'), (base->>'type')) END AS kind,
    CAST(base->'symbols' AS VARCHAR[]) AS symbols
FROM typed;

-- The generator's gzip is one stored block, so inflating it is to cut it out.
CREATE TABLE opened AS
WITH coded AS (SELECT *, hex(from_base64(payload)) AS code FROM raw)
SELECT message_id, published, length(code) // 2 AS size, CASE
        WHEN encoding IS NULL THEN code
        WHEN code LIKE '1F8B08000000000000FF01%' AND try_cast(
            '0x' || substr(code, 25, 2) || substr(code, 23, 2) AS INTEGER) * 2 = length(code) - 46
        THEN substr(code, 31, length(code) - 46) END AS code
FROM coded;

CREATE TABLE parsed AS
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

CREATE TABLE envelope AS
WITH members AS (
    SELECT message_id, published, reason,
        CASE WHEN reason IS NULL THEN CAST(text AS JSON) END AS root
    FROM parsed
)
SELECT message_id, published, reason, root, (root->>'event_id') AS event_id,
    (root->>'event_type') AS event_type, (root->>'user_id') AS user_id,
    (root->>'session_id') AS session_id, (root->>'source_system') AS source_system,
    micros(root->>'event_timestamp') AS happened, (root->'event_details') AS details
FROM members;

-- A row for each field that the contract of an event declares: what it is in BigQuery's terms.
CREATE TABLE detail AS
WITH given AS (
    SELECT message_id, field.*, json_extract(details, '$."' || name || '"') AS value,
        details IS NOT NULL AS there
    FROM envelope JOIN field USING (event_type) WHERE reason IS NULL
), known AS (
    SELECT *, coalesce(json_type(value), 'NULL') AS json, value IS NULL OR json = 'NULL' AS absent
    FROM given
)
SELECT message_id, place, name, pii, CASE
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
        WHEN absent THEN CASE json_type(fallback) WHEN 'OBJECT' THEN '[]' ELSE fallback END
        WHEN pii = 'pseudonymise' THEN to_json(pseudonym(value->>'$'))
        WHEN kind = 'decimal' THEN to_json(plain_decimal(try_cast(value->>'$' AS DECIMAL(38, 9))))
        WHEN kind = 'timestamp-micros' THEN to_json(micros(value->>'$'))
        WHEN kind = 'uuid' THEN to_json(try_cast(value->>'$' AS UUID))
        WHEN kind = 'map' THEN to_json(list_transform(list_sort(json_keys(value)), lambda key:
            {'key': key, 'value': json_extract_string(value, '$."' || key || '"')}))
        ELSE value
    END AS shown, value
FROM known;

CREATE TABLE judged AS
WITH wrong AS (SELECT message_id, min(reason) AS wrong FROM detail GROUP BY ALL)
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
FROM envelope LEFT JOIN wrong USING (message_id);

-- Of the messages of one event the first that was published; copies say the same, rivals do not:
-- the generator gives them another user, another time, or unknown fields.
CREATE TABLE outcome AS
WITH told AS (
    SELECT *, (user_id, happened, list_sort(json_keys(root)), list_sort(json_keys(details)))
        AS content
    FROM judged
)
SELECT * EXCLUDE (reason, content), CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN content IS DISTINCT FROM first(content) OVER same THEN 'id_conflict'
        WHEN row_number() OVER same > 1 THEN 'duplicate'
    END AS reason
FROM told
WINDOW same AS (
    PARTITION BY reason IS NOT NULL, coalesce(event_id, message_id),
        CASE WHEN reason IS NULL THEN '' ELSE message_id END
    ORDER BY published, message_id
);

CREATE TABLE accepted AS
SELECT * EXCLUDE (reason) FROM outcome WHERE reason IS NULL;

-- Messages that share an id and differ: a live job keeps any of them.
CREATE VIEW rival AS
SELECT message_id, event_id FROM outcome
WHERE reason IS NULL OR reason = 'id_conflict'
QUALIFY bool_or(reason IS NOT NULL) OVER (PARTITION BY event_id);

-- Silver.
CREATE TABLE unknown AS
WITH outside AS (
    SELECT message_id, unnest(json_keys(root)) AS name, root AS place, '' AS prefix FROM accepted
), inside AS (
    SELECT message_id, unnest(json_keys(details)) AS name, details AS place,
        'event_details.' AS prefix, event_type FROM accepted
)
SELECT message_id, prefix, name, json_extract(place, '$."' || name || '"') AS value FROM outside
WHERE name NOT IN ('event_id', 'event_type', 'user_id', 'session_id', 'event_timestamp',
    'source_system', 'event_details')
UNION ALL
SELECT message_id, prefix, inside.name, json_extract(place, '$."' || inside.name || '"')
FROM inside ANTI JOIN field USING (event_type, name);

CREATE VIEW silver AS
SELECT 'silver_' || domain || '.' || event_type AS "table", event_id, event_type, user_id,
    session_id, happened AS event_timestamp, source_system, published AS publish_time, message_id,
    (SELECT json_group_object(name, shown) FROM detail WHERE detail.message_id = accepted.message_id
     AND pii IS DISTINCT FROM 'drop') AS event_details,
    (SELECT coalesce(list_sort(list(prefix || name)), []) FROM unknown
     WHERE unknown.message_id = accepted.message_id) AS unknown_fields
FROM accepted JOIN contract USING (event_type);

CREATE VIEW drift AS
WITH placed AS (
    SELECT message_id, name, value FROM unknown WHERE prefix = ''
    UNION ALL
    SELECT message_id, 'event_details', json_group_object(name, value)
    FROM unknown WHERE prefix <> '' GROUP BY message_id
)
SELECT event_id, event_type, happened AS event_timestamp, published AS publish_time, message_id,
    CAST(json_group_object(name, value) AS VARCHAR) AS drift
FROM accepted JOIN placed USING (message_id) GROUP BY ALL;

CREATE VIEW refused AS
SELECT message_id, reason, published,
    CASE reason WHEN 'id_conflict' THEN 'Deduplicate' ELSE 'Decode' END AS step
FROM outcome WHERE reason IS NOT NULL AND reason <> 'duplicate';

-- What counts in windows: the accepted, until a test chooses others.
CREATE TABLE counted AS SELECT message_id FROM accepted;

-- Windows: the floor of the time. An event counts in each but those that it came too late for.
CREATE MACRO in_time(metric) AS TABLE
SELECT outcome.* EXCLUDE (reason), name AS "window", happened // micros * micros AS window_start,
    window_start + micros AS window_end, (details->>'country') AS country,
    CAST(floor((published - happened) / 1000) AS BIGINT) AS age_ms
FROM outcome SEMI JOIN counted USING (message_id), lengths
WHERE NOT EXISTS (FROM late WHERE late.event_id = outcome.event_id
    AND told = metric || '/' || name);

CREATE VIEW activity AS
SELECT "window", window_start, window_end, event_type, country, count(*) AS events,
    count(DISTINCT user_id) AS users, count(DISTINCT session_id) AS sessions,
    CASE WHEN users > 0 THEN events / users END AS events_per_user, count(*) AS event_count
FROM in_time('activity') GROUP BY ALL;

CREATE VIEW event_age AS
SELECT "window", window_start, window_end, event_type, count(*) AS aged,
    CAST(sum(age_ms) AS BIGINT) AS total_age_ms, min(age_ms) AS least_age_ms,
    max(age_ms) AS greatest_age_ms, total_age_ms / aged AS mean_age_ms, count(*) AS event_count
FROM in_time('event_age') GROUP BY ALL;

CREATE VIEW lesson_funnel AS
SELECT "window", window_start, window_end, (details->>'course_id') AS course_id,
    count(*) FILTER (event_type = 'lesson_started') AS started,
    count(*) FILTER (event_type = 'lesson_started'
        AND coalesce((details->>'resumed'), 'false') = 'false') AS started_anew,
    count(*) FILTER (event_type = 'lesson_completed') AS completed,
    count(*) FILTER (event_type = 'quiz_submitted') AS quizzes,
    count(*) FILTER (event_type = 'quiz_submitted' AND (details->>'passed') = 'true') AS passed,
    count(DISTINCT user_id) AS learners,
    CAST(coalesce(sum(CAST(details->>'duration_s' AS BIGINT)), 0) AS BIGINT) AS lesson_seconds,
    CAST(coalesce(sum(CAST(details->>'score' AS DECIMAL(38, 2))), 0) AS DECIMAL(38, 2)) AS points,
    CASE WHEN started > 0 THEN completed / started END AS completed_per_started,
    CASE WHEN quizzes > 0 THEN passed / quizzes END AS passed_per_quiz,
    CASE WHEN quizzes > 0 THEN CAST(points * 100 AS BIGINT) / (quizzes * 100) END AS mean_points,
    count(*) AS event_count
FROM in_time('lesson_funnel')
WHERE event_type IN ('lesson_started', 'lesson_completed', 'quiz_submitted') GROUP BY ALL;

CREATE VIEW sales AS
SELECT "window", window_start, window_end, (details->>'currency') AS currency,
    CAST(details->>'amount_minor' AS BIGINT) AS amount, user_id, event_type = 'purchase' AS bought
FROM in_time('purchases') WHERE event_type IN ('purchase', 'refund');

CREATE VIEW purchases AS
WITH starts AS (
    SELECT "window", unnest(range(min(window_start), max(window_start) + 1, any_value(micros)))
        AS window_start, any_value(micros) AS micros
    FROM sales JOIN lengths ON name = "window" GROUP BY "window"
), zero AS (
    SELECT "window", window_start, window_start + micros AS window_end, unnest(
        ['EUR', 'USD', 'GBP', 'PLN', 'BRL', 'INR', 'JPY']) AS currency
    FROM starts
)
SELECT "window", window_start, window_end, currency,
    count(*) FILTER (bought) AS purchases,
    CAST(coalesce(sum(amount) FILTER (bought), 0) AS BIGINT) AS revenue_minor,
    max(amount) FILTER (bought) AS largest_minor,
    count(DISTINCT user_id) FILTER (bought) AS buyers,
    CASE WHEN purchases > 0 THEN revenue_minor / purchases END AS mean_minor,
    count(*) FILTER (NOT bought) AS refunds,
    CAST(coalesce(sum(amount) FILTER (NOT bought), 0) AS BIGINT) AS refunded_minor,
    count(bought) AS event_count
FROM zero FULL JOIN sales USING ("window", window_start, window_end, currency) GROUP BY ALL;

CREATE VIEW rejects AS
SELECT name AS "window", published // micros * micros AS window_start,
    window_start + micros AS window_end, reason, step, count(*) AS messages,
    count(*) AS event_count
FROM refused, lengths GROUP BY ALL;

CREATE VIEW recomputed AS
SELECT metric, name AS "window", unnest(range(
    -(-getvariable('span_from') // micros) * micros, getvariable('span_to') - micros + 1, micros))
    AS window_start
FROM lengths, (SELECT unnest(['activity', 'event_age', 'lesson_funnel', 'purchases', 'rejects'])
    AS metric);

-- One row per change of an alert; the columns are the fields of the transition as replay prints it, `n` its place
-- among those of the same record.
CREATE TABLE IF NOT EXISTS transitions
(
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    n UInt32,
    id String,
    rule LowCardinality(String),
    key Map(LowCardinality(String), String),
    category LowCardinality(String),
    status LowCardinality(String),
    level LowCardinality(String),
    previous LowCardinality(String),
    time DateTime64(3, 'UTC'),
    received DateTime64(3, 'UTC'),
    raised DateTime64(3, 'UTC'),
    opened DateTime64(3, 'UTC'),
    title Tuple(en String, vi String),
    short Tuple(en String, vi String),
    device LowCardinality(String),
    site LowCardinality(String),
    ward LowCardinality(String),
    agency LowCardinality(String),
    lat Nullable(Float64),
    lon Nullable(Float64),
    values Map(LowCardinality(String), Float64),
    eta_ms Nullable(Float64),
    unconfirmed Bool,
    announced LowCardinality(String),
    flapping Bool,
    shadow Bool,
    reason LowCardinality(String),
    by String,
    note String,
    until Nullable(DateTime64(3, 'UTC'))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (seq, n)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The newest transition of each alert. A version that arrives twice or late changes nothing.
CREATE TABLE IF NOT EXISTS alert_versions
(
    id String,
    version UInt64,
    seq UInt64,
    rule LowCardinality(String),
    key Map(LowCardinality(String), String),
    category LowCardinality(String),
    status LowCardinality(String),
    level LowCardinality(String),
    time DateTime64(3, 'UTC'),
    opened DateTime64(3, 'UTC'),
    title Tuple(en String, vi String),
    device LowCardinality(String),
    site LowCardinality(String),
    ward LowCardinality(String),
    agency LowCardinality(String),
    lat Nullable(Float64),
    lon Nullable(Float64),
    values Map(LowCardinality(String), Float64),
    unconfirmed Bool,
    announced LowCardinality(String),
    flapping Bool,
    shadow Bool,
    reason LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS alert_versions_view TO alert_versions AS
SELECT id, seq * 65536 + n AS version, seq, rule, key, category, status, level, time, opened, title, device, site, ward,
       agency, lat, lon, values, unconfirmed, announced, flapping, shadow, reason
FROM transitions;

-- One row per alert: its newest words, where the rule's half stands, and what people did. `status` is the rule's half;
-- an alert that closed without anyone having acknowledged it is `returned`, as REST and the wall call it.
CREATE OR REPLACE VIEW alerts AS
SELECT a.id AS id, a.rule AS rule, a.key AS key, a.category AS category,
       if(h.rule_status = 'resolved' AND h.acknowledged_at IS NULL, 'returned', h.rule_status) AS status,
       a.level AS level, h.highest AS highest, a.opened AS opened, h.closed AS closed, a.time AS time,
       a.title AS title, a.device AS device, a.site AS site, a.ward AS ward, a.agency AS agency, a.lat AS lat, a.lon AS lon,
       a.values AS values, a.unconfirmed AS unconfirmed, a.announced AS announced, a.flapping AS flapping, a.shadow AS shadow,
       h.reason AS reason, h.acknowledged_at AS acknowledged_at, h.acknowledged_by AS acknowledged_by,
       h.confirmed_at AS confirmed_at, h.confirmed_by AS confirmed_by, h.transitions AS transitions, a.seq AS seq
FROM (SELECT * FROM alert_versions FINAL) AS a
INNER JOIN
(
    SELECT id,
           argMaxIf(status, (seq, n), status IN ('firing', 'unknown', 'resolved')) AS rule_status,
           argMax(level, indexOf(['none', 'low', 'medium', 'high', 'critical'], level)) AS highest,
           if(rule_status = 'resolved', maxOrNullIf(t.time, status = 'resolved'), NULL) AS closed,
           argMaxIf(t.reason, (seq, n), status = 'resolved') AS reason,
           minOrNullIf(t.raised, status = 'acknowledged') AS acknowledged_at,
           argMinIf(by, (seq, n), status = 'acknowledged') AS acknowledged_by,
           maxOrNullIf(t.raised, status = 'confirmed') AS confirmed_at,
           argMaxIf(by, (seq, n), status = 'confirmed') AS confirmed_by,
           count() AS transitions
    FROM transitions AS t
    GROUP BY id
) AS h USING (id);

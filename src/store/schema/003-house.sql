-- Messages that could not be used. Raw bytes may hold plates and faces: for admins, and 7 days only.
CREATE TABLE IF NOT EXISTS dead_letters
(
    seq UInt64,
    received DateTime64(3, 'UTC'),
    source LowCardinality(String),
    topic String,
    identity UInt64,
    code LowCardinality(String),
    reason String,
    bytes String CODEC(ZSTD(3)),
    stored Date MATERIALIZED today(),
    time DateTime64(3, 'UTC') ALIAS received
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(received)
ORDER BY (received, seq)
TTL stored + INTERVAL 7 DAY DELETE
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Who did what: commands of people, sessions, changes of tokens and rules, queries. `body` is JSON.
CREATE TABLE IF NOT EXISTS audit
(
    seq UInt64,
    received DateTime64(3, 'UTC'),
    name LowCardinality(String),
    who String,
    target String,
    body String CODEC(ZSTD(3)),
    time DateTime64(3, 'UTC') ALIAS received
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (received, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every text that came into force (rules, registry, zones, metrics), whole.
CREATE TABLE IF NOT EXISTS configurations
(
    seq UInt64,
    received DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    hash String,
    text String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- A registry text is a whole: its rows share its seq, and the view shows those of the newest text. What stood in an
-- earlier one is kept for questions about the past.
CREATE TABLE IF NOT EXISTS device_versions
(
    seq UInt64,
    device String,
    kind LowCardinality(String),
    site LowCardinality(String),
    ward LowCardinality(String),
    agency LowCardinality(String),
    lat Nullable(Float64),
    lon Nullable(Float64),
    limit Map(LowCardinality(String), Float64),
    expected_interval_ms Nullable(UInt64),
    attributes Map(LowCardinality(String), String)
)
ENGINE = MergeTree
ORDER BY (seq, device)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metric_versions
(
    seq UInt64,
    metric LowCardinality(String),
    unit LowCardinality(String),
    min Nullable(Float64),
    max Nullable(Float64),
    danger LowCardinality(String),
    decimals UInt8,
    counter Bool,
    en String,
    vi String
)
ENGINE = MergeTree
ORDER BY (seq, metric)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- `polygons` is a MultiPolygon of (lon, lat), for pointInPolygon((lon, lat), polygons); `line` is a route's.
CREATE TABLE IF NOT EXISTS zone_versions
(
    seq UInt64,
    zone String,
    name String,
    kind LowCardinality(String),
    polygons Array(Array(Array(Tuple(Float64, Float64)))),
    line Array(Tuple(Float64, Float64)),
    properties String
)
ENGINE = MergeTree
ORDER BY (seq, zone)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW devices AS
SELECT * FROM device_versions WHERE seq = (SELECT max(seq) FROM configurations WHERE kind = 'registry');

CREATE OR REPLACE VIEW metrics AS
SELECT * FROM metric_versions WHERE seq = (SELECT max(seq) FROM configurations WHERE kind = 'metrics');

CREATE OR REPLACE VIEW zones AS
SELECT * FROM zone_versions WHERE seq = (SELECT max(seq) FROM configurations WHERE kind = 'zones');

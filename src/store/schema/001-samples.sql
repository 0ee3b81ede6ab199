-- Every sample, as DESIGN.md 4 names its columns. `seq` is the record it came in: what the shipper counts by.
--   device is LowCardinality too: a city has thousands to a million devices, but a part is sorted by (metric, device),
--     so a granule holds a handful; it filters 3× faster than String for the same bytes.
--   partition by arrival, not by event time: a device with a broken clock must not make partitions of its own.
--   retention counts from the day a row was stored: a recording of 2007 played with its own clock has received = 2007,
--     and a five-year rule over that would delete it as it arrives. Positions of vehicles and what cameras saw are kept
--     half a year, the rest five.
--   codecs by measurement on 655 044 rows of five recordings, bytes a row: seq 0.05 (Delta 0.40, none 1.06), time 0.35
--     (DoubleDelta 0.45, T64 1.03), value 2.2 (Gorilla 2.9, FPC 2.8), device 0.01 (as String 0.35); 4.0 in all.
--   fsync: the log is trimmed behind this table, so a power cut must not take what the log no longer has.
--   the deduplication window counts parts (one a partition day and insert), not inserts.
CREATE TABLE IF NOT EXISTS samples
(
    seq UInt64 CODEC(DoubleDelta, ZSTD(1)),
    time DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    stream LowCardinality(String),
    source LowCardinality(String),
    device LowCardinality(String),
    metric LowCardinality(String),
    label LowCardinality(String),
    value Float64 CODEC(ZSTD(1)),
    lat Float32 CODEC(ZSTD(1)),
    lon Float32 CODEC(ZSTD(1)),
    quality UInt16 CODEC(ZSTD(1)),
    attrs String CODEC(ZSTD(3)),
    stored Date MATERIALIZED today() CODEC(ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(received)
ORDER BY (metric, device, time)
TTL stored + INTERVAL 180 DAY DELETE WHERE stream IN ('gps', 'camera'),
    stored + INTERVAL 1825 DAY DELETE WHERE stream NOT IN ('gps', 'camera')
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Rollups. What enters: what was measured once. Not duplicates (they would count twice), not test, calibrating or bad
-- (quality bits 64, 256, 512, 1024 = 1856): those are not the world. Late and historical samples are measurements like
-- any other and belong to their own minute. Out of range, stuck and spike stay in, because a wall of water looks like
-- each of them; `flagged` counts them, so that a doubtful minute can be told from a sure one.
--   partition by month of event time, held within 2020–2039: one batch of samples with absurd stamps must not need
--     more partitions than an insert may make.
CREATE TABLE IF NOT EXISTS samples_1m
(
    metric LowCardinality(String),
    device LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    label LowCardinality(String),
    stream LowCardinality(String),
    count AggregateFunction(count) CODEC(ZSTD(1)),
    min AggregateFunction(min, Float64) CODEC(ZSTD(1)),
    max AggregateFunction(max, Float64) CODEC(ZSTD(1)),
    sum AggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    last AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    flagged AggregateFunction(countIf, UInt8) CODEC(ZSTD(1)),
    stored SimpleAggregateFunction(max, Date) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY if(time >= toDateTime64('2020-01-01', 3, 'UTC') AND time < toDateTime64('2040-01-01', 3, 'UTC'), toYYYYMM(time), 0)
ORDER BY (metric, device, time, label, stream)
TTL stored + INTERVAL 1825 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS samples_1h
(
    metric LowCardinality(String),
    device LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    label LowCardinality(String),
    stream LowCardinality(String),
    count AggregateFunction(count) CODEC(ZSTD(1)),
    min AggregateFunction(min, Float64) CODEC(ZSTD(1)),
    max AggregateFunction(max, Float64) CODEC(ZSTD(1)),
    sum AggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    last AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    flagged AggregateFunction(countIf, UInt8) CODEC(ZSTD(1)),
    quantiles AggregateFunction(quantilesTDigest(0.05, 0.25, 0.5, 0.75, 0.95, 0.99), Float64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY if(time >= toDateTime64('2020-01-01', 3, 'UTC') AND time < toDateTime64('2040-01-01', 3, 'UTC'), toYYYYMM(time), 0)
ORDER BY (metric, device, time, label, stream)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The start of the minute is computed on the 64-bit milliseconds: toStartOfMinute() answers in 32 bits and would put a
-- stamp of 1969 into 2106.
CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1m_view TO samples_1m AS
SELECT s.metric AS metric, s.device AS device,
       fromUnixTimestamp64Milli(toUnixTimestamp64Milli(s.time) - positiveModulo(toUnixTimestamp64Milli(s.time), 60000), 'UTC') AS time,
       s.label AS label, s.stream AS stream,
       countState() AS count, minState(s.value) AS min, maxState(s.value) AS max, sumState(s.value) AS sum,
       argMaxState(s.value, s.time) AS last, countIfState(bitAnd(s.quality, 56) != 0) AS flagged,
       max(today()) AS stored
FROM samples AS s
WHERE bitAnd(s.quality, 1856) = 0
GROUP BY metric, device, time, label, stream;

CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1h_view TO samples_1h AS
SELECT s.metric AS metric, s.device AS device,
       fromUnixTimestamp64Milli(toUnixTimestamp64Milli(s.time) - positiveModulo(toUnixTimestamp64Milli(s.time), 3600000), 'UTC') AS time,
       s.label AS label, s.stream AS stream,
       countState() AS count, minState(s.value) AS min, maxState(s.value) AS max, sumState(s.value) AS sum,
       argMaxState(s.value, s.time) AS last, countIfState(bitAnd(s.quality, 56) != 0) AS flagged,
       quantilesTDigestState(0.05, 0.25, 0.5, 0.75, 0.95, 0.99)(s.value) AS quantiles
FROM samples AS s
WHERE bitAnd(s.quality, 1856) = 0
GROUP BY metric, device, time, label, stream;

-- What analysts read instead of the states.
CREATE OR REPLACE VIEW series_1m AS
SELECT metric, device, time, label, stream,
       countMerge(samples_1m.count) AS count, minMerge(samples_1m.min) AS min, maxMerge(samples_1m.max) AS max,
       sumMerge(samples_1m.sum) AS sum, sumMerge(samples_1m.sum) / countMerge(samples_1m.count) AS avg,
       argMaxMerge(samples_1m.last) AS last, countIfMerge(samples_1m.flagged) AS flagged
FROM samples_1m
GROUP BY metric, device, time, label, stream;

CREATE OR REPLACE VIEW series_1h AS
SELECT metric, device, time, label, stream,
       countMerge(samples_1h.count) AS count, minMerge(samples_1h.min) AS min, maxMerge(samples_1h.max) AS max,
       sumMerge(samples_1h.sum) AS sum, sumMerge(samples_1h.sum) / countMerge(samples_1h.count) AS avg,
       argMaxMerge(samples_1h.last) AS last, countIfMerge(samples_1h.flagged) AS flagged,
       quantilesTDigestMerge(0.05, 0.25, 0.5, 0.75, 0.95, 0.99)(samples_1h.quantiles) AS quantiles,
       quantiles[1] AS p05, quantiles[2] AS p25, quantiles[3] AS p50, quantiles[4] AS p75, quantiles[5] AS p95, quantiles[6] AS p99
FROM samples_1h
GROUP BY metric, device, time, label, stream;

-- Times of samples as whole seconds and the milliseconds past them: docs/adr/0008-bytes-a-sample.md.
--
-- `time` is the second, and `at` the time itself. Samples from before this file have all of it in `time`. What is told of
-- millions of samples is packed better, and in larger blocks.
ALTER TABLE vedette.samples ADD COLUMN IF NOT EXISTS ms UInt16 CODEC(ZSTD(6)) AFTER time, MODIFY ORDER BY (tenant, hour, series, time, ms);

ALTER TABLE vedette.samples ADD COLUMN IF NOT EXISTS at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(toUnixTimestamp64Milli(time) + ms, 'UTC') AFTER ms;

ALTER TABLE vedette.samples MODIFY COLUMN units CODEC(Delta, T64('bit'), ZSTD(6));

ALTER TABLE vedette.samples MODIFY SETTING min_compress_block_size = 262144;

ALTER TABLE vedette.samples_to_sample_arrivals MODIFY QUERY
SELECT
    tenant, now64(3, 'UTC') AS added, 'samples' AS kind, count() AS count,
    fromUnixTimestamp64Milli(min(toUnixTimestamp64Milli(time) + ms), 'UTC') AS earliest,
    fromUnixTimestamp64Milli(max(toUnixTimestamp64Milli(time) + ms), 'UTC') AS latest
FROM vedette.samples
GROUP BY tenant, hour;

-- Samples that arrive when others of their hour have gone to the budget: docs/adr/0007-downsampling.md.
--
-- Buckets of such samples stand beside those of the samples that went: `since` is when these went, and 1970 in all others.
-- Readers put the rows of a bucket together that have another `since`.
ALTER TABLE vedette.samples_5m ADD COLUMN IF NOT EXISTS since DateTime('UTC') CODEC(ZSTD(1)) AFTER time, MODIFY ORDER BY (tenant, span, series, time, since);

ALTER TABLE vedette.samples_1h ADD COLUMN IF NOT EXISTS since DateTime('UTC') CODEC(ZSTD(1)) AFTER time, MODIFY ORDER BY (tenant, span, series, time, since);

ALTER TABLE vedette.histograms_5m ADD COLUMN IF NOT EXISTS since DateTime('UTC') CODEC(ZSTD(1)) AFTER time, MODIFY ORDER BY (tenant, span, series, time, since);

ALTER TABLE vedette.histograms_1h ADD COLUMN IF NOT EXISTS since DateTime('UTC') CODEC(ZSTD(1)) AFTER time, MODIFY ORDER BY (tenant, span, series, time, since);

-- `leaving` is when an hour's samples began to go last, and `dropped` the same once none of those is left.
ALTER TABLE vedette.metric_hours ADD COLUMN IF NOT EXISTS leaving SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1));

ALTER TABLE vedette.metric_hours ADD COLUMN IF NOT EXISTS dropped SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1));

INSERT INTO vedette.metric_hours (tenant, hour, leaving, dropped)
SELECT tenant, hour, now('UTC'), now('UTC')
FROM vedette.metric_hours
GROUP BY tenant, hour
HAVING max(raw_gone) = 1
    AND (tenant, hour) NOT IN (SELECT tenant, hour FROM vedette.samples UNION ALL SELECT tenant, hour FROM vedette.histograms);

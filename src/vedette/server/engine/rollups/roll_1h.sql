-- The buckets of some hours of some tenants, from those of 5 minutes, of the series in a range of ids.
INSERT INTO vedette.samples_1h
    (tenant, series, time, version, count, sum, min, max, first, last, first_before, last_before, stale, reset_sum, resets, changes, span, month, since)
SELECT made.* REPLACE (if(is_again AND again_since < made.since, again_since, made.since) AS since)
FROM
(
    WITH
        arrayMap(part -> part.2, parts) AS firsts,
        arrayMap(part -> part.3, parts) AS lasts
    SELECT
        tenant,
        series,
        hour + INTERVAL 1 HOUR AS time,
        bitShiftLeft(samples, 32) + toUnixTimestamp(now()) AS version,
        count,
        sum,
        min,
        max,
        firsts[1] AS first,
        lasts[-1] AS last,
        if(count = 0, 0, toUnixTimestamp64Milli(time::DateTime64(3)) - parts[1].4) AS first_before,
        toUnixTimestamp64Milli(time::DateTime64(3)) - if(count = 0, latest, parts[-1].5) AS last_before,
        ends_stale AS stale,
        within + arraySum((a, b) -> if(b < a, a, 0), arrayPopBack(lasts), arrayPopFront(firsts)) AS reset_sum,
        resets_within + arrayCount((a, b) -> b < a, arrayPopBack(lasts), arrayPopFront(firsts)) AS resets,
        changes_within + arrayCount((a, b) -> b != a AND NOT (isNaN(a) AND isNaN(b)), arrayPopBack(lasts), arrayPopFront(firsts)) AS changes,
        toStartOfDay(hour) AS span,
        toStartOfMonth(hour) AS month,
        since
    FROM
    (
        SELECT
            tenant,
            series,
            part.span AS hour,
            part.since AS since,
            sum(bitShiftRight(part.version, 32)) AS samples,
            sum(part.count) AS count,
            sumKahanIf(part.sum, part.count > 0) AS sum,
            if(countIf(NOT isNaN(part.min)) = 0, nan, minIf(part.min, NOT isNaN(part.min))) AS min,
            if(countIf(NOT isNaN(part.max)) = 0, nan, maxIf(part.max, NOT isNaN(part.max))) AS max,
            arraySort(groupArrayIf(
                (toUnixTimestamp64Milli(part.time), part.first, part.last,
                 toUnixTimestamp64Milli(part.time) - part.first_before, toUnixTimestamp64Milli(part.time) - part.last_before),
                part.count > 0)) AS parts,
            sum(part.reset_sum) AS within,
            sum(part.resets) AS resets_within,
            sum(part.changes) AS changes_within,
            max(toUnixTimestamp64Milli(part.time) - part.last_before) AS latest,
            argMax(part.stale, part.time) AS ends_stale
        FROM vedette.samples_5m AS part FINAL
        WHERE tenant IN {tenants:Array(String)}
            AND part.span IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
            AND series BETWEEN {low:UInt64} AND {high:UInt64}
        GROUP BY tenant, series, hour, since
    )
) AS made
${LateBuckets}

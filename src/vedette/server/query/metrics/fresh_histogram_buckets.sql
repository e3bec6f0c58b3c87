SELECT series, time, version, last_before, stale, kept, sums/*since*/
    FROM
    /*late_begins*/(
        SELECT
            ${HistogramBuckets}
        FROM
        (
            ${HistogramBucketsOf}
            (
                SELECT tenant, series, toUnixTimestamp64Milli(time) AS at, ${HistogramPointOf} AS point
                FROM vedette.histograms FINAL
                WHERE hour IN (/*raw_hours*/) AND toUnixTimestamp(toStartOfHour(time - INTERVAL 1 MILLISECOND)) IN (/*hours*/)
                    AND time > fromUnixTimestamp64Milli({start:Int64} - {resolution:Int64}, 'UTC')
                    AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
                    AND /*series*//*counted*/
            )
            ${HistogramBucketsBy}
        )
    ) AS made/*late*/
    WHERE time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')

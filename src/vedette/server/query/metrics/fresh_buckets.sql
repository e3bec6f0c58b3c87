SELECT
        /*start_of*/(fromUnixTimestamp64Milli(toUnixTimestamp64Milli(time) - {resolution:Int64}, 'UTC'))::DateTime('UTC') AS span,
        series, time, version, count::UInt32 AS count/*names*//*since*/
    FROM
    /*late_begins*/(
        SELECT
            ${SampleBuckets}
        FROM
        (
            ${SampleBucketsOf}
            FROM
            (
                SELECT tenant, series, at AS time, value
                FROM vedette.samples FINAL
                WHERE hour IN (/*raw_hours*/) AND toUnixTimestamp(toStartOfHour(time - INTERVAL 1 MILLISECOND)) IN (/*hours*/)
                    AND time > fromUnixTimestamp64Milli({start:Int64} - {resolution:Int64}, 'UTC')
                    AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
                    AND /*series*//*counted*/
            )
            GROUP BY tenant, series, bucket
        )
    ) AS made/*late*/
    WHERE time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')

SELECT span, series, time, version, count/*names*//*kept_since*/
    FROM vedette./*table*/
    WHERE span >= /*start_of*/(fromUnixTimestamp64Milli({start:Int64} - {resolution:Int64}, 'UTC'))
        AND span <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND /*series*/

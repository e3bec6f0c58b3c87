-- fragment: ResourcesOfVersion
    SELECT resource
    FROM
    (
        SELECT DISTINCT resource
        FROM vedette.spans
        WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    )
    WHERE JSONExtractString(resource, 'service.version') = {version:String}
-- fragment: Minutes
    minute >= toDateTime({before_start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')

SELECT
    0::UInt8 AS kind,
    id,
    day::Int64 AS earliest,
    day::Int64 AS latest,
    toUnixTimestamp64Milli(added) AS added
FROM vedette.series_arrivals
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
UNION ALL
SELECT
    (1 + kind::Int8)::UInt8 AS kind,
    count AS id,
    toUnixTimestamp64Milli(earliest) AS earliest,
    toUnixTimestamp64Milli(latest) AS latest,
    toUnixTimestamp64Milli(added) AS added
FROM vedette.sample_arrivals
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC')

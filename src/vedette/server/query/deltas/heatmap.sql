-- Matching spans in cells of time and of duration: a row of cells is half an octave, from 2^(row/2) ns on.
SELECT
    intDiv(toUnixTimestamp64Nano(time), {width_ns:Int64}) - {first:Int64} AS column,
    toInt32(floor(log2(greatest(duration_ns, 1)) * 2)) AS row,
    count() AS spans,
    countIf(status = 'error') AS errors
FROM vedette.spans
WHERE ${range} AND ${conditions}
GROUP BY column, row
ORDER BY column, row

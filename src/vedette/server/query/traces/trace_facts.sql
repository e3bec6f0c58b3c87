-- What all spans of one trace say together; `documents.py` says how it is written as JSON.
WITH
    ${bounds} AS bounds
SELECT
    count() AS span_count,
    min(s.time) AS start_time,
    toUnixTimestamp64Nano(start_time) AS start_time_unix_nano,
    max(toUnixTimestamp64Nano(s.time) + s.duration_ns) - start_time_unix_nano AS duration_ns,
    countIf(s.status = 'error') AS error_count,
    -- The root is the earliest span without a parent, or else the earliest of all.
    argMin((toString(s.service), toString(s.name)), (s.parent_span_id != toFixedString('', 8), s.time, s.span_id)) AS root,
    root.1 AS root_service,
    root.2 AS root_name,
    arraySort(groupUniqArray(toString(s.service))) AS services,
    arrayStringConcat(arrayMap(r -> concat('"', lower(hex(cityHash64(r))), '":', r), arraySort(groupUniqArray(toString(s.resource)))), ',') AS resources,
    arrayStringConcat(arrayMap(c -> concat('"', lower(hex(cityHash64(c))), '":', c), arraySort(groupUniqArray(toString(s.scope)))), ',') AS scopes
FROM vedette.spans AS s
WHERE ${OfTrace}
HAVING span_count > 0

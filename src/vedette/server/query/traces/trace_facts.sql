-- What all spans of one trace say together; `documents.py` writes it as JSON.
WITH
    ${bounds} AS bounds
SELECT
    count() AS span_count,
    min(s.time) AS start_time,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    max(toUnixTimestamp64Nano(s.time) + s.duration_ns) AS end_ns,
    countIf(s.status = 'error') AS error_count,
    -- The root is the earliest span without a parent, or else the earliest of all.
    argMin((s.service, s.name), (substring(s.ids, 9) != toFixedString('', 8), s.time, s.ids)) AS root,
    groupUniqArray(s.service) AS services,
    groupUniqArray((cityHash64(s.resource), s.resource)) AS resources,
    groupUniqArray((cityHash64(s.scope), s.scope)) AS scopes
FROM vedette.spans AS s
WHERE ${OfTrace}

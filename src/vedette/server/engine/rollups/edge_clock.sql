-- Where the service graph's clock stands, up to which minute calls have been counted, and whether there are halves at all.
-- What a statement may use of memory, and 0 without a bound, says from when on it has to go to disk.
SELECT
    toUnixTimestamp(max(clock.opened)) AS opened,
    toUnixTimestamp(greatest(max(clock.closed), (SELECT max(closed) FROM vedette.service_edges_closed))) AS closed,
    toUnixTimestamp(max(clock.closed)) AS noted,
    (SELECT count() FROM vedette.call_halves) AS halves,
    getSetting('max_memory_usage') AS memory_bytes
FROM vedette.edge_clock AS clock

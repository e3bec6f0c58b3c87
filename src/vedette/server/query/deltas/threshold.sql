-- The duration that only the slowest twentieth of the matching spans reaches.
SELECT toUInt64(ifNotFinite(quantileTDigest(0.95)(duration_ns), 0)) AS threshold_ns, count() AS spans
FROM vedette.spans
WHERE ${range} AND ${conditions}

-- From which partition on data is dated so far ahead that it can only be an error. A clock that was set back is known by
-- what was written before.
SELECT formatDateTime(greatest(now('UTC'), max(modification_time)) + INTERVAL 7 DAY, '%Y%m%d', 'UTC') AS day
FROM system.parts
WHERE database = 'vedette' AND active

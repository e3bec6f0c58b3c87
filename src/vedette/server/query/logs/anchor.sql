-- The source of one line, and how many lines are equal to it.
SELECT service, resource, count() AS equals
FROM vedette.logs
WHERE ${Selected} AND ${LineHash} = {hash:UInt64}
GROUP BY service, resource

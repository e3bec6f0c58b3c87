-- What some tables are merging.
SELECT table
FROM system.merges
WHERE database = 'vedette' AND table IN {tables:Array(String)}

-- Which of {keys} any resource has.
SELECT DISTINCT key
FROM vedette.resource_keys
WHERE key IN {keys:Array(String)}

-- Which of {keys} any resource in the range has.
SELECT DISTINCT arrayJoin(arrayFilter(k -> JSONHas(resource, k), {keys:Array(String)})) AS key
FROM (SELECT DISTINCT toString(resource) AS resource FROM vedette.spans WHERE ${range})

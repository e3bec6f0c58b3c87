-- How many lines of new blocks match.
SELECT count() AS lines
FROM vedette.logs
WHERE ${NewLines} AND ${condition}

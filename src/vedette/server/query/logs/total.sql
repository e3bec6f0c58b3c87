-- How many lines match.
SELECT count() AS lines
FROM vedette.logs
WHERE ${Selected} AND ${condition}

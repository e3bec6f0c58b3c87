SELECT id, min(day) AS first_day, max(day) AS last_day
FROM vedette.series
GROUP BY id

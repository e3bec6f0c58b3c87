-- Until when samples have gone to the budget.
SELECT if(count() = 0, 0, toUnixTimestamp(max(hour)) * 1000 + 3600000) AS until_ms
FROM vedette.metric_hours
WHERE raw_gone = 1

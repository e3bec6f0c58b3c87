-- How many native histograms some hours have, and how many numbers are in them.
SELECT count() AS histograms, sum(10 + length(positive_counts) + length(negative_counts) + length(custom_bounds)) AS numbers
FROM vedette.histograms
WHERE tenant IN {tenants:Array(String)} AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}) + arrayJoin([0, 3600]), 'UTC'))

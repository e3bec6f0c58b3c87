-- The series that have native histograms, or had some before these were summed up and went.
SELECT groupUniqArray(series) AS ids
FROM
(
    SELECT series FROM vedette.histograms
    UNION ALL
    SELECT series FROM vedette.histograms_5m
    UNION ALL
    SELECT series FROM vedette.histograms_1h
)
HAVING notEmpty(ids)

-- The most frequent values of some fields, in one pass over the lines. The lines are chosen in a query of its own:
-- beside ARRAY JOIN, a condition that the text index answers fails in the engine (26.9, "Not found column and(…)").
SELECT
    facet.1 AS field,
    facet.2 AS value,
    count() AS lines,
    sum(count()) OVER (PARTITION BY field) AS total,
    count() OVER (PARTITION BY field) AS distinct_values
FROM
(
    SELECT [${facets}] AS facets
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
)
ARRAY JOIN arrayFilter(f -> f.3, facets) AS facet
GROUP BY field, value
ORDER BY field, lines DESC, value
LIMIT {top:UInt32} BY field

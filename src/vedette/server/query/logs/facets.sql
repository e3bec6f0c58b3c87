-- The most frequent values of some fields, in one pass over the lines.
SELECT
    facet.1 AS field,
    facet.2 AS value,
    count() AS lines,
    sum(count()) OVER (PARTITION BY field) AS total,
    count() OVER (PARTITION BY field) AS distinct_values
FROM vedette.logs
ARRAY JOIN arrayFilter(f -> f.3 AND startsWith(lower(f.2), lower({prefix:String})), [${facets}]) AS facet
WHERE ${Selected} AND ${condition}
GROUP BY field, value
ORDER BY field, lines DESC, value
LIMIT {top:UInt32} BY field

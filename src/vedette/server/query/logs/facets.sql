-- The most frequent values of some fields, in one pass over the lines: each field is a grouping set of its own. An empty
-- value counts as none. The lines are chosen in a query of its own, as a condition that the text index answers and
-- clauses that make rows of one another do not go together in the engine (26.9, "Not found column and(…)").
SELECT
    field,
    value,
    lines,
    sum(lines) OVER (PARTITION BY field) AS total,
    count() OVER (PARTITION BY field) AS distinct_values
FROM
(
    SELECT multiIf(${numbers}, -1) AS field, multiIf(${texts}, '') AS value, count() AS lines
    FROM
    (
        SELECT ${columns}
        FROM vedette.logs
        WHERE ${Selected} AND ${condition}
    )
    GROUP BY GROUPING SETS (${sets})
)
WHERE value != ''
ORDER BY field, lines DESC, value
LIMIT {top:UInt32} BY field

-- How many of the matching spans are selected, and how many are not.
SELECT countIf(picked) AS selected, countIf(NOT picked) AS rest
FROM
(
    SELECT (${selected}) AS picked
    FROM vedette.spans
    WHERE ${range} AND ${conditions}
)

-- What all spans of one trace say together, of which {listed} have been listed: a JSON object without its opening brace.
WITH
${TimeFunctions}
SELECT concat(
${TraceFacts})
FROM
(
    SELECT
        {listed:UInt64} AS listed,
${TraceFigures}
    FROM vedette.spans
    WHERE ${OfTrace}
    HAVING count() > 0
)

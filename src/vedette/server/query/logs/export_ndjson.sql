-- Lines as JSON objects, one a row.
WITH
${LineFunctions}
SELECT concat('{',
${LineMembers},
        '}')
FROM
(
${SelectedLines}
)

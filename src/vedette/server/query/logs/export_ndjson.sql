-- Lines for JSON objects, one a row.
WITH
${DoubleFunction}
SELECT
${LineColumns}
FROM
(
${SelectedLines}
) AS l

-- The columns of the views that statements may read.
SELECT table AS name, groupArray((column_name, column_type)) AS columns
FROM
(
    SELECT table, name AS column_name, type AS column_type
    FROM system.columns
    WHERE database = {database:String} AND table IN {views:Array(String)}
    ORDER BY table, position
)
GROUP BY table
ORDER BY table

resource IN
(
    -- Resources are few: JSON is read once for each of them and not for every span.
    SELECT resource
    FROM (SELECT DISTINCT resource FROM vedette.spans WHERE ${range})
    WHERE ${condition}
)

-- What the index says of a whole trace, from its spans, and what these name by keys: for a trace whose spans came a moment
-- ago, or whose resources or scopes are too long to come with each of them.
WITH ${bounds} AS bounds
SELECT
    (min(first), max(last), sum(spans), sum(failed)) AS figures,
    groupUniqArray((toString(cityHash64(resource)), resource::String)) AS resources,
    groupUniqArray((toString(cityHash64(scope)), scope::String)) AS scopes
FROM (
    SELECT
        s.resource AS resource,
        s.scope AS scope,
        min(s.time) AS first,
        max(${SpanEnd}) AS last,
        count() AS spans,
        countIf(s.status = 'error') AS failed
    FROM vedette.spans AS s
    WHERE ${OfTrace}
    GROUP BY resource, scope
)

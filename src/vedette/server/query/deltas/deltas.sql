-- How the values of each key are distributed among the selected spans and among the rest. A key's score is the largest
-- difference of shares that one of its values has, or its absence: ids, of which each is rare on both sides, score low.
-- Resources are few, so their JSON is read once for each and not for every span.
WITH
    {selected_count:UInt64} AS all_selected,
    {rest_count:UInt64} AS all_rest,
    pairs_seen AS
    (
        SELECT pair.1 AS key, pair.2 AS value, countIf(picked) AS selected, countIf(NOT picked) AS rest
        FROM
        (
            SELECT
                (${selected}) AS picked,
                arrayConcat(
                    [('service', toString(service)), ('name', toString(name)), ('kind', toString(kind)), ('status', toString(status))],
                    arrayMap((k, v) -> (if(has({own_keys:Array(String)}, k) OR match(k, '^(attribute|resource)[.]'), concat('attribute.', k), toString(k)), toString(v)), mapKeys(attributes), mapValues(attributes))) AS pairs
            FROM vedette.spans
            WHERE ${range} AND ${conditions} AND ${sampled}
        )
        ARRAY JOIN pairs AS pair
        GROUP BY key, value
        UNION ALL
        SELECT concat('resource.', member.1) AS key, if(startsWith(member.2, '"'), JSONExtractString(member.2), member.2) AS value, sum(selected) AS selected, sum(rest) AS rest
        FROM
        (
            SELECT toString(resource) AS resource, countIf(picked) AS selected, countIf(NOT picked) AS rest
            FROM
            (
                SELECT resource, (${selected}) AS picked
                FROM vedette.spans
                WHERE ${range} AND ${conditions} AND ${sampled}
            )
            GROUP BY resource
        )
        ARRAY JOIN JSONExtractKeysAndValuesRaw(resource) AS member
        WHERE member.1 != 'service.name'
        GROUP BY key, value
    ),
    shares AS
    (
        SELECT key, CAST(value, 'Nullable(String)') AS value, selected, rest
        FROM pairs_seen
        WHERE length(value) <= {longest:UInt32}
        UNION ALL
        SELECT key, NULL AS value, all_selected - sum(selected) AS selected, all_rest - sum(rest) AS rest
        FROM pairs_seen
        GROUP BY key
        HAVING selected + rest > 0
    )
SELECT
    key,
    round(max(abs(difference)), 4) AS score,
    arraySort(v -> (-abs(v.selected_share - v.rest_share), v.value), groupArray(CAST(
        (value, selected, rest, round(selected_share, 4), round(rest_share, 4)),
        'Tuple(value Nullable(String), selected_count UInt64, rest_count UInt64, selected_share Float64, rest_share Float64)'))) AS values
FROM
(
    SELECT
        *,
        selected / all_selected AS selected_share,
        rest / all_rest AS rest_share,
        selected_share - rest_share AS difference
    FROM shares
    WHERE NOT has({asked_keys:Array(String)}, key)
    ORDER BY abs(difference) DESC, value
    LIMIT {values:UInt32} BY key
)
GROUP BY key
HAVING score >= {least_score:Float64}
ORDER BY score DESC, key
LIMIT {limit:UInt32}

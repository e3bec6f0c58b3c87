-- Which blocks have come in past the floors, by partition: the highest, and those of the {overlap:UInt64} numbers below it.
SELECT
    partition,
    max(block) AS top,
    arraySort(arrayFilter(b -> b + {overlap:UInt64} > top, groupUniqArray(block))) AS recent
FROM
(
    SELECT _partition_id AS partition, _block_number AS block
    FROM vedette.logs
    WHERE tenant = {tenant:String} AND ${PastFloors}
    GROUP BY partition, block
)
GROUP BY partition
ORDER BY partition

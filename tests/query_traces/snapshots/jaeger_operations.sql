-- The operations of one service as one document; the kind is empty for all kinds.
WITH
    arraySort(groupUniqArray((toString(name), toString(kind)))) AS found,
    arrayMap(o -> CAST((o.1, if(o.2 = 'unspecified', '', o.2)), 'Tuple(name String, spanKind String)'), found) AS operations
SELECT multiIf(
    {shape:String} = 'v3', concat('{"operations":', toJSONString(operations), '}'),
    concat(
        '{"data":', if({shape:String} = 'names', toJSONString(arraySort(arrayDistinct(found.1))), toJSONString(operations)),
        ',"total":', toString(if({shape:String} = 'names', length(arrayDistinct(found.1)), length(found))),
        ',"limit":0,"offset":0,"errors":null}'))
FROM vedette.operations
WHERE service = {service:String} AND ({kind:String} = '' OR toString(kind) = {kind:String})
-- parameters: {"kind": "server", "service": "shop", "shape": "operations"}
-- format: TSVRaw
-- settings: {"output_format_json_escape_forward_slashes": 0}

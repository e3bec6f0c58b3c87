-- What differs from common.sql where an AnyValue is as in short.proto. What the functions give is the same.
-- fragment: Scalar
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a Enum8('n' = 0), l Enum8('n' = 0), s String)
-- fragment: AnyValue
Tuple(t ${Kind}, i Int64, d Float64, b Bool, y String, a Tuple(e Array(${Scalar})), l Enum8('n' = 0), s String)
-- fragment: KeyValues
Array(Tuple(k LowCardinality(String), v ${AnyValue}))
-- fragment: Json
${ValidJson},
((t, s, i, d, b) -> multiIf(t = 's', toJSONString(s), t = 'i', toString(i), t = 'd', toJSONString(d), t = 'b', if(b, 'true', 'false'), 'null')) AS scalar_json,
(e -> concat('[', arrayStringConcat(arrayMap((t, s, i, d, b, y) -> if(t = 'y', toJSONString(y), scalar_json(t, s, i, d, b)), e.t, e.s, e.i, e.d, e.b, e.y), ','), ']')) AS array_json
-- fragment: Members
(a -> valid_json(arrayStringConcat(arrayMap((k, t, s, i, d, b, y, e) -> concat(toJSONString(k::String), ':', multiIf(t = 'y', concat('"', base64Encode(y), '"'), t = 'a', array_json(e), scalar_json(t, s, i, d, b))), a.k, a.v.t, a.v.s, a.v.i, a.v.d, a.v.b, a.v.y, a.v.a.e), ','))) AS members
-- fragment: Attributes
(a -> mapFromArrays(a.k, arrayMap((t, s, i, d, b, y, e) -> multiIf(t = 's', s, t = 'i', toString(i), t = 'd', toString(d), t = 'b', if(b, 'true', 'false'), t = 'y', base64Encode(y), t = 'a', valid_json(array_json(e)), 'null'), a.v.t, a.v.s, a.v.i, a.v.d, a.v.b, a.v.y, a.v.a.e)::Array(LowCardinality(String)))) AS attribute_texts,
(a -> mapFromArrays(arrayFilter((k, t) -> t != 's', a.k, a.v.t), arrayMap(t -> transform(t::Int8, [0, 6, 8], [5, 5, 7], t::Int8), arrayFilter(t -> t != 's', a.v.t))::Array(${AttributeType}))) AS attribute_kinds
-- fragment: Body
(v -> multiIf(v.t = 's', v.s, v.t = 'i', toString(v.i), v.t = 'd', toString(v.d), v.t = 'b', if(v.b, 'true', 'false'), v.t = 'y', base64Encode(v.y), v.t = 'a', valid_json(array_json(v.a.e)), '')) AS body_text,
(v -> transform(v.t::Int8, [0], [1], v.t::Int8)) AS body_kind

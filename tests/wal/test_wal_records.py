from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.server.wal.records import HEADER_BYTES, frame, scan

payloads = st.lists(
    st.tuples(
        st.integers(1, 7),
        st.text("abcdefghijklmnopqrstuvwxyz0123456789_.-", min_size=0, max_size=64),
        st.integers(0, 2**32 - 1),
        st.lists(st.binary(max_size=200), min_size=1, max_size=3),
    ),
    max_size=8,
)


def build(items: list[tuple[int, str, int, list[bytes]]]) -> tuple[bytes, list[int]]:
    out, ends = b"", []
    for code, tenant, rows, pieces in items:
        out += b"".join(frame(code, tenant.encode(), rows, pieces))
        ends.append(len(out))
    return out, ends


def contents(data: bytes) -> list[tuple[int, str, int, bytes]]:
    return [(r.format_code, r.tenant, r.rows, data[r.start : r.end]) for r in scan(data).records]


@given(payloads)
def test_what_was_framed_is_found(items):
    data, _ = build(items)
    found = scan(data)
    assert contents(data) == [(code, tenant, rows, b"".join(pieces)) for code, tenant, rows, pieces in items]
    assert not found.damages
    assert found.valid_bytes == len(data)


@given(payloads, st.data())
def test_a_cut_at_any_byte_keeps_every_whole_record(items, data):
    whole, ends = build(items)
    cut = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:cut])
    assert len(found.records) == sum(end <= cut for end in ends)
    assert all(damage.torn for damage in found.damages)


@given(payloads.filter(lambda items: len(items) > 1), st.data())
@settings(max_examples=300)
def test_a_flipped_bit_costs_one_record_at_most(items, data):
    whole, ends = build(items)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    broken = bytearray(whole)
    broken[bit // 8] ^= 1 << (bit % 8)
    hit = next(i for i, end in enumerate(ends) if bit // 8 < end)
    expected = contents(whole)
    del expected[hit]
    assert contents(bytes(broken)) == expected
    assert len(scan(bytes(broken)).damages) == 1


@given(st.binary(max_size=300))
def test_garbage_is_no_record(garbage):
    assert scan(garbage).records == []


def test_zeros_behind_the_records_are_a_torn_end():
    data, _ = build([(1, "acme", 1, [b"x" * 10])])
    found = scan(data + bytes(100))
    assert len(found.records) == 1
    assert found.damages[0].torn
    assert found.valid_bytes == len(data)


def test_a_whole_record_with_a_wrong_checksum_is_damage_and_no_torn_end():
    data, _ = build([(1, "acme", 1, [b"x" * 10])])
    found = scan(data[:-1] + b"y")
    assert [d.torn for d in found.damages] == [False]
    assert len(data) > HEADER_BYTES

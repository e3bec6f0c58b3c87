"""Parameters as clients write them into a URL and a form."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from vedette.server.api.compat.prometheus.parameters import parse_parameters

_PIECES = st.sampled_from(
    ["%", "%25", "%2B", "%2b", "%2", "%zz", "%7B", "%7b", "+", "=", "%22", "%E2%82%AC", "a", "%0A"]
)


@given(given_values=st.lists(st.text(min_size=1), min_size=1, max_size=3))
@example(given_values=['rate(m{instance=~"10.0.0.1:9100",path!="/a b%25"}[5m]) > 1 + 2'])
def test_values_come_out_as_they_went_in(given_values: list[str]) -> None:
    form = urlencode([("match[]", value) for value in given_values], errors="replace").encode()
    expected = [value.encode("utf-8", "replace").decode() for value in given_values]
    assert parse_parameters(b"", form).texts("match[]") == expected
    assert parse_parameters(form, b"").texts("match[]") == expected


@given(pieces=st.lists(_PIECES, min_size=1, max_size=8))
def test_odd_escapes_are_read_as_everywhere_else(pieces: list[str]) -> None:
    form = "query=" + "".join(pieces)
    [(_, expected)] = parse_qsl(form, keep_blank_values=True)
    assert parse_parameters(b"", form.encode()).text("query") == expected

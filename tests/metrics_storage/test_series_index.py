"""Which series matchers choose, held against a look at every series."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette.server.query.metrics.index import SeriesIndex
from vedette.server.query.promql.labels import Labels, Matcher

_NAMES = st.sampled_from(["__name__", "job", "instance", "le"])
_VALUES = st.sampled_from(["a", "b", "ab", "1", "ü"])
_SERIES = st.dictionaries(_NAMES, _VALUES, min_size=1)
_MATCHERS = st.builds(
    Matcher,
    _NAMES,
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from(["", "a", "b", "ab", "1", "ü", "a.*", ".*", ".+", "a|1", "(a|)"]),
)


@given(batches=st.lists(st.lists(_SERIES, max_size=12), max_size=12), matchers=st.lists(_MATCHERS, max_size=4))
def test_matchers_choose_what_a_look_at_every_series_would(
    batches: list[list[dict[str, str]]], matchers: list[Matcher]
) -> None:
    index = SeriesIndex()
    known: list[Labels] = []
    for batch in batches:
        pairs = [[index.numbers.number(*pair) for pair in series.items()] for series in batch]
        flat = [number for one in pairs for number in one]
        ids = np.arange(len(known), len(known) + len(batch), dtype=np.uint64)
        days = np.full(len(batch), 20_000)
        index.add(ids, np.cumsum([len(one) for one in pairs], dtype=np.int64), np.array(flat, np.int32), (days, days))
        known += [tuple(sorted(series.items())) for series in batch]
    wanted = [
        place
        for place, labels in enumerate(known)
        if all(matcher.matches(dict(labels).get(matcher.name, "")) for matcher in matchers)
    ]
    assert index.select(matchers).tolist() == wanted
    assert [index.labels(place) for place in wanted] == [known[place] for place in wanted]

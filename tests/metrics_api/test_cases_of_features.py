"""Prometheus' own cases that want a switch on, loaded by remote write and asked by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from case_checks import Ask, assert_answers, flags_of, with_cases
from case_platform import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTS = sorted({(flags_of(case), case["file"]) for case in cases() if flags_of(case)})


@pytest.fixture(scope="module")
def asked(request: Any, tmp_path_factory: Any) -> Iterator[Ask]:
    flags = request.param
    yield from with_cases(tmp_path_factory.mktemp("cases"), lambda case: flags_of(case) == flags, flags)


@pytest.mark.parametrize(
    ("asked", "file"),
    _PARTS,
    indirect=["asked"],
    ids=[f"{','.join(flags)} {file}" for flags, file in _PARTS],
    scope="module",
)
def test_the_answers_are_prometheus_own(asked: Ask, file: str) -> None:
    assert_answers(asked, file)

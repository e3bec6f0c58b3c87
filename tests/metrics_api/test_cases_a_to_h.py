"""Prometheus' own cases from A to H, loaded by remote write and asked by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from case_checks import Ask, assert_answers, flags_of, stable_files, with_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = [file for file in stable_files() if file < "i"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: Any) -> Iterator[Ask]:
    yield from with_cases(tmp_path_factory.mktemp("cases"), lambda case: not flags_of(case) and case["file"] in _FILES)


@pytest.mark.parametrize("file", _FILES)
def test_the_answers_are_prometheus_own(asked: Ask, file: str) -> None:
    assert_answers(asked, file)

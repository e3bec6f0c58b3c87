"""Prometheus' own cases from I to Z, loaded by remote write and asked by HTTP."""

from __future__ import annotations

import pytest
from case_checks import Ask, asking_stable, assert_answers, stable_files

_FILES = [file for file in stable_files() if file >= "i"]
asked = asking_stable(_FILES)


@pytest.mark.parametrize("file", _FILES)
def test_the_answers_are_prometheus_own(asked: Ask, file: str) -> None:
    assert_answers(asked, file)

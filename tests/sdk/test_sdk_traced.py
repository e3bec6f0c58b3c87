"""What `vedette.traced` makes of classes and of what stands in them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import vedette
from vedette.errors import SettingsError
from vedette.testing import capture


@vedette.traced
@dataclass
class Pipeline:
    steps: int

    class Inner:
        def own(self) -> int:
            return 1

    def load(self) -> list[int]:
        return [self._half(), self.size]

    async def train(self) -> int:
        await asyncio.sleep(0)
        return self.steps

    def batches(self) -> Iterator[int]:
        yield from range(self.steps)

    @classmethod
    def standard(cls) -> Pipeline:
        return cls(3)

    @staticmethod
    def helper(value: int) -> int:
        return value

    @property
    def size(self) -> int:
        return self.steps

    @vedette.traced("by its own name")
    def named(self) -> None: ...

    def __call__(self) -> int:
        return self.steps

    def _half(self) -> int:
        return self.steps // 2


@vedette.traced("ml", team="search")
class Model:
    def fit(self) -> str:
        return "fitted"


def test_a_class_stays_a_class_and_its_public_methods_have_spans():
    with capture() as telemetry:
        pipeline = Pipeline.standard()
        assert isinstance(copy.copy(pipeline), Pipeline)
        assert pipeline.load() == [1, 3]
        assert asyncio.run(pipeline.train()) == pipeline() == 3
        assert list(pipeline.batches()) == [0, 1, 2]
        assert (Pipeline.helper(7), Pipeline.Inner().own()) == (7, 1)
        pipeline.named()
        assert Model().fit() == "fitted"
    assert [span.name for span in telemetry.spans] == [
        "Pipeline.standard",
        "Pipeline.load",
        "Pipeline.train",
        "Pipeline.__call__",
        "Pipeline.batches",
        "Pipeline.helper",
        "by its own name",
        "ml.fit",
    ]
    assert telemetry.spans[-1].attributes == {"team": "search"}


def test_methods_of_a_class_and_callable_objects_are_traced_in_any_order_of_decorators():
    class Shop:
        @vedette.traced("open")
        @classmethod
        def opened(cls) -> str:
            return cls.__name__

        @vedette.traced
        @staticmethod
        def twice(value: int) -> int:
            return 2 * value

    class Job:
        async def __call__(self) -> str:
            with vedette.span("inside"):
                await asyncio.sleep(0)
            return "done"

    with capture() as telemetry:
        assert (Shop.opened(), Shop().twice(2)) == ("Shop", 4)
        assert asyncio.run(vedette.traced("job")(Job())()) == "done"
    telemetry.assert_spans(
        f"""
open
{Shop.twice.__qualname__}
job
  inside
"""
    )


def test_what_cannot_be_called_is_refused_by_a_sentence():
    with pytest.raises(SettingsError, match=r"vedette\.traced decorates functions and classes; 3 is neither"):
        vedette.traced(3)  # type: ignore[call-overload]
    with pytest.raises(SettingsError, match="is neither"):
        vedette.traced("name")(property())  # type: ignore[call-overload]

"""The pytest plugin: the fixture `telemetry`, and the marker `telemetry_budget`.

::

    @pytest.mark.telemetry_budget(queries=3, repeated_queries=1)
    def test_order(client, telemetry):
        client.get("/orders/7")
        telemetry.assert_spans("GET /orders/{order}")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vedette.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vedette.testing.budgets import TelemetryBudget
    from vedette.testing.capture import Telemetry

__all__ = ["telemetry"]

_BUDGET: pytest.StashKey[TelemetryBudget] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "telemetry_budget(**limits): fail if the test uses more; see vedette.testing.TelemetryBudget"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests with the marker be captured, also those that do not ask for what was."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is not None and "telemetry" not in names and item.get_closest_marker("telemetry_budget"):
            names.append("telemetry")


@pytest.fixture
def telemetry(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """What the test records."""
    from vedette.testing.capture import capture  # noqa: PLC0415 - loaded by the tests that ask for it

    marker = request.node.get_closest_marker("telemetry_budget")
    if marker is not None:
        request.node.stash[_BUDGET] = _budget_of(marker)
    with capture() as captured:
        yield captured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that is over its budget, as one that fails by itself: in the call, not when it is taken down."""
    result = yield
    budget = item.stash.get(_BUDGET, None)
    if budget is not None:
        budget.check(item.funcargs["telemetry"])  # type: ignore[attr-defined]  # an item with fixtures
    return result


def _budget_of(marker: pytest.Mark) -> TelemetryBudget:
    from vedette.testing.budgets import TelemetryBudget  # noqa: PLC0415 - loaded by the tests that ask for it

    names = TelemetryBudget.__dataclass_fields__
    if marker.args or not marker.kwargs or not names.keys() >= marker.kwargs.keys():
        given = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())])
        raise SettingsError(f"telemetry_budget({given}): give limits by their names, which are {', '.join(names)}.")
    return TelemetryBudget(**marker.kwargs)

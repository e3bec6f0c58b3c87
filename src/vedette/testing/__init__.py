"""Tests that look at telemetry: capture spans, logs and metrics, and hold a program to a budget.

The pytest plugin (`vedette.testing.plugin`, found by itself where Vedette is installed) gives the fixture
`telemetry`; `capture` does the same anywhere.
"""

from vedette.testing.budgets import BudgetBroken, TelemetryBudget
from vedette.testing.capture import CapturedSpan, Telemetry, capture

__all__ = ["BudgetBroken", "CapturedSpan", "Telemetry", "TelemetryBudget", "capture"]

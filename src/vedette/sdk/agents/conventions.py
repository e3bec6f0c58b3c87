"""OpenTelemetry's GenAI conventions, the version that is followed, and what a call costs.

https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

from typing import Any

from vedette.sdk.guard import tell

__all__ = ["VERSION", "cost_usd"]

VERSION = "1.37.0"


def cost_usd(provider: str, model: str, input_tokens: int, output_tokens: int) -> float | None:
    """The price of a call in US dollars by genai-prices; `None` if that is not installed or the model is unknown."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an optional package
    except ImportError:
        tell("genai-prices", "costs are not computed: install genai-prices")
        return None
    try:
        usage: Any = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return float(calc_price(usage, model_ref=model, provider_id=provider or None).total_price)
    except Exception:  # noqa: BLE001 - an unknown model is no fault; the library raises several kinds
        return None

"""Payments: charges cards through a provider on the internet that is not always well (and does not exist)."""

import asyncio
import logging
import random
import uuid
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, HTTPException, Request
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic import BaseModel

from vedette.demo.official import EXPONENTIAL_HISTOGRAM
from vedette.demo.shop.serving import serve
from vedette.demo.stage import Stage, chance

__all__ = ["run"]

log = logging.getLogger("shop.payments")
tracer = trace.get_tracer("shop.payments")
meter = metrics.get_meter("shop.payments")
router = APIRouter()

_PROVIDER = "api.cardhouse.example"
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 2.0
_DECLINED_SHARE = 0.05
_RISK_LIMIT = 0.95
_FRAUD_LIMIT_CENTS = 120_000

charges = meter.create_counter("shop.payments.charges", "{charge}", "Charges by outcome")
provider_seconds = meter.create_histogram(EXPONENTIAL_HISTOGRAM, "s", "Time the payment provider took to answer")


class Charge(BaseModel):
    """What is to be charged, in the smallest unit of the currency."""

    order_id: str
    user_id: str
    amount_cents: int
    currency: str
    method: str


class ProviderError(Exception):
    """The provider did not answer, or answered nonsense."""


class ChargeFailed(Exception):
    """The charge failed for good."""


@router.post("/charges")
async def create_charge(request: Request, charge: Charge) -> dict[str, str]:
    """Charge a card; 402 when it is declined, 502 when the provider cannot be reached."""
    stage: Stage = request.app.state.stage
    fields: dict[str, str | int] = {
        "order.id": charge.order_id,
        "user.id": charge.user_id,
        "payment.amount_cents": charge.amount_cents,
        "payment.currency": charge.currency,
        "payment.method": charge.method,
    }
    trace.get_current_span().set_attributes(fields)
    if stage.flaw == "rounding" and charge.currency != "EUR":
        _check_amount(charge)
    if _assess_risk(charge) > _RISK_LIMIT or chance(_DECLINED_SHARE):
        reason = random.choice(("insufficient funds", "card expired", "limit exceeded", "suspected fraud"))
        log.warning("charge for order %s declined: %s", charge.order_id, reason, extra=fields)
        charges.add(1, {"outcome": "declined", "payment.method": charge.method})
        raise HTTPException(402, f"The card was declined: {reason}.")
    try:
        reference = await _charge_with_retries(stage, charge)
    except ChargeFailed as error:
        log.exception(
            "could not charge %d %s for order %s", charge.amount_cents, charge.currency, charge.order_id, extra=fields
        )
        charges.add(1, {"outcome": "failed", "payment.method": charge.method})
        raise HTTPException(502, str(error)) from error
    charges.add(1, {"outcome": "charged", "payment.method": charge.method})
    log.info("charged %.2f %s for order %s", charge.amount_cents / 100, charge.currency, charge.order_id, extra=fields)
    return {"reference": reference}


def _check_amount(charge: Charge) -> None:
    """The flaw of one release: it rounds to whole units and then wonders at the difference."""
    rounded = Decimal(charge.amount_cents).scaleb(-2).quantize(Decimal(1))
    if rounded * 100 != charge.amount_cents:
        raise ValueError(f"amount mismatch: {charge.amount_cents} != {rounded * 100} for order {charge.order_id}")


def _assess_risk(charge: Charge) -> float:
    with tracer.start_as_current_span("assess risk") as span:
        risk = min(1.0, random.betavariate(1.2, 9) + (0.5 if charge.amount_cents > _FRAUD_LIMIT_CENTS else 0))
        span.set_attributes({"risk.score": round(risk, 3), "risk.rules": ["velocity", "country", "amount"]})
        return risk


async def _charge_with_retries(stage: Stage, charge: Charge) -> str:
    key = uuid.uuid4().hex
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await _call_provider(stage, charge, key, attempt)
        except ProviderError as error:
            if attempt == _ATTEMPTS:
                raise ChargeFailed(f"provider failed {_ATTEMPTS} times, last: {error}") from error
            delay = 0.1 * 2**attempt
            trace.get_current_span().add_event("retry", {"retry.attempt": attempt, "retry.delay_seconds": delay})
            log.warning("attempt %d to charge order %s failed: %s", attempt, charge.order_id, error)
            await asyncio.sleep(delay)
    raise AssertionError("unreachable")


async def _call_provider(stage: Stage, charge: Charge, key: str, attempt: int) -> str:
    attributes: dict[str, str | int] = {
        "http.request.method": "POST",
        "server.address": _PROVIDER,
        "server.port": 443,
        "url.full": f"https://{_PROVIDER}/v2/charges",
        "http.request.resend_count": attempt - 1,
        "peer.service": "cardhouse",
        "payment.idempotency_key": key,
    }
    with tracer.start_as_current_span("POST /v2/charges", kind=SpanKind.CLIENT, attributes=attributes) as span:
        seconds = _draw_latency(stage)
        await asyncio.sleep(min(seconds, _TIMEOUT_SECONDS))
        provider_seconds.record(min(seconds, _TIMEOUT_SECONDS), {"payment.method": charge.method})
        if seconds > _TIMEOUT_SECONDS:
            raise ProviderError(f"no answer from {_PROVIDER}:443 within {_TIMEOUT_SECONDS:.1f} s (request {key[:12]})")
        if stage.suffers("provider_down") and chance(0.75):
            raise ProviderError(f"connection to {_PROVIDER}:443 refused (request {key[:12]})")
        if chance(0.02):
            raise ChargeFailed(f"{_PROVIDER} answered 500: merchant account {random.randrange(10**6):06d} is locked")
        status = HTTPStatus.SERVICE_UNAVAILABLE if chance(0.02) else HTTPStatus.CREATED
        span.set_attribute("http.response.status_code", int(status))
        if status != HTTPStatus.CREATED:
            span.set_status(Status(StatusCode.ERROR, "service unavailable"))
            raise ProviderError(f"{_PROVIDER} answered 503 (request {key[:12]})")
        return f"ch_{key[:16]}"


def _draw_latency(stage: Stage) -> float:
    if stage.suffers("provider_slow"):
        return random.lognormvariate(0.2, 0.5)
    if chance(0.01):
        return _TIMEOUT_SECONDS * 2
    return random.lognormvariate(-2.6, 0.5)


def run(stage: Stage) -> None:
    """Serve payments until told to stop."""
    app = FastAPI(title="payments", version=stage.version)
    app.include_router(router)
    app.state.stage = stage
    serve(app, stage)

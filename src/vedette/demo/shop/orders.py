"""Orders: takes orders, has them paid, hands them to the worker, and reports on them."""

import logging
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import APIRouter, FastAPI, HTTPException, Request
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pydantic import BaseModel
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

from vedette.demo.goods import USERS
from vedette.demo.shop.messages import ORDER_PLACED, Queue
from vedette.demo.shop.serving import serve
from vedette.demo.shop.store import open_store
from vedette.demo.stage import Stage, chance

if TYPE_CHECKING:
    from opentelemetry.util.types import AnyValue

__all__ = ["run"]

log = logging.getLogger("shop.orders")
events = get_logger("shop.orders.events")
meter = metrics.get_meter("shop.orders")
router = APIRouter()

_HISTORY = 25
_CLIENT_ERRORS = range(400, 500)

placed = meter.create_counter("shop.orders.placed", "{order}", "Orders by outcome")
values = meter.create_histogram(
    "shop.order.value",
    "EUR",
    "Value of the orders that were placed",
    explicit_bucket_boundaries_advisory=[10, 25, 50, 100, 250, 500, 1000],
)


class Base(DeclarativeBase):
    """The tables of this service."""


class Order(Base):
    """One order; `status` is new, paid, declined or failed."""

    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    created: Mapped[float] = mapped_column(index=True)
    status: Mapped[str]
    currency: Mapped[str]
    total_cents: Mapped[int]
    note: Mapped[str]
    lines: Mapped[list["Line"]] = relationship(back_populates="order")


class Line(Base):
    """One line of an order."""

    __tablename__ = "order_lines"

    line_id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.order_id"), index=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    price_cents: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="lines")


class NewLine(BaseModel):
    """A line of an order that is to be placed."""

    sku: str
    quantity: int
    price_cents: int


class NewOrder(BaseModel):
    """An order that is to be placed."""

    user_id: str
    session_id: str
    method: str
    note: str = ""
    lines: list[NewLine]


class Orders:
    """The database, the way to payments and the queue to the worker."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.engine = open_store("orders", self._drag_seconds)
        self.payments = httpx.Client(base_url=stage.peers["payments"], timeout=8.0)
        self.queue = Queue()
        with suppress_instrumentation():
            Base.metadata.create_all(self.engine)

    def _drag_seconds(self, _statement: str) -> float:
        return 0.002


def _orders(request: Request) -> Orders:
    orders = request.app.state.orders
    assert isinstance(orders, Orders)  # noqa: S101 - narrows the type of Starlette's open state
    return orders


@router.post("/orders", status_code=201)
def place_order(request: Request, new: NewOrder) -> dict[str, Any]:
    """Store an order, charge it, and queue it; 402 when the card is declined, 502 when payments fails."""
    orders = _orders(request)
    user = next(user for user in USERS if user.user_id == new.user_id)
    order = Order(
        order_id=f"o-{uuid.uuid4().hex[:10]}",
        user_id=new.user_id,
        created=time.time(),
        status="new",
        currency=user.currency,
        total_cents=sum(line.quantity * line.price_cents for line in new.lines),
        note=new.note,
        lines=[Line(**line.model_dump()) for line in new.lines],
    )
    fields = {"order.id": order.order_id, "user.id": new.user_id, "session.id": new.session_id}
    trace.get_current_span().set_attributes({**fields, "order.lines": len(new.lines)})
    if orders.stage.flaw == "missing_address" and chance(0.3):
        _shipping_label(user.user_id)
    with Session(orders.engine, expire_on_commit=False) as session:
        session.add(order)
        session.commit()
        answer = _charge(orders, order, new.method)
        order.status = (
            "paid"
            if answer.is_success
            else ("declined" if answer.status_code == HTTPStatus.PAYMENT_REQUIRED else "failed")
        )
        session.commit()
    placed.add(1, {"outcome": order.status, "payment.method": new.method})
    if not answer.is_success:
        detail = (
            answer.json().get("detail", answer.reason_phrase) if answer.status_code in _CLIENT_ERRORS else answer.text
        )
        level = logging.WARNING if answer.status_code in _CLIENT_ERRORS else logging.ERROR
        log.log(level, "order %s not placed: payments answered %d", order.order_id, answer.status_code, extra=fields)
        raise HTTPException(402 if order.status == "declined" else 502, str(detail))
    values.record(order.total_cents / 100, {"payment.method": new.method})
    _announce(orders, order, user.name, user.email)
    log.info("order %s placed by %s <%s>", order.order_id, user.name, user.email, extra=fields)
    return {"order_id": order.order_id, "total_cents": order.total_cents, "currency": order.currency}


def _charge(orders: Orders, order: Order, method: str) -> httpx.Response:
    charge = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "amount_cents": order.total_cents,
        "currency": order.currency,
        "method": method,
    }
    try:
        return orders.payments.post("/charges", json=charge)
    except httpx.TransportError as error:
        log.exception("payments did not answer for order %s", order.order_id, extra={"order.id": order.order_id})
        return httpx.Response(502, text=f"payments did not answer: {error!r}")


def _announce(orders: Orders, order: Order, name: str, email: str) -> None:
    lines: list[AnyValue] = [{"sku": line.sku, "quantity": line.quantity} for line in order.lines]
    orders.queue.publish(ORDER_PLACED, {"order_id": order.order_id, "name": name, "email": email, "lines": lines})
    body: dict[str, AnyValue] = {
        "order": order.order_id,
        "total": order.total_cents / 100,
        "currency": order.currency,
        "lines": lines,
    }
    now = time.time_ns()
    events.emit(
        LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            event_name="shop.order.placed",
            body=body,
            attributes={"user.id": order.user_id},
        )
    )


def _shipping_label(user_id: str) -> str:
    """The flaw of one release: it takes for granted that everybody has stored an address."""
    addresses: dict[str, dict[str, str]] = {}
    return addresses[user_id]["street"].upper()


@router.get("/customers/{user_id}/orders")
def list_orders(request: Request, user_id: str) -> list[dict[str, Any]]:
    """The newest orders of one customer."""
    orders = _orders(request)
    with Session(orders.engine) as session:
        statement = select(Order).where(Order.user_id == user_id).order_by(Order.created.desc()).limit(_HISTORY)
        return _with_lines(orders, session, statement)


@router.get("/reports/sales")
def report_sales(request: Request, days: int) -> dict[str, Any]:
    """Turnover by status, and the newest orders with their lines. A day of the report is a day of the shop."""
    orders = _orders(request)
    since = time.time() - days * orders.stage.day_seconds
    with Session(orders.engine) as session:
        turnover = select(Order.status, func.count(), func.sum(Order.total_cents)).where(Order.created >= since)
        by_status = {row[0]: [row[1], row[2]] for row in session.execute(turnover.group_by(Order.status))}
        newest = select(Order).where(Order.created >= since).order_by(Order.created.desc()).limit(_HISTORY)
        listed = _with_lines(orders, session, newest)
    log.info("sales report over %d days lists %d orders", days, len(listed), extra={"report.days": days})
    return {"by_status": by_status, "newest": listed}


def _with_lines(orders: Orders, session: Session, statement: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    # During the incident nobody loads the lines up front: one statement per order fetches them.
    if not orders.stage.suffers("n_plus_one"):
        statement = statement.options(selectinload(Order.lines))
    return [
        {"order_id": order.order_id, "status": order.status, "lines": [line.sku for line in order.lines]}
        for order in session.scalars(statement)
    ]


def run(stage: Stage) -> None:
    """Serve orders until told to stop."""
    app = FastAPI(title="orders", version=stage.version)
    app.include_router(router)
    app.state.orders = Orders(stage)
    serve(app, stage)

"""Gateway: what visitors talk to. Keeps sessions and carts, asks the other services."""

import asyncio
import logging
from collections import OrderedDict
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from opentelemetry import metrics, trace
from pydantic import BaseModel

from vedette.demo.goods import CATEGORIES, USERS
from vedette.demo.shop.serving import serve
from vedette.demo.stage import Stage

__all__ = ["run"]

log = logging.getLogger("shop.gateway")
meter = metrics.get_meter("shop.gateway")


async def _mark_session(request: Request) -> None:
    """Say on the request's span who asks."""
    for header, attribute in (("x-session-id", "session.id"), ("x-user-id", "user.id")):
        if header in request.headers:
            trace.get_current_span().set_attribute(attribute, request.headers[header])


router = APIRouter(dependencies=[Depends(_mark_session)])

_SESSIONS = 500
_SERVER_ERROR = 500

carts_open = meter.create_up_down_counter("shop.carts.open", "{cart}", "Carts with something in them")
logins = meter.create_counter("shop.logins", "{login}", "Attempts to log in, by outcome")

SessionId = Annotated[str, Header(alias="x-session-id")]
UserId = Annotated[str, Header(alias="x-user-id")]


class Item(BaseModel):
    """So many pieces of one product."""

    sku: str
    quantity: int


class Login(BaseModel):
    """What the login form sends."""

    email: str
    password: str


class Checkout(BaseModel):
    """What the checkout form sends."""

    method: str
    note: str = ""


class UpstreamError(Exception):
    """Another service did not answer, or answered that it had failed."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(f"{service}: {detail}")
        self.service = service


class Gateway:
    """The clients to the other services and the carts of the sessions."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.carts: OrderedDict[str, list[Item]] = OrderedDict()
        self._clients = {
            service: httpx.AsyncClient(base_url=stage.peers[service], timeout=10.0) for service in ("catalog", "orders")
        }

    async def ask(self, service: str, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer of another service; a refusal is passed on to the visitor as it is."""
        try:
            answer = await self._clients[service].request(method, path, **arguments)
        except httpx.TransportError as error:
            raise UpstreamError(service, f"no answer to {method} {path}") from error
        if answer.status_code >= _SERVER_ERROR:
            raise UpstreamError(service, f"{method} {path} answered {answer.status_code}")
        if answer.is_error:
            raise HTTPException(answer.status_code, answer.json()["detail"])
        return answer.json()

    def cart(self, session_id: str) -> list[Item]:
        """The cart of a session. The oldest session is forgotten when there are too many."""
        if session_id not in self.carts and len(self.carts) >= _SESSIONS:
            _, forgotten = self.carts.popitem(last=False)
            carts_open.add(-bool(forgotten))
        return self.carts.setdefault(session_id, [])


def _gateway(request: Request) -> Gateway:
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)  # noqa: S101 - narrows the type of Starlette's open state
    return gateway


@router.get("/")
async def home(request: Request) -> dict[str, Any]:
    """The front page: something from two categories."""
    gateway = _gateway(request)
    pages = [gateway.ask("catalog", "GET", "/products", params={"category": name}) for name in CATEGORIES[:2]]
    return {"featured": [page[0] for page in await asyncio.gather(*pages)]}


@router.get("/products")
async def list_products(request: Request, category: str) -> Any:  # noqa: ANN401 - passed on as it came
    """One category."""
    return await _gateway(request).ask("catalog", "GET", "/products", params={"category": category})


@router.get("/products/{sku}")
async def show_product(request: Request, sku: str) -> dict[str, Any]:
    """One product with what goes well with it."""
    gateway = _gateway(request)
    product, related = await asyncio.gather(
        gateway.ask("catalog", "GET", f"/products/{sku}"),
        gateway.ask("catalog", "GET", f"/products/{sku}/related"),
    )
    return {"product": product, "price": _price(gateway.stage, product), "related": related}


def _price(stage: Stage, product: dict[str, Any]) -> str:
    cents = product["price_cents"]
    # The flaw of one release: it formats round prices as text and then divides them.
    amount: Any = f"{cents // 100},-" if stage.flaw == "price_format" and cents % 50 == 0 else cents
    return f"{amount / 100:.2f} EUR"


@router.get("/search")
async def search(request: Request, q: str) -> Any:  # noqa: ANN401 - passed on as it came
    """Products by words."""
    trace.get_current_span().set_attribute("search.query", q)
    return await _gateway(request).ask("catalog", "GET", "/search", params={"q": q})


@router.post("/login")
async def log_in(login: Login, user_id: UserId, session_id: SessionId) -> dict[str, str]:
    """Check a password; 401 when it is wrong."""
    fields = {"user.email": login.email, "session.id": session_id}
    if login.password != f"pw-{user_id}":
        logins.add(1, {"outcome": "wrong password"})
        log.warning("wrong password for %s", login.email, extra=fields)
        raise HTTPException(401, "The password is wrong.")
    logins.add(1, {"outcome": "success"})
    log.info("%s logged in", login.email, extra=fields)
    return {"welcome": next(user.name for user in USERS if user.user_id == user_id)}


@router.post("/cart/items", status_code=201)
async def add_to_cart(request: Request, item: Item, session_id: SessionId) -> dict[str, int]:
    """Put a product into the cart of this session."""
    gateway = _gateway(request)
    await gateway.ask("catalog", "GET", f"/products/{item.sku}")
    cart = gateway.cart(session_id)
    if not cart:
        carts_open.add(1)
    cart.append(item)
    log.info(
        "added %d x %s to the cart", item.quantity, item.sku, extra={"product.sku": item.sku, "session.id": session_id}
    )
    return {"items": len(cart)}


@router.post("/checkout", status_code=201)
async def check_out(request: Request, checkout: Checkout, session_id: SessionId, user_id: UserId) -> Any:  # noqa: ANN401
    """Buy what is in the cart; 402 when the payment is declined."""
    gateway = _gateway(request)
    cart = gateway.carts.pop(session_id, [])
    if not cart:
        raise HTTPException(409, "The cart is empty.")
    carts_open.add(-1)
    products = await asyncio.gather(*(gateway.ask("catalog", "GET", f"/products/{item.sku}") for item in cart))
    lines = [
        {"sku": item.sku, "quantity": item.quantity, "price_cents": product["price_cents"]}
        for item, product in zip(cart, products, strict=True)
    ]
    order = {
        "user_id": user_id,
        "session_id": session_id,
        "method": checkout.method,
        "note": checkout.note,
        "lines": lines,
    }
    return await gateway.ask("orders", "POST", "/orders", json=order)


@router.get("/orders")
async def list_orders(request: Request, user_id: UserId) -> Any:  # noqa: ANN401 - passed on as it came
    """What this customer has bought."""
    return await _gateway(request).ask("orders", "GET", f"/customers/{user_id}/orders")


@router.get("/admin/report")
async def report(request: Request, days: int) -> Any:  # noqa: ANN401 - passed on as it came
    """The sales report for the people behind the counter."""
    return await _gateway(request).ask("orders", "GET", "/reports/sales", params={"days": days})


async def _upstream_failed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UpstreamError)  # noqa: S101 - registered for this class alone
    log.error("%s", error, exc_info=error, extra={"upstream.service": error.service})
    trace.get_current_span().record_exception(error)
    return JSONResponse({"detail": f"{error.service} is not available, please try again."}, 502)


def run(stage: Stage) -> None:
    """Serve the gateway until told to stop."""
    app = FastAPI(title="gateway", version=stage.version)
    app.include_router(router)
    app.add_exception_handler(UpstreamError, _upstream_failed)
    app.state.gateway = Gateway(stage)
    serve(app, stage)

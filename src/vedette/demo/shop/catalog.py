"""Catalog: products, prices and stock, from a database behind a cache."""

import logging
import random
import shlex
import time
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import CallbackOptions, Observation
from pydantic import BaseModel
from sqlalchemy import text

from vedette.demo.goods import PRODUCTS
from vedette.demo.shop.serving import serve
from vedette.demo.shop.store import open_store
from vedette.demo.stage import Stage, chance

__all__ = ["run"]

log = logging.getLogger("shop.catalog")
router = APIRouter()

_CACHE_SECONDS = 60.0
_LOW_STOCK = 5
_FULL_STOCK = 60
_COLUMNS = "sku, name, category, price_cents, stock"
_SEARCH = f"SELECT {_COLUMNS} FROM products WHERE lower(name) LIKE :pattern ORDER BY name LIMIT 24"  # noqa: S608
_BY_CATEGORY = f"SELECT {_COLUMNS} FROM products WHERE category = :category ORDER BY price_cents"  # noqa: S608
_BY_SKU = f"SELECT {_COLUMNS} FROM products WHERE sku = :sku"  # noqa: S608
_RELATED = f"SELECT {_COLUMNS} FROM products WHERE category = :category AND sku <> :sku LIMIT 4"  # noqa: S608
_RESERVE = "UPDATE products SET stock = stock - :quantity WHERE sku = :sku AND stock >= :quantity"
_RESTOCK = "UPDATE products SET stock = :full WHERE stock <= :low"

Row = dict[str, Any]


class Reservation(BaseModel):
    """Take `quantity` pieces of `sku` out of the stock for an order."""

    order_id: str
    sku: str
    quantity: int


class Catalog:
    """The products in the database and the cache in front of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.engine = open_store("catalog", self._drag_seconds)
        self._cache: dict[str, tuple[float, list[Row]]] = {}
        meter = metrics.get_meter("shop.catalog")
        self._lookups = meter.create_counter("shop.cache.lookups", "{lookup}", "Lookups in the product cache")
        self.results = meter.create_histogram(
            "shop.search.results",
            "{product}",
            "Products found by a search",
            explicit_bucket_boundaries_advisory=[0, 1, 5, 10, 24],
        )
        meter.create_observable_gauge(
            "shop.stock.level", [self._stock_levels], "{piece}", "Pieces in stock by category"
        )
        with suppress_instrumentation():
            self._fill()

    def find(self, key: str, sql: str, **parameters: Any) -> list[Row]:  # noqa: ANN401 - SQL parameters
        """The rows of a statement, from the cache while they are fresh."""
        lost = self.stage.suffers("cache_lost")
        cached = None if lost else self._cache.get(key)
        hit = cached is not None and cached[0] > time.monotonic()
        self._lookups.add(1, {"cache.hit": hit})
        trace.get_current_span().set_attribute("cache.hit", hit)
        if cached is not None and hit:
            return cached[1]
        if lost and chance(0.2):
            log.warning("cache connection lost, reading %s from the database", key, extra={"cache.key": key})
        rows = self.read(sql, **parameters)
        self._cache[key] = (time.monotonic() + _CACHE_SECONDS, rows)
        return rows

    def read(self, sql: str, **parameters: Any) -> list[Row]:  # noqa: ANN401 - SQL parameters
        """The rows of a statement, from the database."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(sql), parameters).mappings()]

    def change(self, sql: str, **parameters: Any) -> int:  # noqa: ANN401 - SQL parameters
        """Execute a statement; returns the number of rows that it changed."""
        with self.engine.begin() as connection:
            return connection.execute(text(sql), parameters).rowcount

    def _drag_seconds(self, statement: str) -> float:
        if self.stage.flaw == "slow_search" and "LIKE" in statement:
            return random.uniform(0.7, 1.6)
        # Without its cache every reader meets the others in the database.
        return random.uniform(0.05, 0.35) if self.stage.suffers("cache_lost") else 0.0

    def _fill(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE TABLE IF NOT EXISTS products (sku TEXT PRIMARY KEY, name TEXT NOT NULL,"
                    " category TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL)"
                )
            )
            connection.execute(
                text("INSERT OR IGNORE INTO products VALUES (:sku, :name, :category, :price, :stock)"),
                [
                    {"sku": p.sku, "name": p.name, "category": p.category, "price": p.price_cents, "stock": _FULL_STOCK}
                    for p in PRODUCTS
                ],
            )
        log.info("catalog ready with %d products", len(PRODUCTS), extra={"shop.products": len(PRODUCTS)})

    def _stock_levels(self, _options: CallbackOptions) -> Iterable[Observation]:
        with suppress_instrumentation():  # reading a metric is no request
            rows = self.read("SELECT category, sum(stock) AS level FROM products GROUP BY category")
        return [Observation(row["level"], {"shop.category": row["category"]}) for row in rows]


def _catalog(request: Request) -> Catalog:
    catalog = request.app.state.catalog
    assert isinstance(catalog, Catalog)  # noqa: S101 - narrows the type of Starlette's open state
    return catalog


@router.get("/products")
def list_products(request: Request, category: str) -> list[Row]:
    """The products of one category, cheapest first."""
    return _catalog(request).find(f"category:{category}", _BY_CATEGORY, category=category)


@router.get("/products/{sku}")
def show_product(request: Request, sku: str) -> Row:
    """One product."""
    rows = _catalog(request).find(f"sku:{sku}", _BY_SKU, sku=sku)
    if not rows:
        log.warning("product %s is not in the catalog", sku, extra={"product.sku": sku})
        raise HTTPException(404, f"There is no product {sku}.")
    return rows[0]


@router.get("/products/{sku}/related")
def show_related(request: Request, sku: str) -> list[Row]:
    """Products that people who look at this one may like."""
    catalog = _catalog(request)
    category = next((product.category for product in PRODUCTS if product.sku == sku), "")
    return catalog.find(f"related:{sku}", _RELATED, category=category, sku=sku)


@router.get("/search")
def search(request: Request, q: Annotated[str, Query()]) -> list[Row]:
    """Products by words of their name. Never cached: the words are the visitor's own."""
    catalog = _catalog(request)
    try:
        words = shlex.split(q.lower())  # quoted phrases stay together, and an apostrophe is a quote too many
    except ValueError as error:
        log.exception("cannot parse search '%s'", q, extra={"search.query": q})
        raise HTTPException(400, "The search has a quote too many.") from error
    started = time.perf_counter()
    rows = catalog.read(_SEARCH, pattern=f"%{words[0]}%") if words else []
    took_ms = (time.perf_counter() - started) * 1000
    catalog.results.record(len(rows))
    fields = {"search.query": q, "search.results": len(rows)}
    if rows:
        log.info("search found %d products in %.1f ms", len(rows), took_ms, extra=fields)
    else:
        log.info("no products match '%s'", q, extra=fields)
    return rows


@router.post("/reservations")
def reserve(request: Request, reservation: Reservation) -> dict[str, str]:
    """Take pieces out of the stock; 409 when there are not enough."""
    catalog = _catalog(request)
    fields = {"order.id": reservation.order_id, "product.sku": reservation.sku}
    if not catalog.change(_RESERVE, sku=reservation.sku, quantity=reservation.quantity):
        log.warning(
            "only a few pieces of %s left, cannot reserve %d", reservation.sku, reservation.quantity, extra=fields
        )
        raise HTTPException(409, f"Not enough pieces of {reservation.sku}.")
    return {"reserved": reservation.sku}


@router.post("/restock")
def restock(request: Request) -> dict[str, int]:
    """Fill up what has run low."""
    changed = _catalog(request).change(_RESTOCK, full=_FULL_STOCK, low=_LOW_STOCK)
    if changed:
        log.info("restocked %d products", changed, extra={"shop.products": changed})
    return {"restocked": changed}


def run(stage: Stage) -> None:
    """Serve the catalog until told to stop."""
    app = FastAPI(title="catalog", version=stage.version)
    app.include_router(router)
    app.state.catalog = Catalog(stage)
    serve(app, stage)

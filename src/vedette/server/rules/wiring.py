"""How rules are put together with the rest of the server.

Rules are evaluated in the server process: the labels and the hot windows that they ask for are in its memory for the
pages and data sources that ask the same, and the compiled kernels are loaded there. The worker would need all of that
a second time.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

from vedette.errors import TooManyRequests
from vedette.server.control.tenants import DEFAULT_TENANT
from vedette.server.engine.formats import by_name
from vedette.server.ingest.otlp import METRICS, Payload, stamped
from vedette.server.rules.group import Surroundings
from vedette.server.rules.group_alerts import AlertSurroundings
from vedette.server.rules.manager import RuleManager
from vedette.server.rules.patience import Patience
from vedette.server.rules.readable import ReadableClock
from vedette.server.rules.recent import RecentResults
from vedette.server.settings import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.alerting.notice import Notice
    from vedette.server.control.alert_states import AlertStateStore, SavedAlerts
    from vedette.server.ingest.pipeline import Ingest
    from vedette.server.query.metrics.queries import MetricQueries
    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.rules.manager import RuleSources
    from vedette.server.settings import Settings

__all__ = ["alert_surroundings", "build_rules"]

_GROUPS_AT_ONCE = 4


def build_rules(
    settings: Settings,
    sources: Callable[[], RuleSources],
    metrics: MetricQueries,
    ingest: Ingest,
    alerts: AlertSurroundings,
) -> RuleManager:
    """The manager of the rule files that `sources` names. It does nothing until it runs."""
    tenant, code = settings.rules_tenant, by_name("remote_write").code
    clock = ReadableClock((settings.wal_dir, settings.wal_dir / "scrape"))
    recent = RecentResults(metrics.store)

    async def query(text: str, at_ms: int, seen_at: float) -> QueryResult:
        await metrics.store.of(tenant, max(0.0, time.monotonic() - seen_at))
        return await metrics.evaluate_rule(tenant, text, at_ms, recent)

    async def write(message: bytes, rows: int) -> None:
        admitted = await ingest.series_limits.admit(tenant, message)
        if rows > admitted.rows:
            pieces = stamped(tenant, admitted.message)
            await ingest.submit(tenant, Payload(METRICS, code, rows - admitted.rows, pieces, len(message)))
        if admitted.series:
            reason = ingest.series_limits.reason(tenant, admitted)
            ingest.ledger.refused(tenant, "metrics", "too_many_series", count=admitted.rows, detail=reason)
            raise TooManyRequests(reason)

    async def warm_up(texts: Sequence[str], at_ms: int, seen_at: float) -> None:
        await metrics.store.of(tenant, max(0.0, time.monotonic() - seen_at))
        await metrics.warm_up(tenant, texts, at_ms)

    turns = asyncio.Semaphore(_GROUPS_AT_ONCE)
    around = Surroundings(query, warm_up, write, clock, recent, turns, settings.rules_patience, alerts)
    return RuleManager(sources, around, tenant)


def alert_surroundings(
    settings: Settings,
    store: AlertStateStore,
    tell: Callable[[Sequence[Notice]], None],
    patience: Patience | None = None,
) -> AlertSurroundings:
    """What the alerts of the rules' tenant are kept in, and who is told of them; `patience` with what keeps them."""
    tenant, patience = settings.rules_tenant, patience or Patience()

    async def load() -> dict[str, SavedAlerts]:
        return await patience.call(store.all, tenant)

    async def save(group: str, evaluated_ms: int, state: dict[str, Any] | None) -> None:
        await patience.call(store.save, tenant, group, evaluated_ms, state)

    async def forget(group: str) -> None:
        await patience.call(store.forget, tenant, group)

    url = settings.external_url.rstrip("/") or f"http://{_reachable(settings.listen)}"
    search = {} if tenant == DEFAULT_TENANT else {"tenant": tenant}
    return AlertSurroundings(url, search, load, save, forget, tell)


def _reachable(listen: Address) -> Address:
    """Where others find what listens everywhere."""
    return Address(socket.gethostname(), listen.port) if listen.host in {"0.0.0.0", "::"} else listen

"""Saved views: what a page showed, kept under a name for everybody who reads the tenant."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from vedette.errors import InvalidInput, NotFound
from vedette.server.control.database import available, reading, writing
from vedette.server.control.models import SavedViewRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Engine
    from sqlalchemy.engine import RowMapping

__all__ = ["MAX_NAME_CHARACTERS", "MAX_STATE_BYTES", "MAX_VIEWS", "SavedView", "SavedViews"]

MAX_VIEWS: Final = 1_000
"""Views of one tenant at most."""
MAX_NAME_CHARACTERS: Final = 100
MAX_STATE_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view. `state` is what its page needs to show the same again; only the page knows its meaning."""

    id: str
    page: str
    name: str
    state: dict[str, Any]
    created: datetime
    updated: datetime


class SavedViews:
    """The views of all tenants. Every method is about one tenant and raises `Unavailable` on a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, tenant: str, page: str = "") -> list[SavedView]:
        """The views of a page, or of all pages, by page and name."""
        statement = select(SavedViewRow.__table__).where(SavedViewRow.tenant == tenant)
        if page:
            statement = statement.where(SavedViewRow.page == page)
        with available(reading, self._engine) as connection:
            rows = connection.execute(statement.order_by(SavedViewRow.page, SavedViewRow.name)).mappings()
            return [_view(row) for row in rows]

    def create(self, tenant: str, *, page: str, name: str, state: Mapping[str, Any]) -> SavedView:
        """Keep a new view.

        Raises:
            InvalidInput: the name is taken or unfit, the state is too large, or the tenant has too many views.
        """
        text = _checked(name, state)
        now = datetime.now(UTC)
        made = SavedView(secrets.token_hex(8), page, name, dict(state), now, now)
        row = {"tenant": tenant, "id": made.id, "page": page, "name": name, "state": text, "created": now}
        with available(writing, self._engine) as connection, _unique(name):
            count = select(func.count()).select_from(SavedViewRow).where(SavedViewRow.tenant == tenant)
            if (connection.scalar(count) or 0) >= MAX_VIEWS:
                raise InvalidInput(f"There are {MAX_VIEWS:,} saved views already; delete some that nobody uses.")
            connection.execute(insert(SavedViewRow).values(**row, updated=now))
        return made

    def replace(self, tenant: str, view_id: str, *, page: str, name: str, state: Mapping[str, Any]) -> SavedView:
        """Give a view another name, state or page.

        Raises:
            NotFound: the tenant has no such view.
            InvalidInput: as for `create`.
        """
        text = _checked(name, state)
        found = (SavedViewRow.tenant == tenant) & (SavedViewRow.id == view_id)
        with available(writing, self._engine) as connection, _unique(name):
            changed = connection.execute(
                update(SavedViewRow).where(found).values(page=page, name=name, state=text, updated=datetime.now(UTC))
            )
            if not changed.rowcount:
                raise _missing(view_id)
            return _view(connection.execute(select(SavedViewRow.__table__).where(found)).mappings().one())

    def delete(self, tenant: str, view_id: str) -> None:
        """Forget a view.

        Raises:
            NotFound: the tenant has no such view.
        """
        found = (SavedViewRow.tenant == tenant) & (SavedViewRow.id == view_id)
        with available(writing, self._engine) as connection:
            if not connection.execute(delete(SavedViewRow).where(found)).rowcount:
                raise _missing(view_id)


@contextmanager
def _unique(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise InvalidInput(f"A view of this page is called {name!r} already; choose another name.") from None


def _checked(name: str, state: Mapping[str, Any]) -> str:
    """The state as text."""
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"The name of a view has 1 to {MAX_NAME_CHARACTERS} printable characters.")
    text = json.dumps(state, separators=(",", ":"))
    try:
        json.dumps(state, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("The state of a view is text throughout, without halves of surrogate pairs.") from None
    if len(text) > MAX_STATE_BYTES:
        raise InvalidInput(f"The state of a view has at most {MAX_STATE_BYTES:,} bytes of JSON, not {len(text):,}.")
    return text


def _missing(view_id: str) -> NotFound:
    return NotFound(f"There is no saved view {view_id[:40]!a}; somebody may have deleted it.")


def _view(row: RowMapping) -> SavedView:
    return SavedView(row["id"], row["page"], row["name"], json.loads(row["state"]), row["created"], row["updated"])

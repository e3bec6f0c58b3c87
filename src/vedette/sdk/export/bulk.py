"""Log records for Elasticsearch, or OpenSearch, as its bulk API takes them: a daily index, and nothing twice.

A document is created under an id that it keeps over retries and restarts; Elasticsearch answers 409 to one that it has
already, which is as good as 201.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import count
from time import gmtime, strftime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import uuid4

from vedette.sdk.export.answers import seconds_of
from vedette.sdk.export.batch import Batch, gzipped, unpacked
from vedette.sdk.export.connection import BROKEN, Connection
from vedette.sdk.export.http import RETRYABLE, Outcome
from vedette.sdk.guard import dropped, fault

if TYPE_CHECKING:
    from vedette.sdk.export.connection import Answer
    from vedette.sdk.logs.lines import Lines
    from vedette.sdk.logs.records import Record

__all__ = ["BulkSender", "BulkStage"]

_REQUEST_ITEMS = 100
_REQUEST_BYTES = 4 << 20
_LONGEST_ANSWER = 16 << 20
_DAY_NS = 86_400_000_000_000
_CONFLICT = 409
# Only what is looked at: some thirty bytes an item instead of three hundred.
_PATH = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"


class BulkStage:
    """Turns records into documents, which leave when 100 wait or `interval_seconds` have passed.

    `lines` makes JSON lines; their `timestamp` becomes `@timestamp`. `index` names the index by the record's UTC time,
    in the codes of `strftime`.
    """

    signal = "logs for Elasticsearch"

    def __init__(self, lines: Lines, index: str, interval_seconds: float) -> None:
        self._lines = lines
        self._index = index
        self.interval_seconds = interval_seconds
        self.clear()

    def clear(self) -> None:
        """Forget what waits, and begin ids of this process's own."""
        self._items: list[str] = []
        self._ids = count()
        self._process = uuid4().hex[:20]
        self._day = -1
        self._head = ""

    def take(self, record: Record) -> None:
        """Add a record: an action and its document."""
        try:
            self._items.append(self._item(record))
        except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
            dropped(self.signal, "they cannot be formatted", 1)
            fault("formatting a document", error)

    def _item(self, record: Record) -> str:
        at = record[1]
        day = at // _DAY_NS
        if day != self._day:
            self._day = day
            index = strftime(self._index, gmtime(at // 1_000_000_000))
            self._head = f'{{"create":{{"_index":{json.dumps(index)},"_id":"{self._process}'
        return f'{self._head}{next(self._ids):x}"}}}}\n{{"@{self._lines.format(record)[2:]}'

    def step(self) -> bool:
        """Nothing: records come by `take`."""
        return False

    def pressed(self) -> bool:
        """Never: records wait in the queue of logs."""
        return False

    def full(self) -> bool:
        """Whether a request's worth of documents waits."""
        return len(self._items) >= _REQUEST_ITEMS

    def cut(self) -> list[tuple[int, bytes]]:
        """All that waits, in requests of at most 4 MiB (or one document)."""
        out: list[tuple[int, bytes]] = []
        parts: list[bytes] = []
        size = 0
        items, self._items = self._items, []
        for item in items:
            body = item.encode("utf-8", "replace")
            if parts and size + len(body) > _REQUEST_BYTES:
                out.append((len(parts), b"".join(parts)))
                parts, size = [], 0
            parts.append(body)
            size += len(body)
        if parts:
            out.append((len(parts), b"".join(parts)))
        return out


class BulkSender:
    """Posts batches to `url`/_bulk, with the URL's query. Not thread-safe: the sending thread owns it.

    User and password may stand in the URL; `api_key` is Elasticsearch's, as it encodes it.
    """

    def __init__(self, url: str, api_key: str | None, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        headers = {"Content-Type": "application/x-ndjson", "Accept": "application/json"}
        if api_key:
            headers["Authorization"] = f"ApiKey {api_key}"
        elif parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        netloc = parts.netloc.rpartition("@")[2]
        self._path = f"{_PATH}&{parts.query}" if parts.query else _PATH
        self._connection = Connection(urlunsplit(parts._replace(netloc=netloc, query="")), headers, timeout_seconds)
        self.host = self._connection.host

    def send(self, batch: Batch, timeout_seconds: float | None = None) -> Outcome:
        """Deliver one batch. Every failure is an outcome; nothing is raised."""
        headers = {"Content-Encoding": batch.encoding} if batch.encoding else {}
        try:
            answer = self._connection.post(self._path, batch.body, headers, timeout_seconds, _LONGEST_ANSWER)
            return self._outcome(batch, answer)
        except BROKEN as error:
            return Outcome(retry=True, reason=f"{type(error).__name__}: {error}")

    def _outcome(self, batch: Batch, answer: Answer) -> Outcome:
        status = answer.status
        after = seconds_of(answer.headers.get("Retry-After"))
        if status in RETRYABLE:
            return Outcome(retry=True, after_seconds=after, reason=f"HTTP {status}")
        if status != 200:
            return Outcome(reason=f"HTTP {status} {answer.body[:200].decode('utf-8', 'replace')!r}")
        try:
            said = json.loads(answer.body)
            results = [next(iter(item.values())) for item in said["items"]] if said.get("errors") else []
            again = [at for at, result in enumerate(results) if result["status"] in RETRYABLE]
            refused = [result for result in results if _is_refusal(result["status"])]
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration, RecursionError):
            return Outcome(retry=True, reason=f"{answer.body[:200].decode('utf-8', 'replace')!r}, no answer to a bulk")
        reason = str(refused[0].get("error"))[:200] if refused else ""
        if not again:
            return Outcome(delivered=True, rejected=len(refused), reason=reason)
        left = _part(batch, again)
        return Outcome(retry=True, after_seconds=after, rejected=len(refused), reason=reason or "HTTP 429", left=left)

    def close(self) -> None:
        """Close the connection; the next batch opens another."""
        self._connection.close()


def _is_refusal(status: int) -> bool:
    return status >= 300 and status != _CONFLICT and status not in RETRYABLE


def _part(batch: Batch, places: list[int]) -> Batch:
    """The documents of `batch` at these places, with the ids that they have."""
    lines = unpacked(batch).splitlines(keepends=True)
    body = b"".join([lines[2 * at] + lines[2 * at + 1] for at in places])
    return Batch(batch.signal, len(places), gzipped(body) if batch.encoding else body, batch.encoding)

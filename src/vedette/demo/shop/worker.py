"""Worker: does with placed orders what nobody wants to wait for at the checkout."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Status, StatusCode

from vedette.demo.shop.messages import ORDER_PLACED, Message, Queue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import SpanContext

    from vedette.demo.stage import Stage

__all__ = ["run"]

log = logging.getLogger("shop.worker")
tracer = trace.get_tracer("shop.worker")
meter = metrics.get_meter("shop.worker")

_POLL_SECONDS = 0.5
_BATCH = 10
_MOST_ATTEMPTS = 3
_RESTOCK_SECONDS = 45.0

processed = meter.create_counter("shop.messages.processed", "{message}", "Messages by outcome")
waited_seconds = meter.create_histogram("shop.message.processing.duration", "s", "Time to process one message")


class Worker:
    """Takes messages from the queue until told to stop."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._queue = Queue()
        self._catalog = httpx.Client(base_url=stage.peers["catalog"], timeout=5.0)
        self._stopping = threading.Event()
        self._restock_at = time.monotonic() + _RESTOCK_SECONDS
        meter.create_observable_gauge("shop.queue.depth", [self._depths], "{message}", "Messages that wait or are dead")

    def stop(self) -> None:
        """Let `run` return after the message at hand."""
        self._stopping.set()

    def run(self) -> None:
        """Process messages and fill up the stock now and then."""
        log.info("worker waits for messages on %s", ORDER_PLACED)
        while not self._stopping.wait(_POLL_SECONDS):
            if self._stage.suffers("worker_stuck"):
                continue
            messages, received = self._queue.receive(ORDER_PLACED, _BATCH)
            for message in messages:
                if received is not None and not self._stopping.is_set():
                    self._process(message, received)
            if time.monotonic() > self._restock_at:
                self._restock_at = time.monotonic() + _RESTOCK_SECONDS
                self._restock()

    def _process(self, message: Message, received: SpanContext) -> None:
        started = time.perf_counter()
        fields = {"order.id": message.body["order_id"], "messaging.message.id": message.message_id}
        with self._queue.processing(message, received) as span:
            try:
                self._fulfil(message.body)
            except (httpx.HTTPError, UnicodeEncodeError) as error:
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                self._give_back(message, error, fields)
            else:
                self._queue.done(message)
                processed.add(1, {"outcome": "done"})
                log.info("order %s is on its way", message.body["order_id"], extra=fields)
            waited_seconds.record(time.perf_counter() - started)

    def _give_back(self, message: Message, error: Exception, fields: dict[str, str]) -> None:
        if message.attempts + 1 >= _MOST_ATTEMPTS:
            self._queue.bury(message)
            processed.add(1, {"outcome": "dead"})
            log.critical("gave up on message %s after %d attempts", message.message_id, _MOST_ATTEMPTS, extra=fields)
        else:
            self._queue.retry(message, delay_seconds=2.0 * 2**message.attempts)
            processed.add(1, {"outcome": "retry"})
            log.error("order %s cannot be fulfilled now", message.body["order_id"], exc_info=error, extra=fields)

    def _fulfil(self, order: dict[str, Any]) -> None:
        for line in order["lines"]:
            answer = self._catalog.post("/reservations", json={"order_id": order["order_id"], **line})
            answer.raise_for_status()
        with tracer.start_as_current_span("send confirmation mail", attributes={"mail.to": order["email"]}):
            # The flaw of one release: it believes that all names are written in ASCII.
            encoding = "ascii" if self._stage.flaw == "ascii_names" else "utf-8"
            f"Dear {order['name']}, thank you for order {order['order_id']}.".encode(encoding)
            time.sleep(random.uniform(0.01, 0.06))

    def _restock(self) -> None:
        with tracer.start_as_current_span("restock"):
            try:
                self._catalog.post("/restock").raise_for_status()
            except httpx.HTTPError:
                log.exception("catalog cannot restock")

    def _depths(self, _options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(self._queue.depth(), {"state": "waiting"})
        yield Observation(self._queue.depth(dead=True), {"state": "dead"})


def run(stage: Stage) -> None:
    """Process messages until told to stop."""
    worker = Worker(stage)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    worker.run()

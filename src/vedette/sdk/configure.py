"""`vedette.configure`, `flush` and `shutdown`: the one place where the parts are put together."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate
from opentelemetry import trace as trace_api

from vedette.sdk import resource as resources
from vedette.sdk import settings as settings_of
from vedette.sdk import signals
from vedette.sdk.guard import fault, tell
from vedette.sdk.logs.logger import log_failure
from vedette.sdk.metrics import prometheus
from vedette.sdk.metrics.registry import registry
from vedette.sdk.propagation import propagator
from vedette.sdk.redaction import Redactor
from vedette.sdk.traces import spans as own_spans
from vedette.sdk.traces.tracer import TracerProvider
from vedette.sdk.variables import tell_misspelt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Unpack

    from vedette.sdk.audit.shipping import Shipper
    from vedette.sdk.export.bulk import BulkStage
    from vedette.sdk.export.exporter import Exporter, Stage, Way
    from vedette.sdk.export.logs import LogStage
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.settings import Options, Settings

__all__ = ["Runtime", "configure", "configured", "flush", "latest", "runtime", "shutdown"]

_BULK_SECONDS = 5.0
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGXCPU")
"""Signals that end a program which has no handler of its own for them."""
_IN_USE = "Another TracerProvider is already set; its spans stay with it. Call vedette.configure() before it."


class Runtime:
    """What one `configure` set up."""

    def __init__(self, settings: Settings, provider: TracerProvider) -> None:
        self.settings = settings
        self.provider = provider
        self.resource = provider.resource
        self.redactor = Redactor(settings.redact_keys, settings.redact_patterns, enabled=settings.redaction)
        self._envelope: Envelope | None = None
        self.log_queue: list[Any] = []  # records end to end
        self.exporter: Exporter = self._build()
        self.shipper: Shipper | None = None

    def envelope(self) -> Envelope:
        """Resource and scopes around the items; made anew in a forked child."""
        if self._envelope is None:
            from vedette.sdk.otlp.envelope import Envelope  # noqa: PLC0415 - loaded when the first request is built

            self._envelope = Envelope(self.resource, self.redactor, self.settings.attribute_length)
        return self._envelope

    def _build(self) -> Exporter:
        from vedette.sdk.export.exporter import Exporter  # noqa: PLC0415 - loaded by configure, not by import

        return Exporter(self._stages(), registry.settle)

    def _stages(self) -> list[tuple[Stage, Way | None]]:
        from vedette.sdk.export.spans import SpanStage  # noqa: PLC0415
        from vedette.sdk.export.ways import elasticsearch_way, otlp_ways  # noqa: PLC0415
        from vedette.sdk.logs.remote import RemoteLevels  # noqa: PLC0415
        from vedette.sdk.otlp.spans import SpanEncoder  # noqa: PLC0415

        settings, service = self.settings, str(self.resource["service.name"])
        show = None
        if settings.console:
            from vedette.sdk.traces.console import print_span  # noqa: PLC0415

            show = print_span
        heard = RemoteLevels().hear if settings.log_remote_levels else None
        ways = otlp_ways(settings, service, heard) if settings.export else {}
        sent = "traces" in ways
        encoder = SpanEncoder(self.redactor, settings.attribute_length) if sent else None
        spans = SpanStage(self.provider, encoder, self.envelope, settings.export_interval_seconds, show)
        bulk = self._bulk_stage(service)
        stages: list[tuple[Stage, Way | None]] = [
            (spans, ways.get("traces")),
            (self._log_stage(bulk), ways.get("logs")),
        ]
        if bulk is not None:
            stages.append((bulk, elasticsearch_way(settings, service)))
        if "metrics" in ways:
            from vedette.sdk.metrics.setup import metric_stage  # noqa: PLC0415

            stages.append((metric_stage(settings, self.redactor, self.envelope), ways["metrics"]))
        return stages

    def _bulk_stage(self, service: str) -> BulkStage | None:
        settings = self.settings
        if settings.elasticsearch_url is None:
            return None
        from vedette.sdk.export.bulk import BulkStage  # noqa: PLC0415
        from vedette.sdk.logs.lines import JsonLines  # noqa: PLC0415

        return BulkStage(JsonLines(service, self.redactor), settings.elasticsearch_index, _BULK_SECONDS)

    def _log_stage(self, bulk: BulkStage | None) -> LogStage:
        from vedette.sdk.export.logs import LogStage  # noqa: PLC0415
        from vedette.sdk.logs.setup import lines_of, writer_of  # noqa: PLC0415
        from vedette.sdk.otlp.logs import LogEncoder  # noqa: PLC0415

        settings = self.settings
        self.lines = lines_of(settings, str(self.resource["service.name"]), self.redactor)
        self.writer = writer_of(settings) if self.lines is not None else None
        sent = settings.export and "logs" in settings.signals
        encoder = LogEncoder(self.redactor, settings.attribute_length) if sent else None
        lines = self.lines if settings.log_buffer else None
        interval = settings.export_interval_seconds
        return LogStage(self.log_queue, lines, self.writer, encoder, self.envelope, interval, bulk)

    def start(self) -> None:
        """Let spans and records in, and start the threads."""
        from vedette.sdk.logs import setup  # noqa: PLC0415
        from vedette.sdk.metrics.setup import open_metrics  # noqa: PLC0415

        own_spans.use_tracer(self.provider.get_tracer("vedette"))
        open_metrics(self.settings)
        wake, tail = self.exporter.wake, self.provider.tail
        self.provider.wake, self.provider.deliver, self.provider.failed = wake, flush, log_failure
        setup.open_desk(self.settings, self.log_queue, self.lines, self.writer, wake, tail, self.redactor)
        self.exporter.start()
        self.shipper = self._shipper() if self.settings.export else None

    def _shipper(self) -> Shipper:
        from vedette.sdk.audit.shipping import Shipper  # noqa: PLC0415
        from vedette.sdk.audit.trails import trail_of  # noqa: PLC0415
        from vedette.sdk.export.batch import compressor  # noqa: PLC0415
        from vedette.sdk.export.ways import otlp_sender  # noqa: PLC0415
        from vedette.sdk.otlp.envelope import Envelope  # noqa: PLC0415
        from vedette.sdk.otlp.logs import LogEncoder  # noqa: PLC0415

        settings = self.settings
        trail = trail_of(settings.audit_file, str(self.resource["service.name"]))
        sender = otlp_sender(settings, "logs")
        encoder = LogEncoder(self.redactor, settings.attribute_length)
        envelope = Envelope(self.resource, self.redactor, settings.attribute_length)
        how = "none" if settings.protocol == "grpc" else settings.compression
        shipper = Shipper(trail, sender, encoder, envelope, compressor(how, sender.host))
        if trail.behind():
            shipper.wake()
        return shipper

    def seconds_of(self, timeout_seconds: float | None) -> float:
        """The time that was given, which may be none at all, or the shutdown timeout."""
        return self.settings.shutdown_timeout_seconds if timeout_seconds is None else timeout_seconds

    def stop(self, timeout_seconds: float) -> None:
        """Let nothing more in, and deliver what is there."""
        from vedette.sdk.logs import setup  # noqa: PLC0415
        from vedette.sdk.metrics.workers import leave_workers  # noqa: PLC0415

        leave_workers(bequeath=True)
        own_spans.use_tracer(None)
        setup.close_desk()
        deadline = monotonic() + timeout_seconds
        if self.shipper is not None:
            self.shipper.stop(deadline)
        self.exporter.close(deadline)
        if self.shipper is not None:
            self.shipper.close()
        if self.writer is not None:
            self.writer.close()

    def after_fork(self) -> None:
        """Give a forked child its own identity, queues and threads."""
        resources.forked(self.resource)
        self._envelope = None
        self.provider.after_fork()
        registry.after_fork()
        prometheus.after_fork()
        self.exporter.after_fork()
        if self.shipper is not None:
            self.shipper.after_fork()
        workers: Any = sys.modules.get("vedette.sdk.metrics.workers")
        if workers is not None:
            workers.after_fork()


_runtime: Runtime | None = None
_ended: Runtime | None = None
_provider: TracerProvider | None = None
configured: list[Callable[[], None]] = []
"""Called after each `configure` that switched the SDK on."""
_closing: list[None] = []  # one for each call of `shutdown` that is going on
_noticed: list[int] = []  # signals that were
_awaiting: list[int] = []  # the signal that ends the process after them
_lock = threading.RLock()
_hooked = False
_disabled = False


def configure(service: str | None = None, /, **options: Unpack[Options]) -> None:
    """Start the SDK for this process. Call it once, early; a second call replaces the first.

    `service` names the service. Every setting may be an argument, a variable `VEDETTE_<NAME>`, or OpenTelemetry's
    variable for it, and is taken in this order; `Settings` lists them with their defaults.

    Raises:
        SettingsError: a setting is unknown or cannot be used.
    """
    global _runtime, _ended, _disabled  # noqa: PLW0603 - one SDK per process
    settings = settings_of.load(service, options)
    tell_misspelt()
    with _lock:
        if _runtime is not None:
            _runtime.stop(_runtime.settings.shutdown_timeout_seconds)
        _runtime = _ended = None
        _disabled = not settings.enabled
        if _disabled:
            return
        found = resources.detect(settings.service, settings.version, settings.environment, settings.resource)
        provider = _install_provider(found, settings)
        propagate.set_global_textmap(propagator(settings.propagators))
        _runtime = Runtime(settings, provider)
        _hook()
        _runtime.start()
        _begin_in_multiprocessing_child()
        _flush_at_celery_end()
        for listener in configured:
            listener()


def _install_provider(found: resources.Resource, settings: Settings) -> TracerProvider:
    """Set our provider once; a later `configure` changes it in place, since tracers hold on to it."""
    global _provider  # noqa: PLW0603 - OpenTelemetry allows one provider per process
    if _provider is None:
        _provider = TracerProvider(found, settings.sampling, settings.queue_size, settings.tail_keep_slow_seconds)
        if isinstance(trace_api.get_tracer_provider(), trace_api.ProxyTracerProvider):
            trace_api.set_tracer_provider(_provider)
        else:
            tell("provider", _IN_USE)
    else:
        _provider.reconfigure(found, settings.sampling, settings.queue_size, settings.tail_keep_slow_seconds)
    return _provider


def runtime() -> Runtime | None:
    """What is configured, or `None`."""
    return _runtime


def latest() -> Runtime | None:
    """What is configured, or was until `shutdown`."""
    return _runtime or _ended


def was_disabled() -> bool:
    """Whether the latest `configure` switched the SDK off."""
    return _disabled


def flush(timeout_seconds: float | None = None) -> bool:
    """Deliver everything recorded so far; whether that was done in time (by default the shutdown timeout)."""
    active = _runtime
    if active is None:
        return True
    try:
        return active.exporter.flush(monotonic() + active.seconds_of(timeout_seconds))
    except Exception as error:  # noqa: BLE001 - never raised into the host
        fault("flush", error)
        return False


def settle() -> None:
    """Flush, and keep on disk what was not delivered in time, where the process may end without `shutdown`."""
    active = _runtime
    if active is None:
        return
    try:
        active.exporter.settle(monotonic() + active.settings.shutdown_timeout_seconds)
    except Exception as error:  # noqa: BLE001 - never raised into the host
        fault("flush", error)


def shutdown(timeout_seconds: float | None = None) -> None:
    """Flush and stop. What cannot be delivered in time goes to the spool. Happens by itself at the program's end."""
    global _runtime, _ended  # noqa: PLW0603 - one SDK per process
    _closing.append(None)
    try:
        with _lock:
            active, _runtime = _runtime, None
            _ended = active or _ended
        if active is not None:
            active.stop(active.seconds_of(timeout_seconds))
    except Exception as error:  # noqa: BLE001 - never raised into the host
        fault("shutdown", error)
    finally:
        _closing.pop()
        if _awaiting and not _closing:
            _end_by(_awaiting[0])


# -- the process's end, and its children


def _hook() -> None:
    global _hooked  # noqa: PLW0603 - hooks are registered once per process
    if _hooked:
        return
    _hooked = True
    atexit.register(shutdown)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
    if threading.current_thread() is threading.main_thread():
        for name in _ENDING:
            number = getattr(signal, name, None)  # Windows has few of them
            try:
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, _on_terminate)
            except ValueError:  # a subinterpreter has no signals
                return


def _on_terminate(number: int, _frame: FrameType | None) -> None:
    """End as the signal would have ended the program, after what is recorded is safe.

    One that comes while the SDK is closing (a pool's workers get it then) waits for that; another after it does not.
    """
    _noticed.append(number)
    if _closing and not _awaiting:
        _awaiting.append(number)
        return
    if not _closing:
        shutdown()
    _end_by(number)


def _end_by(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _before_fork() -> None:
    if _runtime is not None:
        _runtime.exporter.before_fork()
        prometheus.before_fork()  # after the export thread, which collects as well


def _after_fork_in_parent() -> None:
    if _runtime is not None:
        prometheus.after_fork_in_parent()
        _runtime.exporter.after_fork_in_parent()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock held in the parent stays locked for ever in the child
    _lock = threading.RLock()
    for held in (_closing, _awaiting, _noticed):
        held.clear()
    signals.forget()
    active = _runtime
    if active is None:
        return
    try:
        active.after_fork()
        _flush_at_multiprocessing_end()
        _flush_at_celery_end()
    except Exception as error:  # noqa: BLE001 - never raised into the host
        fault("fork", error)


def _flush_at_multiprocessing_end() -> None:
    """`multiprocessing` ends its forked children without atexit; its own finalizers run."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        # Finalizers registered now would be cleared by the child's start; those of after-fork hooks are not.
        util.register_after_fork(_finish, _Finish.register)


def _flush_at_celery_end() -> None:
    """The processes of Celery's pool end by `os._exit`, after a signal of Celery's own."""
    celery: Any = sys.modules.get("celery.signals")
    if celery is not None:
        celery.worker_process_shutdown.connect(_on_celery_end, weak=False, dispatch_uid="vedette")


def _on_celery_end(**_: object) -> None:
    shutdown()


def _begin_in_multiprocessing_child() -> None:
    """Where `configure` is called by a child itself: one of a fork server ends without atexit, too."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is None:
        return
    if process.parent_process() is not None:
        _finish.register()
    elif getattr(process.current_process(), "_inheriting", False):  # it loads the main module, before it begins
        _flush_at_multiprocessing_end()


class _Finish:
    """Something that `multiprocessing` can hold weakly and call in its children."""

    def register(self) -> None:
        """Ask for `shutdown` at the end of this child."""
        from multiprocessing import util  # noqa: PLC0415 - it is there, in a child of its own

        util.Finalize(None, shutdown, exitpriority=-100)
        if signal.getsignal(signal.SIGTERM) is _on_terminate:
            signals.watch([signal.SIGTERM], lambda: bool(_noticed))


_finish = _Finish()

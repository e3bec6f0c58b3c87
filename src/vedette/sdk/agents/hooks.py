"""Hooks: an agent announces what it does, by name, and the spans, metrics, logs and audit events follow.

Events come in pairs that carry the same `key` (by default one per kind may be open at a time): `loop_start` and
`loop_end`, `pre_tool_use` and `post_tool_use`, `pre_llm_call` and `post_llm_call`; and alone: `permission_request`,
`memory`, `error`. A hook never raises into the agent, except for a spent budget that stops.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from vedette.sdk.agents.budget import BudgetExceeded
from vedette.sdk.guard import dropped, fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.agents.observability import AgentObservability

__all__ = ["EVENTS", "HookManager"]

EVENTS = (
    "loop_start",
    "loop_end",
    "pre_tool_use",
    "post_tool_use",
    "pre_llm_call",
    "post_llm_call",
    "permission_request",
    "memory",
    "error",
)


_MOST_OPEN = 10_000


class _Failed(Exception):
    """Carries an agent's own message of failure through a context manager."""


class HookManager:
    """Turns announced events into telemetry, and lets others listen."""

    def __init__(self, observability: AgentObservability) -> None:
        self._observability = observability
        self._open: dict[tuple[str, Any], list[tuple[Any, Any]]] = {}
        self._waiting = 0  # for their ends, of all kinds and keys
        self._listeners: dict[str, list[Callable[..., Any]]] = defaultdict(list)

    def attach(self, agent: Any) -> None:
        """Register with an agent that takes hooks by `register_hook(event, callback)`."""
        register = getattr(agent, "register_hook", None)
        if callable(register):
            for event in EVENTS:
                register(event, self._callback(event))

    def _callback(self, event: str) -> Callable[..., None]:
        def call(**details: Any) -> None:
            self.fire(event, **details)

        return call

    def on(self, event: str, listener: Callable[..., Any]) -> None:
        """Call `listener` with the details of each such event."""
        self._listeners[event].append(listener)

    def fire(self, event: str, *, key: Any = None, **details: Any) -> None:
        """Announce an event.

        Raises:
            BudgetExceeded: a model call is about to begin and the budget that stops is spent.
        """
        try:
            self._handle(event, key, details)
        except BudgetExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - never raised into the agent
            fault(f"the hook {event}", error)
        for listener in self._listeners.get(event, ()):
            try:
                listener(**details)
            except Exception as error:  # noqa: BLE001 - never raised into the agent
                fault(f"a listener of {event}", error)

    def _handle(self, event: str, key: Any, details: dict[str, Any]) -> None:
        seen = self._observability
        if event == "loop_start":
            task, session, user = str(details.get("task", "")), details.get("session"), details.get("user")
            self._enter("loop", key, seen.loop(task, session=session, user=user))
        elif event == "pre_tool_use":
            self._enter("tool", key, seen.tool(str(details.get("tool", "unknown")), details.get("arguments")))
        elif event == "pre_llm_call":
            provider, model = str(details.get("provider", "")), str(details.get("model", ""))
            self._enter("llm", key, seen.llm(provider, model, details.get("prompt")))
        elif event == "post_llm_call":
            held = self._open.get(("llm", key))
            if held:
                call = held[-1][1]
                call.usage(details.get("input_tokens", 0), details.get("output_tokens", 0))
                if details.get("answer"):
                    call.answer(str(details["answer"]))
            self._leave("llm", key, details)
        elif event in {"loop_end", "post_tool_use"}:
            self._leave("loop" if event == "loop_end" else "tool", key, details)
        elif event == "permission_request":
            granted = bool(details.get("granted"))
            seen.permission(str(details.get("action", "")), granted=granted, by=details.get("by"))
        elif event == "memory":
            seen.memory(int(details.get("size_bytes", 0)))
        elif event == "error" and isinstance(details.get("error"), BaseException):
            seen.error(details["error"])

    def _enter(self, kind: str, key: Any, manager: Any) -> None:
        if self._waiting >= _MOST_OPEN:
            dropped("agent events", f"more than {_MOST_OPEN} wait for their end", 1)
            return
        self._open.setdefault((kind, key), []).append((manager, manager.__enter__()))
        self._waiting += 1

    def _leave(self, kind: str, key: Any, details: dict[str, Any]) -> None:
        held = self._open.get((kind, key))
        if not held:
            return
        manager, _ = held.pop()
        self._waiting -= 1
        if not held:
            del self._open[kind, key]
        error = details.get("error")
        if error is None and details.get("success", True):
            manager.__exit__(None, None, None)
            return
        failure = error if isinstance(error, BaseException) else _Failed(str(error or "failed"))
        try:
            manager.__exit__(type(failure), failure, failure.__traceback__)
        except BaseException as raised:
            if raised is not failure:
                raise

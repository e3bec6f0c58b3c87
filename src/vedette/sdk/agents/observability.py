"""`vedette.observe`: an agent's loops, tools, model calls, permissions and errors, on all four signals."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opentelemetry import trace as api
from opentelemetry.trace import SpanKind

from vedette.errors import SettingsError
from vedette.sdk.agents.budget import Budget, BudgetExceeded, Spending
from vedette.sdk.agents.conventions import cost_usd
from vedette.sdk.agents.hooks import HookManager
from vedette.sdk.audit.events import audit, trail
from vedette.sdk.context import context
from vedette.sdk.guard import fault, tell
from vedette.sdk.logs.logger import get_logger
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vedette.sdk.logs.logger import Logger

__all__ = ["AgentObservability", "ObservableAgent", "observe"]

_COMPONENTS = ("metrics", "tracing", "logging", "audit")
_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class _Run:
    """A loop that is going on, inside of which others may be."""

    __slots__ = ("outer", "owner", "session", "user")

    def __init__(self, owner: AgentObservability, session: str, user: str | None, outer: _Run | None) -> None:
        self.owner = owner
        self.session = session
        self.user = user
        self.outer = outer


_current: ContextVar[_Run | None] = ContextVar("vedette_agent_loop", default=None)


class Call:
    """A model call that is going on; tell it what came back."""

    def __init__(self, span: api.Span) -> None:
        self._span = span
        self.input_tokens = self.output_tokens = 0

    def usage(self, input_tokens: int | None, output_tokens: int | None) -> None:
        """The tokens that the provider counted; some count none."""
        self.input_tokens, self.output_tokens = _count(input_tokens), _count(output_tokens)

    def answer(self, text: str, finish_reason: str = "stop") -> None:
        """The model's answer; it is recorded redacted, and only if the agent records content."""
        self._span.set_attribute("gen_ai.response.finish_reasons", [finish_reason])
        if text:
            self._span.set_attribute("gen_ai.output.messages", text)


def _count(tokens: Any) -> int:
    try:
        return max(0, int(tokens or 0))
    except (TypeError, ValueError, OverflowError):
        tell("tokens", f"a count of tokens is a number; a {type(tokens).__name__} was ignored")
        return 0


class _Unrecorded(Call):
    def answer(self, text: str, finish_reason: str = "stop") -> None:
        super().answer("", finish_reason)


class AgentObservability:
    """One agent's telemetry. What was not asked for is neither created nor paid for.

    Use it by its context managers (`loop`, `tool`, `llm`) or let the agent call its `hooks`. Nothing here raises into
    the agent, except `BudgetExceeded` from a budget whose action is `stop`.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        metrics: bool = True,
        tracing: bool = True,
        logging: bool = True,
        audit: bool = True,
        budget: Budget | None = None,
        record_content: bool = False,
    ) -> None:
        self.agent_id = agent_id
        self._on = dict(zip(_COMPONENTS, (metrics, tracing, logging, audit), strict=True))
        self._spending = Spending(budget) if budget is not None else None
        self._content = record_content
        self._tracer = api.get_tracer("vedette.agents") if tracing else api.NoOpTracer()
        self._log: Logger | None = get_logger("vedette.agents", agent_id=agent_id) if logging else None
        self._meters = _Meters(agent_id) if metrics else None
        self._runs: list[_Run] = []  # that are going on, in whatever task or thread
        self.hooks = HookManager(self)

    def is_component_enabled(self, name: str) -> bool:
        """Whether `metrics`, `tracing`, `logging` or `audit` is on."""
        return self._on.get(name, False)

    @property
    def session(self) -> str | None:
        """The session of the loop that is going on here."""
        run = self._run()
        return run.session if run is not None else None

    @property
    def user(self) -> str | None:
        """The user of the loop that is going on here."""
        run = self._run()
        return run.user if run is not None else None

    def _run(self) -> _Run | None:
        """The loop of this agent that is going on here; in a thread that knows of none the only one that there is."""
        run = _current.get()
        while run is not None and run.owner is not self:
            run = run.outer
        if run is None:
            runs = list(self._runs)
            run = runs[0] if len(runs) == 1 else None
        return run

    # -- the points of an agent loop

    @contextmanager
    def loop(self, task: str = "", *, session: str | None = None, user: str | None = None) -> Iterator[api.Span]:
        """One run of the agent: the span that the others lie under, its duration and outcome."""
        outer = _current.get()
        held = (outer.session, outer.user) if outer is not None else (None, None)
        run = _Run(self, session or held[0] or uuid4().hex, user or held[1], outer)
        token = _current.set(run)
        self._runs.append(run)
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.id": self.agent_id,
            "gen_ai.agent.name": self.agent_id,
            "gen_ai.conversation.id": run.session,
        }
        if run.user:
            attributes["user.id"] = run.user
        if task and self._content:
            attributes["gen_ai.input.messages"] = task
        known = {"agent_id": self.agent_id, "session": run.session} | ({"user": run.user} if run.user else {})
        name = f"invoke_agent {self.agent_id}"
        begin = perf_counter()
        try:
            with (
                self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False) as span,
                context(**known),
            ):
                self._say("agent loop started")
                outcome = "error"
                try:
                    yield span
                    outcome = "success"
                except Exception as error:
                    self.error(error)
                    raise
                finally:
                    self._looped(outcome, perf_counter() - begin)
        finally:
            self._runs.remove(run)
            with suppress(ValueError):  # it ends in another context than it began
                _current.reset(token)

    def _looped(self, outcome: str, seconds: float) -> None:
        if self._meters is not None:
            self._meters.loop_seconds.labels(self.agent_id, outcome).observe(seconds)
            self._meters.loops.labels(self.agent_id, outcome).inc()
        self._say("agent loop ended", outcome=outcome, duration_ms=round(seconds * 1000, 3))
        self._note("agent.loop", result="success" if outcome == "success" else "failure")

    @contextmanager
    def tool(self, name: str, arguments: Any = None) -> Iterator[api.Span]:
        """One use of a tool."""
        attributes: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        if arguments is not None and self._content:
            attributes["gen_ai.tool.call.arguments"] = arguments
        begin = perf_counter()
        with self._tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes) as span:
            outcome = "error"
            try:
                yield span
                outcome = "success"
            finally:
                seconds = perf_counter() - begin
                if self._meters is not None:
                    self._meters.tool_seconds.labels(self.agent_id, name, outcome).observe(seconds)
                    self._meters.tools.labels(self.agent_id, name, outcome).inc()
                self._say("tool used", tool=name, outcome=outcome, duration_ms=round(seconds * 1000, 3))
                self._note("agent.tool", target=name, result="success" if outcome == "success" else "failure")

    @contextmanager
    def llm(self, provider: str, model: str, prompt: str | None = None) -> Iterator[Call]:
        """One call of a model: tokens, cost, latency. The budget is looked at before and after.

        Raises:
            BudgetExceeded: the budget is spent and its action is `stop`; the model is not called.
        """
        self._check_budget()
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.agent.id": self.agent_id,
        }
        if self.session:
            attributes["gen_ai.conversation.id"] = self.session
        if prompt and self._content:
            attributes["gen_ai.input.messages"] = prompt
        begin = perf_counter()
        outcome = "error"
        with self._tracer.start_as_current_span(f"chat {model}", kind=SpanKind.CLIENT, attributes=attributes) as span:
            call = Call(span) if self._content else _Unrecorded(span)
            try:
                yield call
                outcome = "success"
            finally:
                self._called(span, call, provider, model, outcome, perf_counter() - begin)

    def _called(self, span: api.Span, call: Call, provider: str, model: str, outcome: str, seconds: float) -> None:
        tokens = call.input_tokens + call.output_tokens
        usd = cost_usd(provider, model, call.input_tokens, call.output_tokens) if tokens else None
        span.set_attribute("gen_ai.usage.input_tokens", call.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", call.output_tokens)
        if usd is not None:
            span.set_attribute("gen_ai.usage.cost_usd", usd)
        if self._meters is not None:
            self._meters.called(self.agent_id, provider, model, outcome, seconds, call, usd, self.user, self.session)
        self._say("model called", provider=provider, model=model, tokens=tokens, cost_usd=usd, outcome=outcome)
        if self._spending is not None:
            said = self._spending.add(self._holder(), usd or 0.0, tokens)
            if said is not None:
                span.add_event("budget exceeded", {"message": said})
                get_logger("vedette.agents").warning(said)
                self._note("agent.budget", result="denied" if self._stops() else "success", message=said)

    def permission(self, action: str, *, granted: bool, by: str | None = None) -> None:
        """Somebody was asked whether the agent may do something."""
        outcome = "granted" if granted else "denied"
        api.get_current_span().add_event("permission", {"action": action, "outcome": outcome})
        if self._meters is not None:
            self._meters.permissions.labels(self.agent_id, outcome).inc()
        self._say("permission asked", action=action, outcome=outcome)
        self._note("agent.permission", target=action, result="success" if granted else "denied", by=by)

    def evaluate(
        self, name: str, *, score: float | None = None, label: str | None = None, explanation: str | None = None
    ) -> None:
        """Somebody or something judged what the agent said: an event on the current span, counted and logged.

        The explanation is recorded, redacted, only if the agent records content.
        """
        said = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
        said |= {"gen_ai.evaluation.score.label": label}
        said |= {"gen_ai.evaluation.explanation": explanation if self._content else None}
        known = {key: value for key, value in said.items() if value is not None}
        api.get_current_span().add_event("gen_ai.evaluation.result", known)
        if self._meters is not None:
            self._meters.evaluations.labels(self.agent_id, name, label or "").inc()
            if score is not None:
                self._meters.scores.labels(self.agent_id, name).observe(score)
        self._say("agent evaluated", evaluation=name, score=score, label=label)

    def memory(self, size_bytes: int) -> None:
        """How much the agent remembers now."""
        if self._meters is not None:
            self._meters.memory.labels(self.agent_id).set(size_bytes)

    def error(self, error: BaseException) -> None:
        """The agent failed at something."""
        span = api.get_current_span()
        if span.is_recording():
            span.record_exception(error)
            span.set_status(failure(error))
        if self._meters is not None:
            self._meters.errors.labels(self.agent_id, type(error).__qualname__).inc()
        if self._log is not None:
            self._log.error("agent failed", exc_info=error)

    # -- one manager for all of it

    async def record_metric(self, name: str, value: float, **labels: str) -> None:
        """Observe a value under a name of the agent's own."""
        if self._on["metrics"]:
            try:
                _observe(f"agent_{name}", value, {"agent_id": self.agent_id, **labels})
            except SettingsError as error:
                fault("an agent's metric", error)

    async def export_metrics(self) -> str:
        """All metrics of this process in Prometheus' text format."""
        from vedette.sdk.metrics.surface import metrics_text  # noqa: PLC0415 - loaded when asked for

        return metrics_text() if self._on["metrics"] else ""

    async def record_audit(self, action: str, *, target: str | None = None, **details: Any) -> str | None:
        """Record an audit event of this agent; its id, or `None` without the component."""
        return self._note(action, target=target, **details)

    async def query_audit_by_agent(self, agent_id: str | None = None) -> list[dict[str, Any]]:
        """The audit events of an agent, by default this one, in the order in which they were recorded."""
        return trail().query(actor=f"agent:{agent_id or self.agent_id}")

    def shutdown(self) -> None:
        """Deliver what is recorded. The SDK itself goes on."""
        from vedette.sdk.configure import flush  # noqa: PLC0415 - loaded with configure

        flush()

    # -- inside

    def _holder(self) -> str:
        per = self._spending.budget.per if self._spending is not None else "agent"
        return {"agent": self.agent_id, "session": self.session, "user": self.user}[per] or self.agent_id

    def _stops(self) -> bool:
        return self._spending is not None and self._spending.budget.action == "stop"

    def _check_budget(self) -> None:
        if self._spending is not None and self._stops():
            over = self._spending.over(self._holder())
            if over is not None:
                raise BudgetExceeded(f"The budget of {self._holder()} is spent: {over}. The model was not called.")

    def _say(self, message: str, **fields: Any) -> None:
        if self._log is not None:
            self._log.info(message, **fields)

    def _note(self, action: str, *, target: str | None = None, result: Any = "success", **details: Any) -> str | None:
        if not self._on["audit"]:
            return None
        given = {key: value for key, value in details.items() if value is not None}
        if self.session:
            given.setdefault("session", self.session)
        return audit(action, actor=f"agent:{self.agent_id}", target=target, result=result, **given).id


def _observe(name: str, value: float, labels: dict[str, str]) -> None:
    """Observe a value. The labels of the first one are the metric's: of later ones others are left out."""
    names = registry.label_names(name) or ("agent_id", *sorted(labels.keys() - {"agent_id"}))
    if not labels.keys() <= set(names):
        tell(f"labels of {name}", f"metric {name} has the labels {names}; others of an observation were left out")
    registry.histogram(name, "", names).labels(*[labels.get(label, "") for label in names]).observe(value)


class _Meters:
    """The metrics of agents."""

    def __init__(self, agent_id: str) -> None:
        counter, histogram, gauge = registry.counter, registry.histogram, registry.gauge
        agent, tool, call = ["agent_id", "outcome"], ["agent_id", "tool", "outcome"], ["agent_id", "provider", "model"]
        self.loops = counter("agent_loops_total", "Runs of the agent", agent)
        self.loop_seconds = histogram("agent_loop_duration_seconds", "Seconds per run", agent, buckets=_SECONDS)
        self.tools = counter("agent_tool_calls_total", "Uses of a tool", tool)
        self.tool_seconds = histogram("agent_tool_duration_seconds", "Seconds per use", tool, buckets=_SECONDS)
        self.calls = counter("agent_llm_calls_total", "Calls of a model", [*call, "outcome"])
        self.call_seconds = histogram("agent_llm_duration_seconds", "Seconds per call", call, buckets=_SECONDS)
        self.tokens = counter("agent_tokens_total", "Tokens", [*call, "type"])
        self.cost = counter("agent_cost_usd_total", "US dollars", [*call, "user", "session"])
        self.evaluations = counter("agent_evaluations_total", "Evaluations", ["agent_id", "evaluation", "label"])
        self.scores = histogram(
            "agent_evaluation_score", "Scores of evaluations", ["agent_id", "evaluation"], buckets=_SCORES
        )
        self.permissions = counter("agent_permissions_total", "Permissions asked for", agent)
        self.errors = counter("agent_errors_total", "Failures", ["agent_id", "type"])
        self.memory = gauge("agent_memory_bytes", "What the agent remembers", ["agent_id"])
        registry.gauge("agent_up", "Agents that are observed", ["agent_id"]).labels(agent_id).set(1)

    def called(
        self,
        agent_id: str,
        provider: str,
        model: str,
        outcome: str,
        seconds: float,
        call: Call,
        usd: float | None,
        user: str | None,
        session: str | None,
    ) -> None:
        """Count a model call."""
        self.calls.labels(agent_id, provider, model, outcome).inc()
        self.call_seconds.labels(agent_id, provider, model).observe(seconds)
        self.tokens.labels(agent_id, provider, model, "input").inc(call.input_tokens)
        self.tokens.labels(agent_id, provider, model, "output").inc(call.output_tokens)
        if usd is not None:
            self.cost.labels(agent_id, provider, model, user or "", session or "").inc(usd)


def _name_of(agent: Any) -> str:
    for attribute in ("agent_id", "id", "name"):
        found = getattr(agent, attribute, None)
        if isinstance(found, str) and found:
            return found
    return type(agent).__name__


def observe(
    agent: Any,
    /,
    *,
    service_name: str | None = None,
    metrics: bool = True,
    tracing: bool = True,
    logging: bool = True,
    audit: bool = True,
    budget: Budget | None = None,
    record_content: bool = False,
) -> AgentObservability:
    """Observe an agent, any object, on the signals that are asked for.

    Its name is `service_name`, else its `agent_id`, `id` or `name`. An agent that takes hooks (`register_hook(event,
    callback)`) gets them. Prompts and answers are recorded, redacted, only with `record_content`.
    """
    observability = AgentObservability(
        service_name or _name_of(agent),
        metrics=metrics,
        tracing=tracing,
        logging=logging,
        audit=audit,
        budget=budget,
        record_content=record_content,
    )
    observability.hooks.attach(agent)
    return observability


class ObservableAgent:
    """A mixin that gives an agent `enable_observability`."""

    observability: AgentObservability | None = None

    def enable_observability(
        self,
        service_name: str | None = None,
        *,
        enable_metrics: bool = True,
        enable_logging: bool = True,
        enable_tracing: bool = True,
        enable_audit: bool = True,
        budget: Budget | None = None,
        record_content: bool = False,
    ) -> AgentObservability:
        """Observe this agent; until then nothing is loaded or paid for."""
        self.observability = observe(
            self,
            service_name=service_name,
            metrics=enable_metrics,
            logging=enable_logging,
            tracing=enable_tracing,
            audit=enable_audit,
            budget=budget,
            record_content=record_content,
        )
        return self.observability

    def is_component_enabled(self, name: str) -> bool:
        """Whether `metrics`, `tracing`, `logging` or `audit` is on; none is before `enable_observability`."""
        return self.observability is not None and self.observability.is_component_enabled(name)

"""The groups of rules as Prometheus shows them, and reading their files anew."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from vedette.errors import InvalidInput, SettingsError
from vedette.server.api.compat.prometheus.answers import PrometheusRoute, success
from vedette.server.api.compat.prometheus.parameters import parameters
from vedette.server.api.context import Admin, Caller, services_of
from vedette.server.query.promql.gotext import format_exponent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.api.compat.prometheus.parameters import Parameters
    from vedette.server.query.promql.labels import Matcher
    from vedette.server.rules.alerts import Alert
    from vedette.server.rules.evaluation import RuleState
    from vedette.server.rules.group import Group

__all__ = ["alerts_of", "router"]

router = APIRouter(prefix="/prometheus", tags=["prometheus"], route_class=PrometheusRoute)

# As Go's strconv.ParseBool has them.
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_TRUTHS: Final = _TRUE | {"", "0", "f", "F", "FALSE", "false", "False"}
_NEVER: Final = "0001-01-01T00:00:00Z"


@router.get("/api/v1/rules", summary="Groups of rules")
async def rules(request: Request, caller: Caller) -> Response:
    """Narrowed by `type` (record, alert), `rule_name[]`, `rule_group[]`, `file[]`, `match[]`; `exclude_alerts`; pages.

    A page has `group_limit` groups and begins with `group_next_token`.

    Why the files are not used as they are stands in a warning.
    """
    given = await parameters(request)
    if given.text("type") not in {"", "record", "alert"}:
        raise InvalidInput(f'invalid parameter "type": not supported value "{given.text("type")}"')
    if given.text("exclude_alerts") not in _TRUTHS:
        wrong = given.text("exclude_alerts")
        raise InvalidInput(f'invalid parameter "exclude_alerts": cannot parse "{wrong}" to true or false')
    manager = services_of(request).rules
    groups = manager.groups if manager.tenant == caller.tenant else []
    wanted = [
        group
        for group in groups
        if _among(group.group.name, given.texts("rule_group[]")) and _among(group.file, given.texts("file[]"))
    ]
    selectors = given.selectors()
    narrowed = any(given.texts(name) for name in ("type", "rule_name[]", "match[]"))
    documents = [_group(group, given, selectors) for group in wanted]
    if narrowed:  # without rules that are wanted, a group is not wanted either
        documents = [document for document in documents if document["rules"]]
    limit, token = given.limit("group_limit"), given.text("group_next_token")
    if token:
        places = [place for place, one in enumerate(documents) if f"{one['file']};{one['name']}" == token]
        if not places:
            raise InvalidInput('invalid parameter "group_next_token": no group has this token; begin anew')
        documents = documents[places[0] :]
    data: dict[str, Any] = {"groups": documents[:limit] if limit else documents}
    if limit and len(documents) > limit:
        data["groupNextToken"] = f"{documents[limit]['file']};{documents[limit]['name']}"
    return success(data, warnings=[manager.error] if manager.error and manager.tenant == caller.tenant else ())


@router.post("/-/reload", summary="Read the rule files anew")
@router.put("/-/reload", summary="Read the rule files anew", name="reload_by_put")
async def reload(request: Request, admin: Admin) -> Response:  # noqa: ARG001 - whoever asks must be an administrator
    """They are read when they change, too. Files that are wrong leave everything as it was, and the error says why."""
    try:
        await services_of(request).rules.reload()
    except SettingsError as error:
        raise InvalidInput(str(error)) from error
    return Response(status_code=200)


def _among(value: str, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def _group(group: Group, given: Parameters, selectors: Sequence[tuple[Matcher, ...]]) -> dict[str, Any]:
    kind, names = given.text("type"), given.texts("rule_name[]")
    found = [
        _rule(state, with_alerts=given.text("exclude_alerts") not in _TRUE)
        for state in group.states
        if (not kind or bool(state.rule.record) == (kind == "record"))
        and _among(state.rule.name, names)
        and (not selectors or any(_matches(state.rule.labels, matchers) for matchers in selectors))
    ]
    figures = group.figures
    return {
        "name": group.group.name,
        "file": group.file,
        "interval": group.interval_seconds,
        "limit": group.group.limit,
        "evaluationTime": figures.took_seconds,
        "lastEvaluation": _time(figures.evaluated_at),
        "rules": found,
    }


def _matches(labels: dict[str, str], matchers: Sequence[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _rule(state: RuleState, *, with_alerts: bool) -> dict[str, Any]:
    rule = state.rule
    document: dict[str, Any] = {"name": rule.name, "query": rule.query, "labels": rule.labels}
    if rule.alert:
        document |= {
            "state": state.alerts.state if state.alerts is not None and state.evaluated_at else "unknown",
            "duration": rule.for_seconds,
            "keepFiringFor": rule.keep_firing_for_seconds,
            "annotations": rule.annotations,
        }
        document |= {"alerts": alerts_of(state)} if with_alerts else {}
    return document | {
        "health": state.health,
        "lastError": state.error,
        "evaluationTime": state.took_seconds,
        "lastEvaluation": _time(state.evaluated_at),
        "type": "alerting" if rule.alert else "recording",
    }


def alerts_of(state: RuleState) -> list[dict[str, Any]]:
    """The pending and firing alerts of a rule."""
    active = state.alerts.active.values() if state.alerts is not None else ()
    return [_alert(alert) for alert in active]


def _alert(alert: Alert) -> dict[str, Any]:
    kept = {} if alert.kept_since_ms is None else {"keepFiringSince": _time(alert.kept_since_ms / 1000)}
    return {
        "labels": dict(alert.labels),
        "annotations": alert.annotations,
        "state": alert.state,
        "activeAt": _time(alert.active_at_ms / 1000),
        **kept,
        "value": format_exponent(alert.value) if isinstance(alert.value, float) else str(alert.value),
    }


def _time(seconds: float) -> str:
    if not seconds:
        return _NEVER
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

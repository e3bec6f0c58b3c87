"""Random PromQL over the metrics of the differential test, in the language that Prometheus 2 and 3 share.

Left out is `atan2`, after which 2.x keeps the name of the metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_METRICS = ["calm", "holes", "counter", "odd", "latency_bucket", "missing"]
_MATCHERS = ['a="x"', 'a!="x"', 'a=~"x|y"', 'a!~"z.*"', 'b="1"', 'b=~".*"', 'b=""', 'le="+Inf"']
_WINDOWS = ["20s", "1m", "5m", "17m"]
_AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group"]
_OVER_TIME = ["sum", "avg", "min", "max", "count", "last", "present", "stddev", "stdvar", "quantile"]
_RATES = ["delta", "irate", "idelta", "changes", "resets"]
_MATHS = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "round",
    "sin",
    "cos",
    "tanh",
    "deg",
    "rad",
    "timestamp",
    "hour",
    "month",
]
_ARITHMETIC = ["+", "-", "*", "/", "%", "^"]
_COMPARISONS = ["==", "!=", ">", "<", ">=", "<="]
_NUMBERS = ["0", "1", "-2.5", "3", "0.9", "1e3", "NaN", "Inf"]


def random_expression(chance: random.Random) -> str:
    """An expression that gives a vector or a scalar."""
    return _vector(chance, 3) if chance.random() < 0.95 else _scalar(chance, 2)


def _selector(chance: random.Random) -> str:
    matchers = ",".join(chance.sample(_MATCHERS, chance.choice([0, 0, 1, 2])))
    return chance.choice(_METRICS) + (f"{{{matchers}}}" if matchers else "")


def _modifiers(chance: random.Random) -> str:
    offset = chance.choice(["", "", "", " offset 3m", " offset -2m"])
    return offset + chance.choice(["", "", "", "", " @ start()", " @ end()", " @ 1672540000.5"])


def _labels(chance: random.Random) -> str:
    return ", ".join(chance.sample(["a", "b", "le", "none"], chance.choice([0, 1, 1, 2])))


def _range(chance: random.Random, depth: int) -> str:
    if depth > 0 and chance.random() < 0.2:
        step = chance.choice(["", "30s", "1m", "7s"])
        return f"({_vector(chance, depth - 1)})[{chance.choice(_WINDOWS)}:{step}]{_modifiers(chance)}"
    return f"{_selector(chance)}[{chance.choice(_WINDOWS)}]{_modifiers(chance)}"


def _vector(chance: random.Random, depth: int) -> str:
    if depth <= 0:
        return _selector(chance) + _modifiers(chance)
    forms = [_aggregation, _aggregation, _over_time, _over_time, _over_time, _call, _binary, _binary, _binary, _rest]
    return chance.choice(forms)(chance, depth - 1)


def _aggregation(chance: random.Random, depth: int) -> str:
    grouping = chance.choice(["", "by", "by", "without"])
    grouping = f" {grouping} ({_labels(chance)}) " if grouping else ""
    inner = _vector(chance, depth)
    kind = chance.random()
    if kind < 0.1:  # 2.x takes the deviation of a single NaN for 0
        return f"{chance.choice(['stddev', 'stdvar'])}{grouping}(calm)"
    if kind < 0.7:
        return f"{chance.choice(_AGGREGATIONS)}{grouping}({inner})"
    if kind < 0.8:
        return f"quantile{grouping}({chance.choice(['0.5', '0.9', '0', '1', '-1', '2', 'NaN'])}, {inner})"
    if kind < 0.85:
        return f'count_values{grouping}("v", {_selector(chance)})'
    # Of equals, the first one wins; behind other operations Prometheus' order is random.
    operation, count = chance.choice(["topk", "bottomk"]), chance.choice(["1", "2", "3", "0"])
    return f"{operation}{grouping}({count}, {_selector(chance)}{_modifiers(chance)})"


def _over_time(chance: random.Random, depth: int) -> str:
    if chance.random() < 0.2:  # where samples are missing, 2.x extrapolates in another order
        metric = chance.choice(["calm", "counter", "odd", "latency_bucket", "missing"])
        return f"{chance.choice(['rate', 'increase'])}({metric}[{chance.choice(_WINDOWS)}]{_modifiers(chance)})"
    window = _range(chance, depth)
    if chance.random() < 0.4:
        return f"{chance.choice(_RATES)}({window})"
    function = chance.choice(_OVER_TIME)
    if function == "quantile":
        return f"quantile_over_time({chance.choice(['0.5', '0.99', '0', '1', '2'])}, {window})"
    if chance.random() < 0.1:
        return f"absent_over_time({window})"
    if chance.random() < 0.1:  # with infinities, 2.x has NaN; it moves the window in spite of an @ modifier
        metric = chance.choice(["calm", "counter", "holes"])
        return chance.choice([f"predict_linear({metric}[5m], 60)", f"deriv({metric}[17m])"])
    return f"{function}_over_time({window})"


def _call(chance: random.Random, depth: int) -> str:
    inner = _vector(chance, depth)
    forms = [
        f"{chance.choice(_MATHS)}({inner})",
        f"clamp({inner}, -10, 20)",
        f"clamp_min({inner}, {_scalar(chance, 0)})",
        f"round({inner}, 0.5)",
        f"absent({inner})",
        f"sort({inner})",
        f"histogram_quantile({chance.choice(['0.5', '0.99', '0', '1', '-1'])}, {inner})",
        f'label_replace({inner}, "c", "$1-v", "a", "(.*)")',
        f'label_join({inner}, "c", "/", "a", "b", "none")',
        f"-{inner}",
        f"({inner})",
    ]
    return chance.choice(forms)


def _binary(chance: random.Random, depth: int) -> str:
    comparison = chance.random() < 0.4
    operator = chance.choice(_COMPARISONS if comparison else _ARITHMETIC)
    boolean = " bool" if comparison and chance.random() < 0.4 else ""
    kind = chance.random()
    left = _vector(chance, depth)
    if kind < 0.35:
        sides = [f"({left})", _scalar(chance, 1)]
        chance.shuffle(sides)
        return f"{sides[0]} {operator}{boolean} {sides[1]}"
    right = left if chance.random() < 0.3 else _vector(chance, depth)
    matching = chance.choice(["", "", f"on ({_labels(chance)})", f"ignoring ({_labels(chance)})"])
    if kind < 0.55:
        return f"({left}) {chance.choice(['and', 'or', 'unless'])} {matching} ({right})"
    if matching and chance.random() < 0.5:
        matching += chance.choice([" group_left", " group_right", " group_left (b)"])
    return f"({left}) {operator}{boolean} {matching} ({right})"


def _rest(chance: random.Random, depth: int) -> str:
    return chance.choice(
        [f"vector({_scalar(chance, depth)})", f"scalar({_vector(chance, depth)})", "time()", "minute()"]
    )


def _scalar(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth <= 0 or kind < 0.6:
        return chance.choice(_NUMBERS)
    if kind < 0.7:
        return "time()"
    if kind < 0.8:
        return f"scalar({_vector(chance, depth - 1)})"
    return f"({_scalar(chance, depth - 1)} {chance.choice(_ARITHMETIC)} {_scalar(chance, depth - 1)})"

"""The functions of PromQL and the types of their arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vedette.server.query.promql.ast import ValueType

_S, _V, _M, _T = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING


@dataclass(frozen=True, slots=True)
class Function:
    """A function's signature.

    `variadic` is how often the last argument may be repeated or left out: 0 takes exactly `args`, n > 0 takes from
    ``len(args) - 1`` to ``len(args) - 1 + n`` of them, -1 any number from ``len(args) - 1`` on.
    """

    name: str
    args: tuple[ValueType, ...]
    returns: ValueType = _V
    variadic: int = 0
    experimental: bool = False


_OF_VECTOR: Final = (
    "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg histogram_count "
    "histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin sinh sort sort_desc sqrt tan tanh "
    "timestamp"
)
_OF_RANGE: Final = (
    "absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate last_over_time "
    "max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time"
)
_OF_RANGE_EXPERIMENTAL: Final = (
    "first_over_time mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time"
)
_OF_TIME: Final = "day_of_month day_of_week day_of_year days_in_month hour minute month year"

_SIGNATURES: Final = (
    *(Function(name, (_V,)) for name in _OF_VECTOR.split()),
    *(Function(name, (_M,)) for name in _OF_RANGE.split()),
    *(Function(name, (_M,), experimental=True) for name in _OF_RANGE_EXPERIMENTAL.split()),
    *(Function(name, (_V,), variadic=1) for name in _OF_TIME.split()),
    *(Function(name, (), _S, experimental=True) for name in ("start", "end", "step", "range")),
    *(Function(name, (_S, _S), _S, experimental=True) for name in ("min_of", "max_of")),
    Function("clamp", (_V, _S, _S)),
    Function("clamp_max", (_V, _S)),
    Function("clamp_min", (_V, _S)),
    Function("double_exponential_smoothing", (_M, _S, _S), experimental=True),
    Function("histogram_fraction", (_S, _S, _V)),
    Function("histogram_quantile", (_S, _V)),
    Function("histogram_quantiles", (_V, _T, _S, _S), variadic=9, experimental=True),
    Function("info", (_V, _V), variadic=1, experimental=True),
    Function("label_join", (_V, _T, _T, _T), variadic=-1),
    Function("label_replace", (_V, _T, _T, _T, _T)),
    Function("pi", (), _S),
    Function("predict_linear", (_M, _S)),
    Function("quantile_over_time", (_S, _M)),
    Function("round", (_V, _S), variadic=1),
    Function("scalar", (_V,), _S),
    Function("sort_by_label", (_V, _T), variadic=-1, experimental=True),
    Function("sort_by_label_desc", (_V, _T), variadic=-1, experimental=True),
    Function("start_timestamp", (_V,), experimental=True),
    Function("time", (), _S),
    Function("vector", (_S,)),
)

FUNCTIONS: Final[dict[str, Function]] = {function.name: function for function in _SIGNATURES}

UNSAFE_AT_MODIFIER: Final = frozenset(
    {"predict_linear", "time", "timestamp", "start", "end", "step", "range", *_OF_TIME.split()}
)
"""Functions whose value depends on the time of evaluation even if their arguments do not."""

ANCHORED_SAFE: Final = frozenset({"changes", "delta", "increase", "rate", "resets"})
SMOOTHED_SAFE: Final = frozenset({"delta", "increase", "rate"})

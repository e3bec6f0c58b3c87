"""What the processor can do and neither Python nor numba has a name for.

Functions for kernels alone: the interpreter cannot call them.
"""

# numba is loaded by the first kernel that is called, not before.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vedette.server.compiled import generated

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from vedette.server.query.promql.kernels.common import Floats


def _high_product() -> object:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def high_product(_typing: Any, _a: Any, _b: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            wide = ir.IntType(128)
            product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
            return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

        return types.uint64(types.uint64, types.uint64), generate

    return intrinsic(high_product)


def _move() -> object:
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def move(_typing: Any, array: Any, _to: Any, _start: Any, _count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            target, source = builder.gep(data, [arguments[1]]), builder.gep(data, [arguments[2]])
            size = context.get_abi_sizeof(data.type.pointee)
            cgutils.raw_memmove(builder, target, source, arguments[3], size)  # type: ignore[no-untyped-call]
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp), generate

    return intrinsic(move)


high_product = cast("Callable[[np.uint64, np.uint64], np.uint64]", generated(_high_product))
"""The upper 64 bits of a product."""

move = cast("Callable[[Floats, int, int, int], None]", generated(_move))
"""Move elements inside an array without gaps: ``move(array, to, start, count)``. Nothing is checked."""

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


def _ones() -> object:
    from numba import types
    from numba.extending import intrinsic

    def ones(_typing: Any, _word: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.ctpop(arguments[0])

        return types.int64(types.uint64), generate

    return intrinsic(ones)


def _lowest() -> object:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def lowest(_typing: Any, _word: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.uint64), generate

    return intrinsic(lowest)


high_product = cast("Callable[[np.uint64, np.uint64], np.uint64]", generated(_high_product))
"""The upper 64 bits of a product."""

ones = cast("Callable[[np.uint64], int]", generated(_ones))
"""How many bits of a word are set."""

lowest = cast("Callable[[np.uint64], int]", generated(_lowest))
"""The place of the lowest bit that is set in a word that is not 0."""

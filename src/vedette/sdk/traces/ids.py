"""Random trace and span ids; a forked child gets a generator of its own."""

from __future__ import annotations

import os
import random

__all__ = ["random_bits"]

# Ids must be unique, not secret: a Mersenne Twister seeded by the system is what the specification asks for.
_generator = random.Random(os.urandom(64))  # noqa: S311
random_bits = _generator.getrandbits

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _generator.seed(os.urandom(64)))

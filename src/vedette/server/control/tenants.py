"""Tenant names.

A tenant is the unit of isolation: every record carries one and every read is filtered by one. Its name travels in HTTP
headers, in SQL parameters and in file names of exports, so the alphabet is small.
"""

from __future__ import annotations

import re
from typing import Final

from vedette.errors import InvalidInput
from vedette.server.control.keys import KEY_PREFIX

DEFAULT_TENANT: Final = "default"
"""The tenant of whoever names none: one team on one machine never meets the word."""

MAX_TENANT_LENGTH: Final = 64

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def check_tenant_name(name: str) -> str:
    """Return `name` when it can name a tenant.

    A name has 1 to 64 characters of ``A-Z a-z 0-9 _ . -``; case counts; ``.`` and ``..`` are refused because they
    mean something else in paths, and so is anything that holds an API key.

    Raises:
        InvalidInput: it cannot; the message shows the offending part, shortened and escaped.
    """
    if KEY_PREFIX in name:
        # A key sent in the wrong header would become a tenant's name, listed and logged for everyone to see.
        raise InvalidInput("The tenant name holds an API key. Send the key as 'Authorization: Bearer <key>' instead.")
    if _NAME.fullmatch(name) and name not in {".", ".."}:
        return name
    shown = ascii(name if len(name) <= MAX_TENANT_LENGTH else name[:MAX_TENANT_LENGTH] + "…")
    if not name:
        problem = "is empty"
    elif len(name) > MAX_TENANT_LENGTH:
        problem = f"has {len(name)} characters"
    elif name in {".", ".."}:
        problem = "is a path"
    elif "|" in name:
        problem = "names several tenants, and a request is for one"
    else:
        problem = "has a character that a name cannot have"
    raise InvalidInput(
        f"The tenant name {shown} {problem}; use 1 to {MAX_TENANT_LENGTH} characters of A-Z a-z 0-9 _ . - only.",
    )

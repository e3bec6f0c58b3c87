"""What Prometheus' configuration file has that is not about scraping: checked as Prometheus does, and not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.errors import SettingsError

if TYPE_CHECKING:
    from vedette.server.scrape.section import Section

__all__ = ["check_other_parts"]


def check_other_parts(top: Section) -> None:
    """Check where metrics are sent to, and read from.

    Raises:
        SettingsError: Prometheus would not take the file; the message says where it is wrong.
    """
    for part in ("remote_write", "remote_read"):
        names: set[str] = set()
        for one in top.sections(part):
            if not one.text("url"):
                raise SettingsError(f"{one.where}: url is missing.")
            if (name := one.text("name")) in names:
                raise SettingsError(f"{one.where}: the name {name!r} is taken by another one.")
            names |= {name} - {""}

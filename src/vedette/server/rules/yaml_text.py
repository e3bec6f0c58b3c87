"""YAML as Prometheus reads it: a key stands in a mapping once."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["read_yaml"]


class _Loader(yaml.SafeLoader):
    """Refuses what PyYAML would take the last of."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002 - PyYAML's
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: {key.value!r} is set twice")
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:  # noqa: ANN401 - what is in it
    """The one document of a text.

    Raises:
        yaml.YAMLError: it is no YAML; the message says where.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - made of the safe one

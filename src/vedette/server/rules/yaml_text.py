"""YAML as Prometheus reads it: a key stands in a mapping once, and a text is what is written."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["Plain", "plain_value", "read_yaml", "texts_of", "yaml_problem"]


class Plain(str):
    """A number or a truth value as it is written: ``version: 1.10`` is a label's text as often as a number."""

    __slots__ = ("value",)

    value: bool | float

    def __bool__(self) -> bool:
        return bool(self.value)


def plain_value(found: Any) -> Any:  # noqa: ANN401 - whatever stands there
    """What is written, as the number or the truth value that it is."""
    return found.value if isinstance(found, Plain) else found


def texts_of(found: dict[Any, Any] | None) -> dict[str, str]:
    """A mapping whose values are texts, such as labels."""
    return {str(name): "" if value is None else str(value) for name, value in (found or {}).items()}


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


def _plain(loader: yaml.SafeLoader, node: Any) -> Plain:  # noqa: ANN401
    found = Plain(node.value)
    found.value = yaml.SafeLoader.yaml_constructors[node.tag](loader, node)
    return found


def _text(loader: yaml.SafeLoader, node: Any) -> Any:  # noqa: ANN401
    return loader.construct_yaml_str(node)


for _kind in ("bool", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _plain)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def read_yaml(text: str) -> Any:  # noqa: ANN401 - what is in it
    """The one document of a text; its numbers and truth values are `Plain`.

    Raises:
        yaml.YAMLError: it is no YAML; the message says where.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - made of the safe one
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except (ValueError, KeyError) as error:  # of a tag that its value does not fit
        raise yaml.YAMLError(f"a value is not of the type that its tag says: {error}") from error


def yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text, and where, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        context = f" ({error.context})" if error.context else ""
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}{context}"
    return " ".join(str(error).split())

"""Templates of labels and annotations: Go's text/template, as Prometheus' rules use it.

https://pkg.go.dev/text/template. All of the language is here but methods and complex numbers. A template is parsed once
and expanded with data: maps, lists, texts, numbers, truth values and None.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.promql.gotext import unquote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Action", "Call", "Template", "TemplateError", "parse_template"]

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<comment>/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?P<char>'(?:\\.|[^'\\\n])+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))|(?P<var>\$\w*)
    |(?P<field>\.[^\W\d]\w*)|(?P<word>[^\W\d]\w*)|(?P<mark>:=|[=|(),.])""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_END_WORDS: Final = frozenset({"end", "else"})


class TemplateError(ValueError):
    """A template is wrong, or cannot be expanded with its data."""


@dataclass(slots=True)
class Action:
    """One piece of a template: `kind` is text, print, if, range, with, template, break or continue."""

    kind: str
    text: str = ""
    pipe: Pipe | None = None
    body: list[Action] = field(default_factory=list)
    other: list[Action] = field(default_factory=list)


@dataclass(slots=True)
class Pipe:
    """``$a, $b := f x | g``: the variables, whether they are new, and the calls, each given the answer before it."""

    variables: tuple[str, ...]
    is_new: bool
    calls: list[Call]


@dataclass(slots=True)
class Call:
    """Operands beside each other: a function and its arguments, or a single value."""

    operands: list[Operand]


@dataclass(slots=True)
class Operand:
    """A value: `kind` is literal, dot, var, func or pipe; `fields` are taken of it."""

    kind: str
    value: Any
    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class Template:
    """A template, and those that it defines."""

    actions: list[Action]
    defined: dict[str, list[Action]]


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool


def parse_template(text: str, functions: Collection[str], variables: Sequence[str] = ()) -> Template:
    """Understand a template.

    Args:
        text: The template.
        functions: The names of the functions that may be called.
        variables: The variables that are there from the start, each with its ``$``.

    Raises:
        TemplateError: it is wrong; the message says what.
    """
    parser = _Parser(_split(text), functions, ["$", *variables])
    actions, word = parser.block()
    if word:
        raise TemplateError(f"unexpected {{{{{word}}}}}")
    return Template(actions, parser.defined)


def _split(text: str) -> list[str | list[_Token]]:
    """Texts and the tokens of actions in turn; ``{{-`` and ``-}}`` take the white space beside them away."""
    parts: list[str | list[_Token]] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        before, inside = text[at:start], start + 2
        if text.startswith("-", inside) and text[inside + 1 : inside + 2].isspace():
            before, inside = before.rstrip(" \t\r\n"), inside + 1
        tokens, at, trims = _tokens(text, inside)
        parts += [before, tokens]
        if trims:
            rest = text[at:]
            at += len(rest) - len(rest.lstrip(" \t\r\n"))
    return [*parts, text[at:]]


def _tokens(text: str, at: int) -> tuple[list[_Token], int, bool]:
    tokens: list[_Token] = []
    spaced = commented = False
    while True:
        trims = spaced and text.startswith("-}}", at)
        if trims or text.startswith("}}", at):
            if not tokens and not commented:
                raise TemplateError("missing value for command")
            return tokens, at + 3 if trims else at + 2, trims
        match = _TOKEN.match(text, at)
        if match is None:
            if at >= len(text):
                raise TemplateError("unclosed action")
            raise TemplateError(f"unexpected {json.dumps(text[at], ensure_ascii=False)} in an action")
        at, kind = match.end(), str(match.lastgroup)
        if kind not in {"space", "comment"}:
            tokens.append(_Token(kind, match[0], spaced))
        spaced, commented = kind == "space", commented or kind == "comment"


class _Parser:
    def __init__(self, parts: list[str | list[_Token]], functions: Collection[str], variables: list[str]) -> None:
        self.defined: dict[str, list[Action]] = {}
        self._parts = parts
        self._at = 0
        self._functions = functions
        self._variables = variables
        self._loops = 0
        self._tokens: list[_Token] = []

    def block(self, *, may_end: bool = False) -> tuple[list[Action], str]:
        """The pieces up to ``{{end}}`` or ``{{else}}``, which is given back with what stands behind it."""
        found: list[Action] = []
        known = len(self._variables)
        while self._at < len(self._parts):
            part = self._parts[self._at]
            self._at += 1
            if isinstance(part, str):
                if part:
                    found.append(Action("text", part))
                continue
            if not part:
                continue
            self._tokens = list(part)
            word = part[0].text if part[0].kind == "word" else ""
            if word in _END_WORDS:
                if not may_end:
                    raise TemplateError(f"unexpected {{{{{word}}}}}")
                self._tokens.pop(0)
                del self._variables[known:]
                return found, word
            action = self._action(word)
            if action is not None:
                found.append(action)
        if may_end:
            raise TemplateError("unexpected EOF: an {{end}} is missing")
        return found, ""

    def _action(self, word: str) -> Action | None:
        if word in {"if", "range", "with"}:
            self._tokens.pop(0)
            return self._branch(word)
        if word in {"define", "template", "block"}:
            self._tokens.pop(0)
            return self._named(word)
        if word in {"break", "continue"}:
            if not self._loops:
                raise TemplateError(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Action(word)
        return Action("print", pipe=self._whole_pipe(""))

    def _branch(self, word: str) -> Action:
        known = len(self._variables)
        action = Action(word, pipe=self._whole_pipe(word))
        self._loops += word == "range"
        action.body, end = self.block(may_end=True)
        self._loops -= word == "range"
        if end == "else":
            following = self._tokens[0].text if self._tokens else ""
            if following in {"if", "with"} and following == word:
                self._tokens.pop(0)
                action.other = [self._branch(word)]
            elif following:
                raise TemplateError(f"unexpected {following} behind {{{{else}}}}")
            else:
                action.other, end = self.block(may_end=True)
                if end == "else":
                    raise TemplateError("expected end; found {{else}}")
        del self._variables[known:]
        return action

    def _named(self, word: str) -> Action | None:
        if not self._tokens or self._tokens[0].kind != "string":
            raise TemplateError(f"{{{{{word}}}}} needs a name in quotes")
        name = unquote(self._tokens.pop(0).text)
        pipe = self._whole_pipe(word) if self._tokens else None
        if word == "template":
            return Action("template", name, pipe)
        outer, self._variables = self._variables, ["$"]
        self.defined[name], end = self.block(may_end=True)
        self._variables = outer
        if end != "end":
            raise TemplateError("unexpected {{else}} in a definition")
        return Action("template", name, pipe) if word == "block" else None

    def _whole_pipe(self, word: str) -> Pipe:
        pipe = self._pipe(word)
        if self._tokens:
            raise TemplateError(f"unexpected {json.dumps(self._tokens[0].text, ensure_ascii=False)} in an action")
        return pipe

    def _pipe(self, word: str) -> Pipe:
        variables, is_new = self._declared(word)
        calls = [self._call()]
        while self._tokens and self._tokens[0].text == "|":
            self._tokens.pop(0)
            calls.append(self._call())
            if calls[-1].operands[0].kind not in {"func", "var", "dot", "pipe"}:
                raise TemplateError("a value in a pipeline is no function")
        if is_new:
            self._variables += variables
        return Pipe(variables, is_new, calls)

    def _declared(self, word: str) -> tuple[tuple[str, ...], bool]:
        """``$a :=``, ``$a =``, and ``$i, $e :=`` of a range."""
        tokens = self._tokens
        marks = [token.text for token in tokens[:4]]
        if not tokens or tokens[0].kind != "var":
            return (), False
        count = 0
        if len(tokens) > 1 and marks[1] in {":=", "="}:
            count = 1
        elif word == "range" and marks[1:2] == [","] and len(tokens) > 3 and marks[3] in {":=", "="}:  # noqa: PLR2004
            count = 2
        if not count:
            return (), False
        names, mark = tuple(marks[: 2 * count : 2]), marks[2 * count - 1]
        del tokens[: 2 * count]
        if mark == "=":
            for name in names:
                self._know(name)
        return names, mark == ":="

    def _call(self) -> Call:
        operands: list[Operand] = []
        while self._tokens and self._tokens[0].text not in {"|", ")", ","}:
            operands.append(self._operand())
        if not operands:
            raise TemplateError("missing value for command")
        return Call(operands)

    def _operand(self) -> Operand:
        token = self._tokens.pop(0)
        operand = self._base(token)
        fields = list(operand.fields)
        while self._tokens and self._tokens[0].kind == "field" and not self._tokens[0].spaced:
            fields.append(self._tokens.pop(0).text[1:])
        operand.fields = tuple(fields)
        return operand

    def _base(self, token: _Token) -> Operand:
        kind, text = token.kind, token.text
        if kind in {"string", "char", "number"}:
            return Operand("literal", _literal(kind, text))
        if kind in {"field", "var"} or text == ".":
            if kind == "var":
                self._know(text)
                return Operand("var", text)
            return Operand("dot", None, (text[1:],) if kind == "field" else ())
        if text == "(":
            pipe = self._pipe("")
            if not self._tokens or self._tokens.pop(0).text != ")":
                raise TemplateError("unclosed left paren")
            return Operand("pipe", pipe)
        if text in _CONSTANTS:
            return Operand("literal", _CONSTANTS[text])
        if kind != "word":
            raise TemplateError(f"unexpected {json.dumps(text)} in operand")
        if text not in self._functions:
            raise TemplateError(f'function "{text}" not defined')
        return Operand("func", text)

    def _know(self, name: str) -> None:
        if name not in self._variables:
            raise TemplateError(f'undefined variable "{name}"')


def _literal(kind: str, text: str) -> str | float:
    if kind == "number":
        plain = text.replace("_", "")
        if re.fullmatch(r"[+-]?0[0-7]+", plain):
            return int(plain, 8)
        if re.fullmatch(r"[+-]?([1-9]\d*|0|0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)", plain):
            return int(plain, 0)
        return float(plain)
    try:
        found = unquote(text)
    except (ValueError, IndexError) as error:
        raise TemplateError(f"{text} is no valid text") from error
    return ord(found) if kind == "char" else found

"""`extends`, `--set`, `vars` and ``{{ }}``: what turns the file as written into the file as meant, keeping places."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError, nearest
from cicscenario.language.source import Node, parse, read

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_MOST_EXTENDS = 16
_LONGEST = 10_000
# Arithmetic, comparison, conditions and filters on `vars` are what a scenario needs. Calls, powers and loops are what a
# bomb needs.
_NODES = (
    jinja2.nodes.Name, jinja2.nodes.Const, jinja2.nodes.Add, jinja2.nodes.Sub, jinja2.nodes.Div,
    jinja2.nodes.FloorDiv, jinja2.nodes.Mod, jinja2.nodes.Mul, jinja2.nodes.Neg, jinja2.nodes.Not, jinja2.nodes.And,
    jinja2.nodes.Or, jinja2.nodes.Compare, jinja2.nodes.Operand, jinja2.nodes.CondExpr, jinja2.nodes.Concat,
    jinja2.nodes.Getattr,
)  # fmt: skip


def load(path: Path, overrides: Sequence[str] = ()) -> Node:
    """The file with what it extends merged under it, and with ``--set KEY=VALUE`` on top."""
    node = _extended(path, ())
    for text in overrides:
        node = _set(node, text)
    return node


def _extended(path: Path, chain: tuple[Path, ...]) -> Node:
    node = read(path)
    assert isinstance(node.value, dict)
    if "extends" not in node.value:
        return node
    at = node.value["extends"]
    if not isinstance(at.value, str):
        return node  # the schema says what is wrong with it
    base = (path.parent / at.value).resolve()
    chain = (*chain, path.resolve())
    if base in chain or len(chain) > _MOST_EXTENDS:
        way = " -> ".join(p.name for p in (*chain, base))
        raise DiagnosticsError([Diagnostic("S007", f"`extends` goes round in a circle: {way}", at.span)])
    if not base.exists():
        raise DiagnosticsError([Diagnostic("S007", f"`extends` names no file: {base}", at.span)])
    return _merge(_extended(base, chain), node)


def _merge(under: Node, over: Node) -> Node:
    """Mappings merge key by key; anything else is replaced."""
    if not (isinstance(under.value, dict) and isinstance(over.value, dict)):
        return over
    values = dict(under.value)
    for key, node in over.value.items():
        values[key] = _merge(values[key], node) if key in values else node
    return Node(values, over.span, under.keys | over.keys)


def _set(node: Node, text: str) -> Node:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise DiagnosticsError([Diagnostic("S010", f"--set {text}: expected KEY=VALUE", None)])
    path = key.strip().split(".")
    indented = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(path))
    written = value.strip() or "''"
    return _merge(node, parse(f"{indented[:-1]} {written}\n", f"--set {text}"))


def expand(node: Node, *, env: bool) -> Node:
    """Evaluates every ``{{ }}``; ``env`` says whether ``env.NAME`` may be used. All errors are raised together."""
    assert isinstance(node.value, dict)
    written = node.value.get("vars")
    variables = dict(written.value) if written and isinstance(written.value, dict) else {}
    expander = _Expander(variables, os.environ if env else None)
    result = expander.node(node)
    if expander.problems:
        raise DiagnosticsError(expander.problems)
    return result


class _Arithmetic(ImmutableSandboxedEnvironment):
    """Multiplies numbers only: text times a billion is a bomb."""

    intercepted_binops = frozenset(["*"])

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError("only numbers can be multiplied")
        return left * right


class _Expander:
    def __init__(self, variables: dict[str, Node], env: Mapping[str, str] | None) -> None:
        self._variables = variables
        self._env = env
        self._open: list[str] = []
        self._jinja = _Arithmetic(undefined=jinja2.StrictUndefined)
        self.problems: list[Diagnostic] = []

    def node(self, node: Node) -> Node:
        if isinstance(node.value, dict):
            return Node({key: self.node(inner) for key, inner in node.value.items()}, node.span, node.keys)
        if isinstance(node.value, list):
            return Node([self.node(inner) for inner in node.value], node.span)
        if isinstance(node.value, str) and "{{" in node.value:
            try:
                return Node(self._scalar(node.value), node.span)
            except _RefusedError as error:
                self.problems.append(Diagnostic("S008", error.message, node.span, error.hint))
        return node

    def _scalar(self, text: str) -> Any:
        """One expression alone keeps its type; among other text it becomes text."""
        whole = _EXPRESSION.fullmatch(text.strip())
        if whole and "}}" not in whole[1]:
            return self._evaluate(whole[1])
        result = _EXPRESSION.sub(lambda match: str(self._evaluate(match[1])), text)
        if len(result) > _LONGEST:
            raise _RefusedError(f"the result is longer than {_LONGEST:,} characters")
        return result

    def _evaluate(self, expression: str) -> Any:
        try:
            tree = self._jinja.parse("{{" + expression + "}}")
            self._refuse_calls(tree)
            names = {node.name for node in tree.find_all(jinja2.nodes.Name)}
            values: dict[str, Any] = {name: self._value(name) for name in sorted(names)}
            result = self._jinja.compile_expression(expression.strip(), undefined_to_none=False)(**values)
        except jinja2.TemplateSyntaxError as error:
            raise _RefusedError(f"not an expression: {error.message}") from None
        except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise _RefusedError(f"cannot be evaluated: {error}") from None
        if isinstance(result, jinja2.Undefined):
            raise _RefusedError(f"cannot be evaluated: nothing is known as {expression.strip()}")
        if isinstance(result, int | float | bool) or (isinstance(result, str) and len(result) <= _LONGEST):
            return result
        raise _RefusedError("the result is not a number, a truth value or a short text")

    def _refuse_calls(self, tree: jinja2.nodes.Template) -> None:
        for node in tree.find_all(jinja2.nodes.Expr):
            fine = isinstance(node, _NODES) and not self._strays(node)
            if not fine:
                raise _RefusedError(
                    f"{type(node).__name__.lower()} is not part of the language",
                    "arithmetic, comparison and `a if b else c` on vars are",
                )

    def _strays(self, node: jinja2.nodes.Expr) -> bool:
        """Attributes are for ``env.NAME`` alone."""
        if isinstance(node, jinja2.nodes.Getattr):
            return not (isinstance(node.node, jinja2.nodes.Name) and node.node.name == "env")
        if isinstance(node, jinja2.nodes.Const):
            return not isinstance(node.value, int | float | bool | str)
        return False

    def _value(self, name: str) -> Any:
        if name == "env":
            if self._env is None:
                raise _RefusedError(
                    "`env` can be used in environment files only", "a scenario runs the same everywhere"
                )
            return self._env
        if name not in self._variables:
            raise _RefusedError(f"`{name}` is not among `vars`", nearest(name, self._variables))
        if name in self._open:
            raise _RefusedError(f"`vars` go round in a circle: {' -> '.join([*self._open, name])}")
        value = self._variables[name].value
        if not (isinstance(value, str) and "{{" in value):
            return value
        self._open.append(name)
        try:
            return self._scalar(value)
        finally:
            self._open.pop()


class _RefusedError(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

"""Expands the ``{{ }}`` expressions in the values of a document, and keeps the place of each value."""

from collections.abc import Collection
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic, nearest
from cicscenario.language.expressions import (
    EnvironmentVariables,
    ExpressionError,
    UndefinedNameError,
    has_expression,
)
from cicscenario.language.nodes import KeyValue, Mapping, Node, Scalar, Sequence
from cicscenario.language.schema import Path

MAX_VARIABLE_DEPTH = 32


class UnknownValueError(Exception):
    """The value depends on another value with an error, which has been reported already."""


class Expander:
    """Expands one document. Adds errors to ``problems``; ``failed`` holds the paths that have no value."""

    def __init__(self, document: Mapping, unread: Collection[Path], env: bool, problems: list[Diagnostic]) -> None:
        """``unread`` are the paths of values that are not expanded; ``env`` is whether `env.NAME` is allowed."""
        entry = document.entries.get("vars")
        self._variables = entry.value.entries if entry and isinstance(entry.value, Mapping) else {}
        self._document = document
        self._unread = unread
        self._env = {"env": EnvironmentVariables()} if env else {}
        self._problems = problems
        self._values: dict[str, Any] = {}
        self._broken: set[str] = set()
        self._resolving: list[str] = []
        self.failed: set[Path] = set()

    def expand(self) -> Mapping:
        document = self._node(self._document, ())
        assert isinstance(document, Mapping)
        return document

    def expanded(self, node: Node, path: Path) -> Node:
        """One value of the document, expanded; ``path`` is where it is."""
        return self._node(node, path)

    def _node(self, node: Node, path: Path) -> Node:
        if path in self._unread:
            return node
        if isinstance(node, Sequence):
            return Sequence(node.span, tuple(self._node(item, (*path, at)) for at, item in enumerate(node.items)))
        if isinstance(node, Mapping):
            entries = {
                key: KeyValue(entry.key, self._node(entry.value, (*path, key))) for key, entry in node.entries.items()
            }
            return Mapping(node.span, entries)
        return self._scalar(node, path)

    def _scalar(self, node: Scalar, path: Path) -> Scalar:
        try:
            value = self._variable(str(path[1])) if self._is_variable(path) else self._value(node)
        except UnknownValueError:
            self.failed.add(path)
            return node
        return Scalar(node.span, value, node.written)

    def _is_variable(self, path: Path) -> bool:
        return len(path) == 2 and path[0] == "vars" and path[1] in self._variables

    def _value(self, node: Scalar) -> Any:
        """The value of a scalar. Raises UnknownValueError after reporting an error in it."""
        if not isinstance(node.value, str) or not has_expression(node.value):
            return node.value
        from cicscenario.language.template import Template  # not at the top: most files have no expressions

        try:
            template = Template(node.value)
            if template.uses_env and not self._env:
                self._refuse_env(node)
            variables = {name: self._named(name, node) for name in template.names}
            return template.render(variables | self._env)
        except UndefinedNameError as error:
            span = node.span.find(error.name)
            self._problems.append(span.diagnostic(Code.UNDEFINED, str(error), hint=f"export {error.name} first"))
        except ExpressionError as error:
            self._problems.append(node.span.diagnostic(Code.EXPRESSION, f"this expression cannot be computed: {error}"))
        raise UnknownValueError

    def _refuse_env(self, node: Scalar) -> None:
        message = "`env` is not available in a scenario"
        hint = "put values that differ between machines into the environment file"
        self._problems.append(node.span.find("env").diagnostic(Code.UNDEFINED, message, hint=hint))
        raise UnknownValueError

    def _named(self, name: str, user: Scalar) -> Any:
        """The value of a variable; ``user`` is the scalar that uses it."""
        if name not in self._variables:
            more = {"suggestion": nearest(name, self._variables), "expected": self._known()}
            if self._env:
                more["hint"] = f"a variable of the shell is `{{{{ env.{name} }}}}`"
            problem = user.span.find(name).diagnostic(Code.UNDEFINED, f"there is no variable `{name}`", **more)
            self._problems.append(problem)
            raise UnknownValueError
        if name in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            message = f"these variables depend on each other: {circle}"
            self._problems.append(user.span.find(name).diagnostic(Code.EXPRESSION, message))
            raise UnknownValueError
        return self._variable(name)

    def _known(self) -> str:
        return f"one of {', '.join(sorted(self._variables))}" if self._variables else "a name under `vars`"

    def _variable(self, name: str) -> Any:
        node = self._variables[name].value
        if name in self._broken or not isinstance(node, Scalar):
            raise UnknownValueError
        if name not in self._values:
            self._values[name] = self._resolve(name, node)
        return self._values[name]

    def _resolve(self, name: str, node: Scalar) -> Any:
        if len(self._resolving) > MAX_VARIABLE_DEPTH:
            message = f"a chain of more than {MAX_VARIABLE_DEPTH} variables that depend on each other"
            self._problems.append(node.span.diagnostic(Code.EXPRESSION, message))
            raise UnknownValueError
        self._resolving.append(name)
        try:
            return self._value(node)
        except UnknownValueError:
            self._broken.add(name)
            raise
        finally:
            self._resolving.pop()

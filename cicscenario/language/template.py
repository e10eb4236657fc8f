"""Expands ``{{ }}`` expressions in values: variables, arithmetic and simple filters only.

An expression is tested against a list of allowed elements before Jinja's sandbox computes it; its size and cost are limited.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from jinja2 import StrictUndefined, TemplateError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cicscenario.language.expressions import ExpressionError, UndefinedNameError

MAX_TEMPLATE = 1_000  #: characters of one value with expressions
MAX_NESTING = 64  #: a fixed limit, so that the result does not depend on the free stack
MAX_TEXT = 10_000  #: characters of a result
MAX_BITS = 512  #: maximum size of a whole number

FILTERS = frozenset({"abs", "default", "float", "int", "length", "lower", "round", "string", "title", "trim", "upper"})

_EXPRESSIONS = (
    nodes.Const,
    nodes.Name,
    nodes.BinExpr,
    nodes.UnaryExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Keyword,
)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits: only numbers can be multiplied, and their size is limited."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(value, int | float) for value in (left, right)):
            raise ExpressionError(f"`{operator}` takes numbers")
        if operator == "**" and isinstance(left, int):
            bits = max(1, left.bit_length()) * abs(right)
        else:
            bits = sum(value.bit_length() for value in (left, right) if isinstance(value, int))
        if bits > MAX_BITS and operator != "%":
            raise ExpressionError("the number grows too large")
        value = super().call_binop(context, operator, left, right)
        if isinstance(value, complex):  # the root of a negative number
            raise ExpressionError("the result is not a number")
        return value


def _finite(value: Any) -> Any:
    """The value. Raises ExpressionError for infinity and NaN."""
    if isinstance(value, float) and not isfinite(value):
        raise ExpressionError("the result is not a number")
    return value


_SANDBOX = _Sandbox(
    undefined=StrictUndefined,
    optimized=False,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=_finite,  # of each expression within a text
)


class Template:
    """The text of one value. ``names`` are the variables that it uses; ``uses_env`` is whether it uses `env`."""

    def __init__(self, text: str) -> None:
        """Raises ExpressionError when the text uses an element that is not allowed."""
        if len(text) > MAX_TEMPLATE:
            raise ExpressionError(f"a value with expressions is longer than {MAX_TEMPLATE:,} characters")
        if text.count("(") > MAX_NESTING:
            raise ExpressionError("the expression is nested too deep")
        self._text = text
        self._outputs = _guard(lambda: self._parse())
        names = {part.name for output in self._outputs for part in _walk(output) if isinstance(part, nodes.Name)}
        self.uses_env = "env" in names
        self.names = sorted(names - {"env"})

    def render(self, variables: Mapping[str, Any]) -> Any:
        """The value. It has the expression's type when the text is one expression only; otherwise it is text."""
        value = _guard(lambda: self._compute(dict(variables)))
        if not isinstance(value, str | int | float | None):  # Undefined, for one
            raise ExpressionError("the expression has no value")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise ExpressionError(f"the result is longer than {MAX_TEXT:,} characters")
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise ExpressionError("the number grows too large")
        value = _finite(value)
        return int(value) if isinstance(value, float) and value.is_integer() else value  # as the same text in YAML

    def _parse(self) -> list[nodes.Node]:
        outputs: list[nodes.Node] = []
        for statement in _SANDBOX.parse(self._text).body:
            if not isinstance(statement, nodes.Output):
                raise ExpressionError("only `{{ }}` expressions are allowed, no `{% %}` statements")
            outputs.extend(statement.nodes)
        for output in outputs:
            if not isinstance(output, nodes.TemplateData):
                _check(output)
        return outputs

    def _compute(self, variables: dict[str, Any]) -> Any:
        text = self._text.strip()
        if len(self._outputs) == 1 and text.startswith("{{"):
            expression = text[2:-2].removeprefix("-").removesuffix("-")
            return _SANDBOX.compile_expression(expression, undefined_to_none=False)(variables)
        return _SANDBOX.from_string(self._text).render(variables)


def _walk(node: nodes.Node) -> list[nodes.Node]:
    return [node, *node.find_all(nodes.Node)]


def _check(node: nodes.Node, depth: int = 0) -> None:
    """Raises ExpressionError unless every element of the expression is allowed."""
    if depth > MAX_NESTING:
        raise ExpressionError("the expression is nested too deep")
    if isinstance(node, nodes.Getattr):
        if not isinstance(node.node, nodes.Name) or node.node.name != "env":
            raise ExpressionError("only `env` has attributes, such as env.HOME")
        return
    if isinstance(node, nodes.Filter):
        _check_filter(node)
    elif not isinstance(node, _EXPRESSIONS):
        kind = type(node).__name__.lower()
        raise ExpressionError(f"a {kind} is not allowed in an expression")
    elif isinstance(node, nodes.Const) and isinstance(node.value, float) and not isfinite(node.value):
        raise ExpressionError("a number is too large")  # Jinja would compile it to the name `inf`
    elif isinstance(node, nodes.Name) and node.name == "env":
        raise ExpressionError("`env` alone has no value; write env.NAME")
    for child in node.iter_child_nodes():
        _check(child, depth + 1)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in FILTERS:
        raise ExpressionError(f"there is no filter `{node.name}`; the filters are {', '.join(sorted(FILTERS))}")
    if (node.args or node.kwargs) and node.name != "default":
        raise ExpressionError(f"the filter `{node.name}` takes no arguments here")


def _guard(compute: Callable[[], Any]) -> Any:
    """Turns Jinja's errors into an ExpressionError without values in its text."""
    try:
        return compute()
    except UndefinedError as error:
        name = (error.message or "").rpartition("attribute ")[2].strip("'")
        raise UndefinedNameError(name, f"the environment variable {name} is not set") from None
    except TemplateError as error:
        raise ExpressionError((error.message or "not an expression").rstrip(".")) from None
    except (TypeError, ZeroDivisionError) as error:
        raise ExpressionError(str(error)) from None
    except (ArithmeticError, LookupError, ValueError, SyntaxError):
        raise ExpressionError("the expression has no value") from None
    except (RecursionError, MemoryError):
        raise ExpressionError("the expression is nested too deep") from None

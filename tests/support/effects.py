"""Finds, in the source of a module, durable writes and external effects that no boundary guards."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary

_SQL = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP", "BEGIN", "COMMIT")
#: Tables and triggers that end with the connection.
_TEMPORARY = ("INSERT INTO TEMP.", "DELETE FROM TEMP.", "CREATE TEMP TRIGGER", "DROP TRIGGER IF EXISTS TEMP.")
_SQL_METHODS = ("execute", "executemany", "executescript", "mogrify", "copy_expert", "copy_from")
_FILE_METHODS = ("rename", "write_text", "write_bytes", "symlink_to", "hardlink_to", "touch")
_OS_CALLS = ("replace", "rename", "link", "symlink", "truncate", "ftruncate", "pwrite", "write", "open", "sendfile")
_COPIES = ("copy", "copy2", "copyfile", "copytree", "move")
_VERBS = ("post", "patch", "delete")
_REDIS = (
    "lpush", "rpush", "lpushx", "rpushx", "linsert", "lset", "lrem", "ltrim", "lpop", "rpop", "blpop", "brpop", "rpoplpush",
    "lmove", "publish", "sadd", "srem", "hset", "hdel", "setex", "expire", "zadd", "zrem", "xadd", "flushdb",
)  # fmt: skip
_SENDS = ("eth_sendRawTransaction", "eth_sendTransaction")


@dataclass
class _Function:
    """A function, with what it does and which others of its module it calls while no boundary is entered."""

    name: str  #: what it is called by: for ``__init__`` the name of its class
    private: bool
    effects: list[tuple[int, str]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)  #: name called: line


def unguarded(module: Path, names: Mapping[str, Any]) -> list[str]:
    """``line: effect`` for each effect of the module that is not within the ``with`` block of a boundary.

    An effect in a private function counts as guarded when each call of the function is. ``names`` are the module's globals.
    """
    reader = _Reader(names)
    reader.visit(ast.parse(module.read_text("utf-8")))
    exposed = _exposed(reader.functions, reader.called)
    found = [effect for function in reader.functions if id(function) in exposed for effect in function.effects]
    return [f"{line}: {what}" for line, what in sorted(found)]


def _exposed(functions: list[_Function], called: set[str]) -> set[int]:
    """The functions, by id, that may be entered while no boundary is."""
    callers: dict[str, list[_Function]] = defaultdict(list)
    for function in functions:
        for name in function.calls:
            callers[name].append(function)
    # A private method that its own module does not call is called by a subclass in another one.
    exposed = {id(f) for f in functions if not f.private or f.name not in called}
    grown = True
    while grown:
        new = {
            id(f) for f in functions if f.private and any(id(caller) in exposed for caller in callers[f.name])
        } - exposed
        exposed |= new
        grown = bool(new)
    return exposed


class _Reader(ast.NodeVisitor):
    """Walks a module; knows which function it is in, and whether a boundary is entered."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._guarded = False
        self._given: set[str] = set()  # parameters that are boundaries
        self._private_class: str | None = None
        self.functions = [_Function("", private=False)]
        self.called: set[str] = set()  #: names of all functions that are called, at a boundary or not
        self._inside = self.functions[0]

    # --- where it is ------------------------------------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self._private_class = self._private_class, node.name if node.name.startswith("_") else None
        self.generic_visit(node)
        self._private_class = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self._inside, self._guarded, self._given
        constructor = node.name == "__init__" and self._private_class
        dunder = node.name.startswith("__") and not constructor
        private = (node.name.startswith("_") or self._private_class is not None) and not dunder
        self._inside = _Function(constructor or node.name, private)
        self.functions.append(self._inside)
        parameters = [*node.args.args, *node.args.kwonlyargs]
        given = {one.arg for one in parameters if one.annotation and "Boundary" in ast.unparse(one.annotation)}
        self._guarded, self._given = False, self._given | given
        self.generic_visit(node)
        self._inside, self._guarded, self._given = outer

    def visit_With(self, node: ast.With) -> None:
        outer = self._guarded
        for item in node.items:
            self.visit(item.context_expr)
            self._guarded = self._guarded or self._guards(item.context_expr)
        for statement in node.body:
            self.visit(statement)
        self._guarded = outer

    def _guards(self, expression: ast.expr) -> bool:
        """Whether it is a boundary, or a call that is given one."""
        if isinstance(expression, ast.Call):
            return any(self._guards(argument) for argument in expression.args)
        if isinstance(expression, ast.Name):
            return expression.id in self._given or isinstance(self._names.get(expression.id), Boundary)
        if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            owner = self._names.get(expression.value.id)
            return isinstance(getattr(owner, expression.attr, None), Boundary)
        return False

    # --- what it finds ----------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        self.called.add(name)
        if not self._guarded:
            if what := effect_of(node):
                self._inside.effects.append((node.lineno, what))
            self._inside.calls.setdefault(name, node.lineno)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value in _SENDS and not self._guarded:
            self._inside.effects.append((node.lineno, str(node.value)))


def effect_of(call: ast.Call) -> str | None:
    """The durable write or external effect that a call is, in words; None for any other call."""
    text = ast.unparse(call.func)
    owner, _, name = text.rpartition(".")
    first = call.args[0] if call.args else None
    # A transaction is read only, and the server refuses a write in it, unless the client says otherwise.
    if any(k.arg in ("read_only", "readonly") and _is(k.value, False) for k in call.keywords):
        return f"{name} writes to PostgreSQL"
    if owner == "os" and name in _OS_CALLS:
        return None if _is_harmless(call) else f"os.{name}"
    if owner == "shutil" and name in _COPIES:
        return f"shutil.{name}"
    if name == "open":
        mode = _text(call.args[0 if owner else 1] if len(call.args) > (0 if owner else 1) else None)
        return f"opens a file with mode {mode}" if set(mode) & set("wax+") and not _is_number(first) else None
    if not owner:
        return None
    if name in _FILE_METHODS or (name == "replace" and len(call.args) == 1 and not call.keywords):
        return f"{name} of a path"
    sql = _statement(first).lstrip().upper()
    if name in _SQL_METHODS and sql.startswith(_SQL) and not sql.startswith(_TEMPORARY):
        return f"{name} of a statement that writes"
    if name in _VERBS or name in _REDIS or (name in ("put", "set") and _is_client(owner)):
        return f"{name} to a service"
    sends = name == "send" and "adapter" in owner.lower()  # of requests: what it sends may be anything
    if sends or (name == "request" and not _text(first).upper().startswith(("GET", "HEAD", "OPTIONS"))):
        return "a request to a service"
    return None


def _is_client(owner: str) -> bool:
    return any(word in owner.lower() for word in ("http", "session", "requests", "client", "redis", "pipe"))


def _is_harmless(call: ast.Call) -> bool:
    """Whether it opens for reading only, or writes to a stream of the process or to the null device."""
    if not call.args or _is_number(call.args[0]) or "devnull" in ast.unparse(call.args[0]):
        return True
    return ast.unparse(call.func) == "os.open" and "O_RDONLY" in ast.unparse(call)


def _statement(node: ast.expr | None) -> str:
    """The beginning of an SQL text, also of one that is put together."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "?" for part in node.values)
    return _text(node)


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_number(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def entered(module: Path) -> Iterator[str]:
    """The last part of each name that a ``with`` enters or hands to what it enters."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.With):
            for item in node.items:
                for part in ast.walk(item.context_expr):
                    if isinstance(part, ast.Name | ast.Attribute):
                        yield part.id if isinstance(part, ast.Name) else part.attr

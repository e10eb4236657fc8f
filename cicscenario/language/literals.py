"""Values that are a secret, or a variable of the shell, written as they must not be."""

import re
from collections.abc import Collection, Iterator

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.expressions import has_expression
from cicscenario.language.nodes import Mapping, Node, Scalar, Sequence, written_at
from cicscenario.language.schema import Path
from cicscenario.language.source import Span
from cicscenario.shell import variables as shell_variables

_PRIVATE_KEY = re.compile(r"(?<![0-9a-zA-Z])(?:0[xX])?[0-9a-fA-F]{64}(?![0-9a-zA-Z])|-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:pass|passw(?:or)?d|passphrase|pwd|secret|mnemonic|seed_phrase|pepper|pin|(?:api|priv|private|secret|signer|access)_?key)s?$",
    re.IGNORECASE,
)
_WORDS = (12, 15, 18, 21, 24)  #: words of a mnemonic
_SHELL = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+=][^}]*)?\}|([A-Z_][A-Z0-9_]*)\b)")
_NAMED = re.compile(
    r"""(?:\$\{?|\{+\s*|%)?(?:(?:env|ENV)(?:\.|\[['"]?)|os\.environ(?:\.|\[['"]?))?([A-Za-z_][A-Za-z0-9_]*)(?:['"]?\])?\s*(?:\}+|%)?"""
)
_FILES = (".asc", ".gpg", ".pgp", ".key", ".pem", ".txt", ".json", ".secret", ".password")


def misused(document: Mapping, secrets: Collection[Path], *, env: bool) -> Iterator[tuple[Path, Diagnostic]]:
    """An error for each literal private key, each literal secret in ``vars``, and each variable of the shell.

    ``secrets`` are the paths of references to secrets, which are validated elsewhere. ``env``: it is an environment file.
    """
    for path, node in _scalars(document, ()):
        if path in secrets:
            continue
        if problem := _secret(document, path, node, env=env) or _shell(path, node, env=env):
            yield path, problem


def _scalars(node: Node, path: Path) -> Iterator[tuple[Path, Scalar]]:
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Sequence):
        for at, item in enumerate(node.items):
            yield from _scalars(item, (*path, at))
    else:
        for name, entry in node.entries.items():
            yield from _scalars(entry.value, (*path, name))


def _secret(document: Mapping, path: Path, node: Scalar, *, env: bool) -> Diagnostic | None:
    key = ".".join(str(part) for part in path)
    kind = _kind_of_secret(path, node)
    if kind is None:
        return None
    named = max((at for at, part in enumerate(path) if isinstance(part, str)), default=0)
    span = written_at(document, path[: named + 1], on_key=True)
    if span.source.quoted and not isinstance(path[-1], int):
        span.hide()
    _hide(node.span)
    where = "name it" if env else "name it in an environment file"
    expected = "no secret in a file that others read" if env else "no secret in a scenario"
    hint = f"put it into a file that only you can read, and {where}: `file:PATH` or `{{{{ env.NAME }}}}`"
    return span.diagnostic(Code.LITERAL_SECRET, f"`{key}` holds {kind}", expected=expected, hint=hint)


def _hide(span: Span) -> None:
    """Hides the line of a value, and the rest of it on further lines."""
    shown = span.source.shown
    shown[span.line] = shown[span.line][: span.column] + "*" * max(0, len(shown[span.line]) - span.column)


def _kind_of_secret(path: Path, node: Scalar) -> str | None:
    if _PRIVATE_KEY.search(node.written):
        return "a private key"
    if path[0] != "vars" or not isinstance(node.value, str) or not node.value or has_expression(node.written):
        return None
    if _SECRET_NAME.search(str(path[-1])) and not node.written.startswith("file:"):
        return "a secret, by its name"
    words = node.value.split()
    return "a mnemonic" if len(words) in _WORDS and all(re.fullmatch("[a-z]{3,8}", word) for word in words) else None


def _shell(path: Path, node: Scalar, *, env: bool) -> Diagnostic | None:
    """The error for a variable of the shell: the whole value, or a part of it in braces or in an address."""
    text = node.written
    if not isinstance(node.value, str) or path[0] == "description" or "$" not in text or has_expression(text):
        return None
    whole = _SHELL.fullmatch(text)
    parts = [found for found in _SHELL.finditer(text) if found[1] or "://" in text]
    if not whole and not parts:
        return None
    name = (whole or parts[0]).group(0)
    key = ".".join(part for part in path if isinstance(part, str))
    message = f"`{name}` is a variable of the shell, which is not read in this form"
    if env:
        new = _SHELL.sub(lambda found: f"{{{{ env.{found[1] or found[2]} }}}}", text)
        return node.span.diagnostic(Code.SHELL_VARIABLE, message, expected=f'"{new}"', key=key)
    hint = f"give it on the command line, `--set {key}={name}`, or write a variable of the file: `vars` and `{{{{ name }}}}`"
    return node.span.diagnostic(Code.SHELL_VARIABLE, message, expected="a value", hint=hint, key=key)


def secret_reference(written: str | None, document: Mapping, path: Path) -> str | None:
    """The remedy for a secret that was to be a reference: the name of a variable or of a file, in the wrong form.

    None for what may be the secret itself, which must not be shown.
    """
    if written is None:
        return None
    found = _NAMED.fullmatch(written)
    if found and (written != found[1] or found[1] in shell_variables) and _is_a_name(written, found[1]):
        return f'a variable of the shell is written "{{{{ env.{found[1]} }}}}", with the quotes'
    folder = written_at(document, path).source.folder
    if written.endswith(_FILES) and "\0" not in written and (folder / written).is_file():
        return f"the content of a file is written file:{written}"
    return None


def _is_a_name(written: str, name: str) -> bool:
    """Whether a text names a variable, and is no password that looks similar."""
    env = re.search(r"\benv[.\[]|environ", written, re.IGNORECASE) is not None
    return name in shell_variables or env or ("_" in name and name.isupper())

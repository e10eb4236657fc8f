"""Transit-JSON of Immutable.js lists and maps: the format in which Automerge 0.14 saves the changes of a document.

A list is written as ``["~#iL", [...]]`` and a map as ``["~#iM", [key, value, ...]]``. When a tag occurs again, a cache code
replaces it. Lists and maps of plain transit can be read too. Documents have no other types of transit.
"""

from typing import Any

from cicscenario.sandbox.meta import jsjson

_LIST = "~#iL"
_MAP = "~#iM"
_PLAIN_MAP = "^ "
_ESCAPED = ("~", "^", "`")
_CACHED_FROM = 4  # characters; shorter strings are not cached
_CODES = 44  # the base of cache codes; digits are characters from "0" on
_CACHE_SIZE = _CODES * _CODES


class TransitError(ValueError):
    """The text is not transit, or has a type that documents do not have."""


class _Tag(str):
    __slots__ = ()


def read(text: str) -> Any:
    """Decodes ``text`` into lists and dicts. Raises TransitError."""
    try:
        return _Reader().read(jsjson.loads(text))
    except (IndexError, RecursionError) as error:
        raise TransitError(f"not transit: {error}") from None


def write(value: Any) -> str:
    """Encodes ``value`` as Automerge does. Only the two tags get cache codes.

    Raises TransitError for a null, which crashes the real server.
    """
    return jsjson.dumps(_Writer().encode(value))


class _Reader:
    def __init__(self) -> None:
        self._cache: list[str] = []

    def read(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._string(value, key=False)
        if isinstance(value, list):
            return self._array(value)
        if isinstance(value, dict):
            return {self._key(key): self.read(member) for key, member in value.items()}
        return value

    def _array(self, values: list[Any]) -> Any:
        if not values:
            return []
        if values[0] == _PLAIN_MAP:
            return {self._key(values[at]): self.read(values[at + 1]) for at in range(1, len(values), 2)}
        first = self.read(values[0])
        if isinstance(first, _Tag):
            return self._tagged(first, values[1])
        return [first, *self._members(values[1:])]

    def _members(self, values: list[Any]) -> list[Any]:
        # Most members are plain strings; calling ``read`` for each would take most of the time.
        return [value if type(value) is str and value[:1] not in "~^" else self.read(value) for value in values]

    def _tagged(self, tag: _Tag, content: Any) -> Any:
        if not isinstance(content, list) or content[:1] == [_PLAIN_MAP]:
            raise TransitError(f"{tag}: expected a list")
        members = self._members(content)
        if tag == "iL":
            return members
        keys = members[::2]
        if tag == "iM" and len(members) % 2 == 0 and set(map(type, keys)) <= {str}:
            return dict(zip(keys, members[1::2], strict=True))
        raise TransitError(f"{tag}: unknown, or not pairs")

    def _key(self, text: Any) -> str:
        if not isinstance(text, str) or not isinstance(key := self._string(text, key=True), str):
            raise TransitError(f"{text}: not a key")
        return key

    def _string(self, text: str, *, key: bool) -> Any:
        if not text or (text[0] not in "~^" and not key):
            return text
        if text[0] == "^" and text != _PLAIN_MAP:
            code = [ord(character) - ord("0") for character in text[1:]]
            if not code or min(code) < 0:
                raise TransitError(f"{text}: not a cache code")
            return _parse(self._cache[code[0] if len(code) == 1 else code[0] * _CODES + code[1]])
        if len(text) >= _CACHED_FROM and (key or text[1] in "#$:"):
            if len(self._cache) == _CACHE_SIZE:
                self._cache.clear()
            self._cache.append(text)
        return _parse(text)


def _parse(text: str) -> Any:
    if text[:1] != "~":
        return text
    kind, rest = text[1:2], text[2:]
    if kind and kind in "~^`":
        return text[1:]
    if kind == "#":
        return _Tag(rest)
    if kind == "_":
        return None
    if kind == "?":
        return rest == "t"
    if kind in ("i", "d"):
        return jsjson.loads(rest)
    raise TransitError(f"{text}: not in a document")


class _Writer:
    def __init__(self) -> None:
        self._codes: dict[str, str] = {}

    def encode(self, value: Any) -> Any:
        if isinstance(value, str):
            return f"~{value}" if value[:1] in _ESCAPED else value
        if isinstance(value, list):
            return [self._tag(_LIST), self._members(value)]
        if isinstance(value, dict):
            return [self._tag(_MAP), self._members([part for pair in value.items() for part in pair])]
        if value is None:
            raise TransitError("null in a document")
        return value

    def _members(self, values: list[Any]) -> list[Any]:
        return [value if type(value) is str and value[:1] not in _ESCAPED else self.encode(value) for value in values]

    def _tag(self, tag: str) -> str:
        code = self._codes.get(tag)
        if code is None:
            self._codes[tag] = f"^{len(self._codes)}"
        return code or tag

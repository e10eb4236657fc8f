"""The texts on the screen and the list of languages. They are in menus.json, which names their source."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

CURRENT = "current"
OLD = "2021"
DIALECTS = (CURRENT, OLD)
SUPPORT_PHONE = "0757628885"

_PAGE = 3
_PLACEHOLDERS = {
    "initial_language_selection": "first_language_set",
    "initial_middle_language_set": "middle_language_set",
    "initial_last_language_set": "last_language_set",
}
_NO_STATES = {"retry_pin_entry", "invalid_service_code"}
#: States whose text gets the support number. In other texts the placeholder is shown as it is, as in cic-ussd.
_WITH_SUPPORT = {"help", "exit_invalid_menu_option", "exit_pin_blocked"}


class Menus:
    """The texts of one ``dialect``. ``fallback`` is the language of people whose language is not known."""

    def __init__(self, dialect: str, fallback: str) -> None:
        document = json.loads(files(__package__).joinpath("menus.json").read_text("utf-8"))
        self.fallback = fallback
        self._codes: list[str] = list(document["languages"])
        self._names = list(document["languages"].values())
        self._texts: dict[str, dict[str, str]] = document[dialect]

    def __contains__(self, state: str) -> bool:
        return state in self._texts and state not in _NO_STATES

    @property
    def listed_languages(self) -> list[str]:
        """Languages as shown in the menu, such as ``1. English``."""
        return [f"{number}. {name}" for number, name in enumerate(self._names, 1)]

    def text(self, state: str, language: str | None, values: Mapping[str, Any] | None = None) -> str:
        """The text of a state, with ``values`` filled in. Raises KeyError for a state without a text."""
        translations = self._texts[state]
        text = translations.get(language or self.fallback) or translations[self.fallback]
        filled = dict(values or {})
        if page := _PLACEHOLDERS.get(state):
            start = list(_PLACEHOLDERS).index(state) * _PAGE
            filled[page] = "\n".join(self.listed_languages[start : start + _PAGE])
        if state in _WITH_SUPPORT:
            filled["support_phone"] = SUPPORT_PHONE
        for name, value in filled.items():
            text = text.replace(f"%{{{name}}}", str(value))
        return text

    def offers(self, choice: str) -> bool:
        """Whether cic-ussd accepts a choice as a language: any integer up to seven. Raises ValueError for other input."""
        return int(choice) <= len(self._codes)

    def chosen_language(self, choice: str) -> str:
        """The language of a choice. As in cic-ussd, numbers below 1 count from the end. Raises IndexError, ValueError."""
        return self._codes[int(choice) - 1]

"""Letters of other alphabets that look like those of ours."""

import unicodedata

#: For each ASCII letter, the Cyrillic and Greek letters, and a few others, that most fonts draw alike.
_ALIKE = {
    "A": "\u0391\u0410",
    "B": "\u0392\u0412",
    "C": "\u0421\u03f9",
    "E": "\u0395\u0415",
    "H": "\u0397\u041d",
    "I": "\u0399\u0406\u04c0",
    "J": "\u0408",
    "K": "\u039a\u041a\u212a",
    "M": "\u039c\u041c",
    "N": "\u039d",
    "O": "\u039f\u041e",
    "P": "\u03a1\u0420",
    "S": "\u0405",
    "T": "\u03a4\u0422",
    "X": "\u03a7\u0425",
    "Y": "\u03a5\u0423\u04ae",
    "Z": "\u0396",
    "a": "\u0430\u03b1\u0251",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435\u04bd",
    "g": "\u0261",
    "h": "\u04bb",
    "i": "\u0456\u0131\u03b9",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "\u04cf",
    "m": "\u043c",
    "n": "\u0578",
    "o": "\u043e\u03bf\u0585",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "r": "\u0433",
    "s": "\u0455",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d",
    "v": "\u03bd\u0475",
    "w": "\u051d\u03c9",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3",
}
_LETTERS = {letter: plain for plain, letters in _ALIKE.items() for letter in letters}
_STYLES = ("<font>", "<circle>", "<square>")  # of letters, as in mathematical texts


def plain_letter(character: str) -> str | None:
    """The ASCII letter that a character looks like; None when it looks like none."""
    if character in _LETTERS:
        return _LETTERS[character]
    if unicodedata.decomposition(character).startswith(_STYLES):
        plain = unicodedata.normalize("NFKC", character)
        return plain if len(plain) == 1 and plain.isascii() and plain.isalpha() else None
    return None

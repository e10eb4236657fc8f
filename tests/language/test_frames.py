"""What a person reads when a file is wrong: whole frames, literally."""

from pathlib import Path

import pytest

from cicscenario.language import DiagnosticsError, load_environment
from cicscenario.vocabulary import load_scenario

HEAD = "version: 1\nname: a\npopulation: {size: 3}\n"

UNKNOWN_KEY = """\
error[S014]: unknown key `treshold`
 --> s.yaml:5:3
  |
5 |   treshold: 500
  |   ^^^^^^^^ did you mean `threshold`?
  = expected: one of threshold, method, token
  = see: cicscenario explain gift"""

WRONG_KIND = """\
error[S013]: `cic_btc` is not a value for `backend.kind`
 --> s.yaml:4:17
  |
4 | backend: {kind: cic_btc, queue: 2}
  |                 ^^^^^^^ did you mean `cic_eth`?
  = expected: one of eth, cic_eth, cic_ussd, existing
  = see: cicscenario explain backend.kind"""


REPEATED = """\
error[S013]: `person` is in `metadata` already
 --> s.yaml:4:27
  |
4 | metadata: [person, phone, person]
  |                           ^^^^^^
  = expected: every item once
  = see: cicscenario explain metadata"""

LITERAL_SECRET = """\
error[S016]: `chain.signer.private_key` holds a literal secret
 --> e.yaml:7:12
  |
7 |   signer: {private_key: *********
  |            ^^^^^^^^^^^
  = expected: a reference: `file:PATH` or `{{ env.NAME }}`
  = hint: put the secret into a file that only you can read, and never commit that file
  = see: cicscenario explain chain.signer.private_key"""

OVERRIDE = """\
error[S014]: unknown key `sise`
 --> --set:1:12
  |
1 | population.sise=5
  |            ^^^^ did you mean `size`?
  = expected: one of size, from, columns, seed, profile, locales, region, languages, gender, tags, on_bad_row
  = see: cicscenario explain population"""

ENVIRONMENT = """\
version: 1
name: e
chain:
  rpc: http://127.0.0.1:8545
  spec: evm:byzantium:8996:bloxberg
  registry: 0xea6225212005e86a4490018ded4bf37f3e772161
  signer: {private_key: SIGNER}
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _frames(text: str, *overrides: str) -> str:
    Path("s.yaml").write_text(text, "utf-8")
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario("s.yaml", overrides)
    return str(caught.value)


def test_an_unknown_key_names_the_nearest() -> None:
    assert _frames(HEAD + "gift:\n  treshold: 500\n") == UNKNOWN_KEY


def test_a_wrong_kind_is_one_error_about_the_kind() -> None:
    assert _frames(HEAD + "backend: {kind: cic_btc, queue: 2}\n") == WRONG_KIND


def test_an_item_that_is_there_already_is_the_one_to_blame() -> None:
    assert _frames(HEAD + "metadata: [person, phone, person]\n") == REPEATED


def test_an_expression_without_quotes_is_to_be_quoted() -> None:
    assert _frames(HEAD.replace("3", "{{ people }}")) == UNQUOTED
    for value in ("{{ a * 2 }}", "{{ a | lower }}", "{{ a ~ 'x' }} people", "[{{ a }}]", "{{ a"):
        assert "put the expression in quotes" in _frames(HEAD + f"description: {value}\n")
        assert "put the expression in quotes" in _frames(HEAD, f"population.size={value}")


def test_another_key_that_is_no_text_is_not_taken_for_an_expression() -> None:
    assert "quotes" not in _frames(HEAD + "gift: { {a: 1}: 2}\n")


def test_an_override_is_its_own_source() -> None:
    assert _frames(HEAD, "population.sise=5") == OVERRIDE


def test_a_literal_secret_is_never_shown() -> None:
    Path("e.yaml").write_text(ENVIRONMENT.replace("SIGNER", "deadbeef"))
    with pytest.raises(DiagnosticsError) as caught:
        load_environment("e.yaml")
    assert str(caught.value) == LITERAL_SECRET
    assert "deadbeef" not in repr(caught.value.diagnostics)


UNQUOTED = """\
error[S006]: a key that is not text
 --> s.yaml:3:21
  |
3 | population: {size: {{ people }}}
  |                     ^
  = hint: put the expression in quotes: "{{ people }}"
  = see: cicscenario explain S006"""

MISSPELT = """\
error[S014]: unknown key `passwd`
  --> e.yaml:10:3
   |
10 |   passwd: *******
   |   ^^^^^^ did you mean `password`?
   = expected: one of url, service_code, user, password, timeout, limits
   = see: cicscenario explain ussd"""


def _hidden(text: str) -> str:
    """The frames of an environment file, none of which has the secret in it."""
    Path("e.yaml").write_text(text)
    with pytest.raises(DiagnosticsError) as caught:
        load_environment("e.yaml")
    assert not any(word in repr(caught.value.diagnostics) + str(caught.value) for word in ("hunter2", "deadbeef"))
    return str(caught.value)


SOUND = ENVIRONMENT.replace("SIGNER", "file:key")


def test_the_value_of_a_misspelt_secret_is_not_shown() -> None:
    assert _hidden(SOUND + "ussd:\n  url: http://127.0.0.1:9000\n  passwd: hunter2\n") == MISSPELT


@pytest.mark.parametrize(
    "text",
    [
        ENVIRONMENT.replace("private_key: SIGNER", "privat_ke: 0xdeadbeef"),
        ENVIRONMENT.replace("private_key: SIGNER", "words: hunter2 deadbeef, hint: no"),
        ENVIRONMENT.replace("{private_key: SIGNER}", "\n    words:\n      - hunter2\n    hint: a"),
        ENVIRONMENT.replace("{private_key: SIGNER}", "{words: {a: hunter2}}"),
        ENVIRONMENT.replace("{private_key: SIGNER}", "\n    deadbeef"),
        SOUND + "ussd: {url: 'http://127.0.0.1:9000', 'pass': hunter2}",
        SOUND + "pass: hunter2",
        SOUND + "mnemonic: hunter2\nmnemonic: deadbeef",
        SOUND + "meta: hunter2",
        SOUND + "meta:\n  armour: |\n    hunter2\n  armour: |\n    deadbeef\n",
    ],
)
def test_what_stands_in_the_place_of_a_secret_is_not_shown(text: str) -> None:
    assert "*" in _hidden(text)


@pytest.mark.parametrize(
    "below", ["    good\n\thunter2", "    good\n\n    hunter2: {", "good\nhunter2", "    hunter2: {\x07"]
)
@pytest.mark.parametrize("key", ["  key: |", "  key:", "  passphrase: 'a", "  - apiKey: >-"])
def test_a_secret_of_many_lines_is_hidden_to_its_last(key: str, below: str) -> None:
    _hidden(f"{SOUND}meta:\n{key}\n{below}\n")


def test_what_comes_after_a_hidden_value_is_shown() -> None:
    frames = _hidden(SOUND + "meta:\n  key: |\n    hunter2\n  uri: http://127.0.0.1:63380\n")
    assert "  uri: *" in frames
    assert "see: cicscenario explain meta" in frames


def test_what_is_misspelt_elsewhere_is_shown() -> None:
    assert "  prc: http://127.0.0.1:8545" in _hidden(SOUND.replace("rpc", "prc"))


@pytest.mark.parametrize(
    "signer", ["\n    private_key:\n      deadbeef", "\n    private_key: |\n      deadbeef", "deadbeef"]
)
@pytest.mark.parametrize("rest", ["", "{", "name: x", "    \tb: 1"])
def test_a_secret_is_hidden_wherever_its_line_is_shown(signer: str, rest: str) -> None:
    Path("e.yaml").write_text(ENVIRONMENT.replace("{private_key: SIGNER}", signer) + rest)
    with pytest.raises(DiagnosticsError) as caught:
        load_environment("e.yaml")
    assert "deadbeef" not in repr(caught.value.diagnostics) + str(caught.value)


def test_every_error_of_a_file_comes_at_once_in_its_order() -> None:
    text = "version: 1\nname: A B\nfaucet: 1\nfaucet: 2\ngas: -1\npopulation: {size: 0, region: XX}\n"
    Path("s.yaml").write_text(text)
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario("s.yaml")
    assert [(d.line, str(d.code)) for d in caught.value.diagnostics] == [
        (2, "S013"),
        (3, "S011"),
        (4, "S004"),
        (5, "S013"),
        (6, "S013"),
        (6, "S013"),
    ]


def test_a_caret_stays_below_its_value_behind_wide_characters() -> None:
    lines = _frames(HEAD.replace("\n", ", ").join(["{", "description: 東京, faucet: maybe}"])).splitlines()
    source, caret = lines[3], lines[4]
    assert caret.index("^") == source.index("maybe") + 2  # two characters that take two cells


def test_a_long_line_is_cropped_around_the_caret() -> None:
    lines = _frames(HEAD + f"description: {{a: {'x' * 400}, b: 1}}\nfaucet: [{'1, ' * 200}1]\n").splitlines()
    assert max(map(len, lines)) < 120

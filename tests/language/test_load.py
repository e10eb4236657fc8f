"""Files that load, files that do not, and what they come to."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, load_environment
from cicscenario.vocabulary import load_scenario

HEAD = "version: 1\nname: a\npopulation: {size: 3}\n"
ENVIRONMENT = """\
version: 1
name: e
chain:
  rpc: http://127.0.0.1:8545
  spec: evm:byzantium:8996:bloxberg
  registry: 0xea6225212005e86a4490018ded4bf37f3e772161
  signer: SIGNER
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "s.yaml"


def _codes(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(path, overrides)
    assert caught.value.exit_code == ExitCode.INVALID
    return [str(diagnostic.code) for diagnostic in caught.value.diagnostics]


def test_defaults_come_in(file: Path) -> None:
    file.write_text(HEAD)
    scenario = load_scenario(file)
    assert scenario.population.locales == ("sl", "en_US", "no", "de", "ro")
    assert (scenario.gas, scenario.faucet, scenario.backend.option("keystore.kdf")) == (10**15, True, "light")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", ["S005"]),
        ("# nothing", ["S005"]),
        ("- a", ["S005"]),
        (HEAD + "---\na: 1", ["S005"]),
        (HEAD + "gift:\n\tmethod: none", ["S003"]),
        (HEAD + "gift: {", ["S003"]),
        (HEAD + "name: b", ["S004"]),
        ("a: !!python/object:os.system x", ["S006"]),
        ("? [a]\n: b", ["S006"]),
        ("[" * 10_000, ["S006"]),
        ("a: &x [*x]", ["S003"]),
        (HEAD + "extends: s.yaml", ["S007"]),
        (HEAD + "extends: none.yaml", ["S007"]),
        (HEAD + "extends: [1]", ["S007"]),
        (HEAD + "description: '{{ 10 ** 9 ** 9 ** 9 }}'", ["S008"]),
        (HEAD + "description: '{{ \"a\" * 1000000000 }}'", ["S008"]),
        (HEAD + "description: '{{ (-8) ** 0.5 }}'", ["S008"]),
        (HEAD + "description: '{{ (-8) ** 0.5 }} people'", ["S008"]),
        (HEAD + "description: '{{ 1 if false }}'", ["S008"]),
        (HEAD + "description: '{{ range(9) }}'", ["S008"]),
        (HEAD + "description: '{{ \"\".__class__ }}'", ["S008"]),
        (HEAD + "description: '{% for i in x %}{% endfor %}'", ["S008"]),
        (HEAD + "description: '{{ " + "(" * 65 + "1" + ")" * 65 + " }}'", ["S008"]),
        (HEAD + "description: '{{ " + "- " * 65 + "1 }}'", ["S008"]),
        (HEAD + "gas: '{{ " + "(" * 64 + "1" + ")" * 64 + " }}'\nfaucet: 1", ["S011"]),
        (HEAD + "vars: {a: '{{ b }}', b: '{{ a }}'}", ["S008"]),
        (HEAD + "description: '{{ nobody }}'", ["S009"]),
        (HEAD + "description: '{{ env.HOME }}'", ["S009"]),
        (HEAD + "faucet: maybe", ["S011"]),
        ("version: 1\nname: a\n", ["S012"]),
        (HEAD + "name2: b", ["S014"]),
        (HEAD + "checks: {include: [faucet]}\nfaucet: false", ["S015"]),
        (HEAD + "checks: {include: [gas]}\ngas: 0", ["S015"]),
        (HEAD + "checks: {include: [keystore]}\nbackend: {kind: eth, keystore: {kdf: none}}", ["S015"]),
        (HEAD + "gift: {method: none, threshold: 1}", ["S015"]),
        (HEAD + "pins: {}", ["S015"]),
        (HEAD + "ussd_data: true\nbackend: cic_eth", ["S015"]),
        (HEAD + "backend: cic_eth\nfaucet: false", ["S015"]),
        (HEAD + "backend: existing", ["S015"]),
        (HEAD + "checks: {include: [custodial_key]}", ["S015"]),
        (HEAD + "backend: cic_ussd\nchecks: {include: [keystore]}", ["S015"]),
        (HEAD + "backend: cic_ussd\nchecks: {include: [pins, ussd_data]}", ["S015", "S015"]),
        (HEAD + "checks: {include: [metadata_phone]}", ["S015"]),
        (HEAD + "metadata: [phone]\nchecks: {include: [metadata]}", ["S015"]),
        (HEAD + "backend: {kind: cic_ussd, dialect: '2022'}", ["S013"]),
        ("version: 1\nname: a\npopulation: {}", ["S015"]),
        (
            "version: 1\nname: a\nbackend: {kind: cic_ussd, dialect: '2021'}\npopulation: {size: 1, languages: {kam: 1}}",
            ["S015"],
        ),
        (HEAD + "pins: {fixed: ['12345']}\nbackend: cic_ussd", ["S013"]),
        (HEAD + "backend: {kind: eth, keystore: {password: 1234}}", ["S016"]),
        (HEAD + "backend: {kind: eth, keystore: {password: '{{ env.X }}'}}", ["S016"]),
        ("version: 1\nname: a\npopulation: {size: 1, locales: [en_XX]}", ["S013"]),
        ("version: 1\nname: a\npopulation: {size: 1, region: TA}", ["S013"]),
        ("version: 1\nname: a\npopulation: {size: 30001, region: SH}", ["S015"]),
        ("version: 1\nname: a\npopulation: {size: 1, languages: {sv: 1}}", ["S014"]),
        ("version: 1\nname: a\npopulation: {size: 1, tags: ['a,b']}", ["S013"]),
        ('version: 1\nname: "a\\n"\npopulation: {size: 1}', ["S013"]),
    ],
)
def test_invalid(file: Path, text: str, codes: list[str]) -> None:
    file.write_text(text)
    assert _codes(file) == codes


def test_a_region_may_be_used_up(file: Path) -> None:
    file.write_text("version: 1\nname: a\npopulation: {size: 30000, region: SH}")
    assert load_scenario(file).population.size == 30_000
    with pytest.raises(DiagnosticsError, match="SH has 30,000: make `size` smaller"):
        load_scenario(file, ["population.size=30001"])


@pytest.mark.parametrize("region", ["DE", "NG", "CN", "SH", "FO"])
def test_a_region_whose_numbers_the_phone_interface_refuses_is_named(file: Path, region: str) -> None:
    file.write_text(f"version: 1\nname: a\npopulation: {{size: 12, seed: 4, region: {region}}}\nbackend: cic_ussd")
    with pytest.raises(DiagnosticsError, match=rf"phone interface does not take(.|\n)*{region} has numbers such as \+"):
        load_scenario(file)
    load_scenario(file, ["backend=eth"])
    load_scenario(file, ["population.from=out"])


@pytest.mark.parametrize("region", ["KE", "UG", "US", "FR", "ZA"])
def test_a_region_whose_numbers_it_takes_may_be_used(file: Path, region: str) -> None:
    file.write_text(f"version: 1\nname: a\npopulation: {{size: 12, seed: 4, region: {region}}}\nbackend: cic_ussd")
    assert load_scenario(file).population.region == region


def test_people_who_exist_have_their_numbers(file: Path) -> None:
    file.write_text("version: 1\nname: a\npopulation: {size: 30001, region: SH, from: out}")
    assert load_scenario(file).population.size == 30_001


def test_what_is_no_text_file(tmp_path: Path, file: Path) -> None:
    for data in (b"\xef\xbb\xbfa: 1", "a: 1".encode("utf-16"), b"a\0b", b"a: \xff"):
        file.write_bytes(data)
        assert _codes(file) == ["S002"]
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(50_000_000)
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "large", Path("/dev/zero"), Path("a\0b")):
        assert _codes(path) == ["S001"]


def test_a_missing_file_names_the_nearest(file: Path) -> None:
    file.write_text(HEAD)
    with pytest.raises(DiagnosticsError, match=r"did you mean `.*s\.yaml`"):
        load_scenario(file.with_name("s.yml"))


@pytest.mark.parametrize(
    ("named", "guess"),
    [("lib/bsae.yaml", "lib/base.yaml"), ("lib/base.yml", "lib/base.yaml"), ("lib/zz.yaml", None), ("ss.yaml", None)],
)
def test_a_missing_base_names_the_nearest_as_it_would_be_written(
    tmp_path: Path, file: Path, named: str, guess: str | None
) -> None:
    """Every file ends alike, so that tells nothing; nor is the file itself meant."""
    (tmp_path / "lib").mkdir()
    for name in ("base.yaml", "a.yaml", "bsae.txt"):
        (tmp_path / "lib" / name).write_text(HEAD)
    file.write_text(f"extends: {named}\n")
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(file)
    [problem] = caught.value.diagnostics
    assert problem.message == f"cannot extend {named}: there is no such file"
    assert problem.suggestion == guess


def test_an_alias_bomb_is_counted_not_built(file: Path) -> None:
    lines = ["a: &a [" + "x," * 9 + "x]"]
    lines += [f"{c}: &{c} [" + ",".join([f"*{chr(ord(c) - 1)}"] * 10) + "]" for c in "bcdefgh"]
    file.write_text("\n".join(lines))
    assert _codes(file) == ["S006"]


def test_extends_merges_and_paths_stay_relative_to_their_file(tmp_path: Path, file: Path) -> None:
    (tmp_path / "lib").mkdir()
    base = HEAD + "gift: {threshold: 5, method: mint}\nenvironment: here.yaml\nbackend: eth\n"
    (tmp_path / "lib" / "base.yaml").write_text(base)
    file.write_text(
        "extends: lib/base.yaml\nname: b\ngift: {method: none, threshold: 0}\nbackend: {keystore: {kdf: none}}"
    )
    scenario = load_scenario(file)
    assert (scenario.name, scenario.population.size, scenario.gift.method) == ("b", 3, "none")
    assert scenario.backend.option("keystore.kdf") == "none"
    assert scenario.environment == str(tmp_path / "lib" / "here.yaml")


def test_an_error_in_an_extended_file_points_into_it(tmp_path: Path, file: Path) -> None:
    (tmp_path / "base.yaml").write_text(HEAD + "faucet: maybe\n")
    file.write_text("extends: base.yaml\n")
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(file)
    assert [(Path(d.file).name, d.line) for d in caught.value.diagnostics] == [("base.yaml", 4)]


def test_expressions_keep_their_type_and_overrides_come_before_them(file: Path) -> None:
    file.write_text(
        HEAD + "vars: {n: 5, m: '{{ n * 2 }}'}\ngas: '{{ m / 2 }}'\nfaucet: '{{ m > 50 }}'\ndescription: 'x{{ m }}'"
    )
    assert [load_scenario(file).gas, load_scenario(file).faucet, load_scenario(file).description] == [5, False, "x10"]
    assert type(load_scenario(file).gas) is int
    changed = load_scenario(file, ["vars.n=50", "population.size=7"])
    assert (changed.gas, changed.faucet, changed.population.size) == (50, True, 7)


@pytest.mark.parametrize(
    "expression",
    [
        "1e400", "-1e400", "1e400 == 1", "1e400 | string", "x | default(1e400)", "1e308 * 10", "'inf' | float", "'nan' | float",
        "inf", "nan", "9 ** 9 ** 99", "'a' * 10 ** 9", "[1] * 10 ** 9", "range(10 ** 12)", "'%1000000000d' % 1",
        "'9' * 5000", "(-8) ** 0.5",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{{{{ {} }}}}", "a {{{{ {} }}}}"])
def test_an_expression_without_a_finite_value_is_an_error_at_its_place(file: Path, expression: str, form: str) -> None:
    file.write_text(HEAD + f'description: "{form.format(expression)}"\n')
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(file)
    (found,) = caught.value.diagnostics
    assert found.line == HEAD.count("\n") + 1
    assert "\n" not in found.message


def test_aliases_that_grow_without_end_are_refused(file: Path) -> None:
    lines = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    file.write_text(f"{HEAD}a0: &a0 [x, x]\n{lines}")
    assert _codes(file) == ["S006"]


@pytest.mark.parametrize("override", ["name=\udcff", "name=\x07", "gift={"])
def test_overrides_that_are_not_yaml(file: Path, override: str) -> None:
    file.write_text(HEAD)
    assert _codes(file, override) == ["S003"]


def test_without_libyaml_it_is_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(HEAD + "backend: eth\n")
    fast = load_scenario(file)
    monkeypatch.setattr("cicscenario.language.nodes._Loader", yaml.SafeLoader)
    assert load_scenario(file) == fast
    for text, code in (("[" * 10_000, "S006"), ("a: \x07", "S003"), ("a: {", "S003"), (HEAD + "name: b", "S004")):
        file.write_text(text)
        assert _codes(file) == [code]


@pytest.mark.parametrize("override", ["faucet", "=1", "a..b=1", "extends=x.yaml"])
def test_malformed_overrides(file: Path, override: str) -> None:
    file.write_text(HEAD)
    assert _codes(file, override) == ["S010"]


def test_yaml_as_people_mean_it(file: Path) -> None:
    file.write_text("version: 1\nname: a\npopulation: {size: 1e2, locales: [no]}\nchecks: {balance_adjust: -2%}")
    scenario = load_scenario(file)
    assert scenario.population.locales == ("no",)
    assert type(scenario.population.size) is int
    assert scenario.checks.balance_adjust == Decimal("-0.02")


def test_secrets_are_read_late_and_never_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(ENVIRONMENT.replace("SIGNER", "{private_key: '{{ env.A_KEY }}'}"))
    monkeypatch.delenv("A_KEY", raising=False)
    key = load_environment(file).chain.signer.private_key
    assert key is not None
    with pytest.raises(InvalidError, match="A_KEY"):
        key.reveal()
    monkeypatch.setenv("A_KEY", "hunter2")
    assert (key.reveal(), str(key), repr(key)) == ("hunter2", "***", "***")

    file.write_text(ENVIRONMENT.replace("SIGNER", "{keyfile: k.json, password: 'file:p'}"))
    signer = load_environment(file).chain.signer
    assert signer.keyfile == file.with_name("k.json")
    assert signer.password is not None
    with pytest.raises(InvalidError, match=str(file.with_name("p"))):
        signer.password.reveal()
    file.with_name("p").write_text("hunter2\n")
    assert signer.password.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("signer", "code"),
    [
        ("{}", "S017"),
        ("{private_key: 'file:a', keyfile: b, password: 'file:c'}", "S017"),
        ("{keyfile: b}", "S012"),
        ("{private_key: 'file:a', password: 'file:c'}", "S012"),
        ("{private_key: deadbeef}", "S016"),
        ("deadbeef", "S011"),
    ],
)
def test_a_signer_is_exactly_one_kind(file: Path, signer: str, code: str) -> None:
    file.write_text(ENVIRONMENT.replace("SIGNER", signer))
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(file)
    assert [str(diagnostic.code) for diagnostic in caught.value.diagnostics] == [code]


def test_no_value_of_the_process_environment_is_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPC", "hunter2")
    text = ENVIRONMENT.replace("SIGNER", "{private_key: 'file:a'}").replace("http://127.0.0.1:8545", "'{{ env.RPC }}'")
    file.write_text(text)
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(file)
    assert "hunter2" not in repr(caught.value.diagnostics)


_words = st.sampled_from(
    ["version", "name", "population", "size", "gift", "vars", "extends", "backend", "kind", "eth", "{{ x }}", "checks"]
)
_values = st.none() | st.booleans() | st.integers() | st.floats() | _words | st.text(max_size=8)
_trees = st.recursive(_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=_trees, raw=st.text(max_size=40), choice=st.booleans())
def test_any_document_loads_or_is_refused(file: Path, tree: Any, raw: str, choice: bool) -> None:
    file.write_text(yaml.safe_dump(tree) if choice else raw, "utf-8", errors="surrogatepass")
    for load in (load_scenario, load_environment):
        with pytest.raises(DiagnosticsError):
            load(file)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(1, 10_000_000),
    threshold=st.integers(0, 10**9),
    languages=st.dictionaries(st.sampled_from(["en", "sw", "luo"]), st.integers(1, 9), min_size=1),
    adjust=st.none() | st.sampled_from(["-2%", "+0.5%"]),
)
def test_a_canonical_document_means_the_same(
    file: Path, size: int, threshold: int, languages: dict[str, int], adjust: str | None
) -> None:
    document: dict[str, Any] = {"version": 1, "name": "a", "population": {"size": size, "languages": languages}}
    document |= {"gift": {"threshold": threshold}, "environment": "x.yaml"}
    document["backend"] = {"kind": "eth", "keystore": {"password": "file:p"}}
    document["checks"] = {"balance_adjust": adjust} if adjust else {}
    file.write_text(yaml.safe_dump(document))
    first = load_scenario(file)
    file.write_text(yaml.safe_dump(first.canonical()))
    assert load_scenario(file) == first

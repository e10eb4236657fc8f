import re
from dataclasses import fields
from pathlib import Path

import pytest

from cicscenario.cli.explain import explain
from cicscenario.cli.explainnames import names
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError
from cicscenario.language.diagnostic import EXPLANATIONS, Code
from cicscenario.language.schema import keys
from cicscenario.resources import load_schema
from cicscenario.sandbox.custodial.faults import _READERS
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.services import options_of
from cicscenario.sandbox.ussd.faults import UssdFaults
from cicscenario.vocabulary import load_scenario

GIFT_METHOD = """\
gift.method
  How gifts are paid: `transfer` from the signer's balance, `mint` new tokens (the signer must be a minter), or `none`.
  type     transfer | mint | none
  default  "transfer"
  example  "mint"
  since    0.1.0
"""


def test_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("gift.method") is ExitCode.OK
    assert capsys.readouterr().out == GIFT_METHOD


def test_a_mapping_lists_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    explain("chain.signer")
    out = capsys.readouterr().out
    assert out.startswith("environment.chain.signer\n")
    assert "environment.chain.signer.keyfile" in out


def test_every_code_and_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(EXPLANATIONS) == set(Code)
    for name in [*map(str, Code), *keys(load_schema("scenario-v1")), *keys(load_schema("environment-v1"))]:
        assert explain(name) is ExitCode.OK
        assert capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "population: {size: 3, languages: {en: 0}}",
        "population: {size: 3, languages: {sv: 1}}",
        "population: {size: 3, locales: [en_XX, 1]}",
        "population: {size: 3}\nvars: {a: [1], 1x: 2}",
        "population: {size: 3}\nmetadata: [phone, phone]",
        "population: {size: 3}\nchecks: {include: [pins]}",
        "population: {size: 3}\npins: {fixed: ['12345']}",
        "population: {size: x, sise: 3}\nextends: none.yaml\nname: b\nx: '{{ y }}'",
    ],
)
def test_whatever_an_error_says_to_explain_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"version: 1\nname: a\n{text}\n")
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(path)
    asked = re.findall(r"see: cicscenario explain (.*)", str(caught.value))
    assert len(asked) == len(caught.value.diagnostics)
    for key in asked:
        assert explain(key) is ExitCode.OK
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("faucet", "  causes   with false: no step faucet; no check faucet\n"),
        ("gift.threshold", "  causes   with 200: step gift\n"),
        ("metadata", '  causes   with ["custom"]: step metadata_custom; check metadata_custom\n'),
        ("pins", '  causes   with {"scheme": "bcrypt"}: step pins; check pins\n'),
        ("backend.keystore.kdf", '  causes   with "none": no step keystore; no check keystore\n'),
        ("checks.exclude", '  causes   with ["keystore"]: no check keystore\n'),
    ],
)
def test_the_steps_and_checks_that_a_key_causes(capsys: pytest.CaptureFixture[str], key: str, said: str) -> None:
    explain(key)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("key", ["population.seed", "environment"])
def test_a_key_that_causes_no_step_says_nothing_of_steps(capsys: pytest.CaptureFixture[str], key: str) -> None:
    explain(key)
    assert "causes" not in capsys.readouterr().out


def test_a_key_of_a_profile_has_a_prefix_where_others_have_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name in keys(load_schema("profile-v1")):
        explain(f"profile.{name}")
        assert capsys.readouterr().out.startswith(f"profile.{name}\n")
    explain("gender_by_occupation")
    assert capsys.readouterr().out.startswith("profile.gender_by_occupation\n")
    with pytest.raises(InvalidError) as caught:
        explain("profile.occupation")
    assert caught.value.hint == "did you mean `profile.occupations`?"


def test_without_a_key_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    explain(None)
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"population.size", "backend.keystore.kdf", "environment.chain.rpc"} <= names


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(InvalidError) as caught:
        explain("gift.treshold")
    assert caught.value.exit_code is ExitCode.INVALID
    assert caught.value.hint == "did you mean `gift.threshold`?"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("registration", "the step registration\n  after    accounts"),
        ("balance", "the check balance\n  proves   "),
        ("cic_ussd", "the backend cic_ussd\n  people join by phone"),
        ("preferences", "the metadata kind preferences\n"),
        ("3", "exit code 3 (UNAVAILABLE)\n  a service is missing"),
        ("RECONCILE", "exit code 5 (RECONCILE)"),
        ("custodial.drop-callback", "cicscenario stack up --fault custodial.drop-callback=SHARE"),
        ("meta.error-every", "the fault meta.error-every"),
    ],
)
def test_a_name_that_is_no_key(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert explain(name) is ExitCode.OK
    assert said in capsys.readouterr().out


def test_a_name_of_several_kinds_is_explained_as_each(capsys: pytest.CaptureFixture[str]) -> None:
    explain("gas")
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if not line.startswith(" ") and line] == [
        "gas",
        "the step gas",
        "the check gas",
    ]


def test_a_misspelt_name_of_a_fault_names_the_nearest() -> None:
    with pytest.raises(InvalidError) as caught:
        explain("custodial.drop-calback")
    assert caught.value.hint == "did you mean `custodial.drop-callback`?"


VALUES = {"SHARE": "0.5", "SECONDS": "2", "NAME": "eth.task", "TASKS": "3", "WEI": "0", "N": "7"}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_command_for_a_fault_works_when_its_value_is_filled_in(fault: str) -> None:
    (command,) = re.findall(r"cicscenario stack up --fault (\S+)", names()[fault][0]())
    name, _, takes = command.partition("=")
    options_of([f"{name}={VALUES[takes]}" if takes else name])
    if not takes:
        options_of([name])


def test_every_fault_of_the_services_is_known() -> None:
    own = {f"custodial.{name}" for name in _READERS}
    own |= {f"meta.{field.name.replace('_', '-')}" for field in fields(MetaFaults)}
    own |= {f"ussd.{field.name.replace('_', '-')}" for field in fields(UssdFaults)}
    assert set(FAULTS) == own

"""The schemas are whole, and the models have their fields, no more and no fewer."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.language import model
from cicscenario.language.descriptions import READINGS
from cicscenario.language.schema import properties
from cicscenario.profile import DRAWN, Profile
from cicscenario.resources import load_schema, schema_path
from cicscenario.vocabulary import schema_text

MODELS: dict[str, dict[tuple[str, ...], type]] = {
    "scenario-v1": {
        (): model.Scenario,
        ("population",): model.PopulationOptions,
        ("gift",): model.GiftOptions,
        ("pins",): model.PinOptions,
        ("traffic",): model.TrafficOptions,
        ("checks",): model.CheckOptions,
    },
    "environment-v1": {
        (): model.Environment,
        ("chain",): model.ChainEnvironment,
        ("chain", "signer"): model.SignerEnvironment,
        ("custodial",): model.CustodialEnvironment,
        ("ussd",): model.UssdEnvironment,
        ("accounts",): model.AccountsEnvironment,
        ("meta",): model.MetaEnvironment,
        ("workers",): model.WorkersEnvironment,
        **{(service, "limits"): model.Limits for service in ("chain", "custodial", "ussd", "accounts", "meta")},
    },
}
NOT_WRITTEN = {"path", "document", "combination", "faults", "pace"}  # what a model knows beside what its file says
RENAMED = {"from": "source"}  # a word that Python keeps for itself
WORKED_IN = {"extends", "vars", "matrix"}  # what is gone when a model is made


LEADING = {"properties", "items", "propertyNames", "if"}  # keywords whose errors are those of the schemas in them


def _keywords(schema: Any) -> Iterator[str]:
    """Those that can find an error, at any depth; a list of them too, as in `oneOf`."""
    if isinstance(schema, list):
        for child in schema:
            yield from _keywords(child)
    elif isinstance(schema, dict):
        yield from schema.keys() & Draft202012Validator.VALIDATORS.keys()
        for keyword, child in schema.items():
            if keyword == "properties":
                yield from _keywords(list(child.values()))
            elif keyword not in ("default", "examples", "enum"):
                yield from _keywords(child)


def test_a_profile_has_the_fields_of_its_schema() -> None:
    """And no version: those of other versions are refused."""
    assert {field.name for field in fields(Profile)} == set(load_schema("profile-v1")["properties"]) - {"version"}
    assert set(DRAWN) < {field.name for field in fields(Profile)}


def _schema_at(schema: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        schema = schema["properties"][name]
    return schema


@pytest.mark.parametrize("name", [*MODELS, "profile-v1"])
def test_every_property_is_described(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    for path, child in properties(schema):
        parent = _schema_at(schema, path[:-1])
        assert child["description"].endswith("."), path
        assert child["examples"], path
        assert child["x-since"], path
        # What may be left out without a default is null: `default: null` is not of the key's type, and yaml-language-server
        # stops completing at it.
        required = path[-1] in parent.get("required", ())
        assert "default" not in child or (child["default"] is not None and not required), path


@pytest.mark.parametrize("name", [*MODELS, "profile-v1"])
def test_examples_and_defaults_are_valid(name: str) -> None:
    for path, child in properties(load_schema(name)):
        values = child["examples"] + ([child["default"]] if child.get("default") is not None else [])
        for value in values:
            assert Draft202012Validator(child).is_valid(value), (path, value)


@pytest.mark.parametrize("name", MODELS)
def test_schema_and_model_hold_together(name: str) -> None:
    schema = load_schema(name)
    mappings = {path for path, child in properties(schema) if "properties" in child and path[0] != "backend"} | {()}
    assert mappings == set(MODELS[name]), "what `backend` takes is declared by the backends"
    for path, kind in MODELS[name].items():
        written = set(_schema_at(schema, path)["properties"])
        named = {RENAMED.get(name, name) for name in written}
        assert {field.name for field in fields(kind)} - NOT_WRITTEN == named - WORKED_IN, path


@pytest.mark.parametrize("name", [*MODELS, "profile-v1"])
def test_the_error_of_every_keyword_can_be_put_into_words(name: str) -> None:
    assert set(_keywords(load_schema(name))) <= READINGS.keys() | LEADING


def test_the_shipped_schema_has_the_names_and_options_that_are_declared() -> None:
    shipped = schema_path("scenario-v1").read_text("utf-8")
    assert shipped == schema_text(), "run: python -m cicscenario.vocabulary schemas/scenario-v1.json"

"""The backend cic_ussd: each person dials and chooses a language; the new account is then found by the phone pointer."""

from cicscenario.backends import work
from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION, TRAFFIC_COST
from cicscenario.backends.dialect import DIALECT, READABLE_PINS
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service
from cicscenario.language import KeyHolder, Rule, Scenario


def _refused_region(scenario: Scenario) -> tuple[str, ...] | None:
    by_phone = scenario.backend.traits.joins_by_phone
    return ("population", "region") if by_phone and work.joining.refused_number(scenario) else None


def _that_says_languages(scenario: Scenario) -> tuple[str, ...]:
    """The key that decides which languages people have."""
    return ("population", "languages" if scenario.population.languages else "profile")


def _languages_of_2021(scenario: Scenario) -> tuple[str, ...] | None:
    chosen = scenario.population.spoken
    return (
        _that_says_languages(scenario)
        if scenario.backend.option("dialect") == "2021" and chosen - {"en", "sw"}
        else None
    )


_PAY = ("traffic",)


def _pays(scenario: Scenario) -> bool:
    return scenario.backend.traits.joins_by_phone and scenario.traffic is not None


def _payers_of_2021(scenario: Scenario) -> tuple[str, ...] | None:
    return _PAY if _pays(scenario) and scenario.backend.option("dialect") == "2021" else None


def _without_pins(scenario: Scenario) -> tuple[str, ...] | None:
    return _PAY if _pays(scenario) and scenario.pins is None else None


def _with_hashes_only(scenario: Scenario) -> tuple[str, ...] | None:
    return _PAY if _pays(scenario) and scenario.pins is not None and scenario.pins.source else None


def _inactive(scenario: Scenario) -> tuple[str, ...] | None:
    return _PAY if _pays(scenario) and scenario.pins is not None and not scenario.ussd_data else None


BACKEND = BackendDescriptor(
    kind="cic_ussd",
    summary="people join by phone, and the custodial engine does the rest",
    keys=KeyHolder.ENGINE,
    joins_by_phone=True,
    has_phone_accounts=True,
    no_payments="",
    options={"dialect": DIALECT, "patience": PATIENCE},
    open=lambda run: work.cic_ussd.CicUssdBackend(run),
    accounts=BackendPart("join by phone, one dial each", Lane.SERVICE, (Service.USSD, Service.META)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
    traffic=BackendPart(
        "have people pay each other by phone, with their PINs",
        Lane.SERVICE,
        (Service.CHAIN, Service.USSD),
        TRAFFIC_COST,
        applies=lambda s: s.traffic is not None,
    ),
    needs=lambda survey: work.dialect.dialect_needs(survey),
    unfit=lambda scenario, person: work.joining.unfit(scenario, person),
    rules=(
        READABLE_PINS,
        Rule(
            ("backend.kind", "population.region", "population.size", "population.seed", "population.from"),
            _refused_region,
            "a region with phone numbers that the phone interface does not take",
            lambda s: work.joining.other_region(s),
        ),
        Rule(
            ("backend.dialect", "population.languages", "population.profile"),
            _languages_of_2021,
            "languages that the phone interface of 2021 does not offer",
            "it offers en and sw; choose of these in `population.languages`",
        ),
        Rule(
            ("traffic", "backend.dialect"),
            _payers_of_2021,
            "payments by the phone interface of 2021, which may take an input for one of an earlier menu: it stores a session"
            " only after its answer",
            "leave `traffic` out, or use cic-ussd of 2022, with `dialect: current`",
        ),
        Rule(
            ("traffic", "pins"),
            _without_pins,
            "payments by phone of people who have no PIN: the phone asks for it before it pays",
            "add `pins` to the scenario, and `ussd_data: true`, which makes their accounts active",
        ),
        Rule(
            ("traffic", "pins.from"),
            _with_hashes_only,
            "payments by phone with PINs that nobody knows: `pins.from` has only their hashes",
            "leave `traffic` out, or have PINs made from the seed, `pins.fixed`, or the table of people",
        ),
        Rule(
            ("traffic", "pins", "ussd_data"),
            _inactive,
            "payments by phone from accounts that are not active: the phone asks for a new PIN there, whatever their hash",
            "set `ussd_data: true`",
        ),
    ),
)

"""The backend cic_ussd: each person dials and chooses a language; the new account is then found by the phone pointer."""

from cicscenario.backends import work
from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION
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


BACKEND = BackendDescriptor(
    kind="cic_ussd",
    summary="people join by phone, and the custodial engine does the rest",
    keys=KeyHolder.ENGINE,
    joins_by_phone=True,
    has_phone_accounts=True,
    no_payments="does not pay by phone yet",
    options={"dialect": DIALECT, "patience": PATIENCE},
    open=lambda run: work.cic_ussd.CicUssdBackend(run),
    accounts=BackendPart("join by phone, one dial each", Lane.SERVICE, (Service.USSD, Service.META)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
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
    ),
)

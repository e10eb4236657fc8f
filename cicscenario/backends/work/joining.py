"""Who can join by phone."""

from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.people.phone import PhoneNumbers
from cicscenario.services.ussd_limits import DIGITS, language_problem, number_problem
from cicscenario.services.ussd_screens import Dialect


def unfit(scenario: Scenario, person: Person) -> str | None:
    """The reason why a person cannot join by phone."""
    dialect = Dialect(scenario.backend.option("dialect"))
    return number_problem(person.phone) or language_problem(person.language, dialect)


def refused_number(scenario: Scenario) -> str | None:
    """The first number of a generated person that the interface does not take."""
    people = scenario.population
    if people.source is not None or people.size is None:
        return None
    return PhoneNumbers(people.seed, people.region).first_beyond(DIGITS, people.size)


def other_region(scenario: Scenario) -> str:
    """What to do about a region that has such a number."""
    return (
        f"{scenario.population.region} has numbers such as {refused_number(scenario)}, and it takes + and {DIGITS[0]} to"
        f" {DIGITS[-1]} digits: choose another `region`, such as KE"
    )

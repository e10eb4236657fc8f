"""Statements that PostgreSQL reads once: how they are written for it, and when."""

from cicscenario.sandbox import preparing


def test_parameters_are_numbered_in_their_order() -> None:
    assert preparing.numbered("SELECT %s + %s::integer") == ("SELECT $1 + $2::integer", ())


def test_a_name_that_occurs_again_has_the_same_number() -> None:
    query = "SELECT %(key)s, %(address)s, %(key)s"
    assert preparing.numbered(query) == ("SELECT $1, $2, $1", ("key", "address"))

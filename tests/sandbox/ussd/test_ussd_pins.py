"""PIN hashes, against hashes that the real servers have accepted."""

import pytest
from cryptography.fernet import InvalidToken

from cicscenario.sandbox.ussd.pins import BcryptPinScheme, FernetPinScheme, PinScheme

BCRYPT = {
    "1234": "$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG",
    "0000": "$2b$08$abcdefghijklmnopqrstuu8aOvr6kQEzflRlFbOPlr5f2DzZgrjjy",
    "4321": "$2b$08$abcdefghijklmnopqrstuuJmjYpg3bHlvS7uh8VxAjAAVAa3i5j0O",
    "9999": "$2b$08$abcdefghijklmnopqrstuuo9WCy.dAYbhdhVcC1dawF.Cfzbcuuhm",
}
FERNET = (
    "gAAAAABgf_rAAAECAwQFBgcICQoLDA0OD7K5gH7lDKjQJca2XaoA7Mt6FMjD7Tk-n7auRA_eNA6KIp9bRhJscTnpfP4PmEI4_nu8ixwEWgvLl5"
    "GEMvk7sRl6FZMrlTyt2FzRJz_UDXSuxl_-P9BfJ64PuRC8HLNNtw=="
)


@pytest.mark.parametrize(("pin", "hashed"), BCRYPT.items())
def test_a_pin_matches_its_hash_and_no_other(pin: str, hashed: str) -> None:
    assert [other for other in BCRYPT if BcryptPinScheme().matches(other, hashed)] == [pin]
    assert BcryptPinScheme().matches(pin, hashed.replace("$2b$", "$2a$"))


def test_the_real_servers_token_of_2021_opens_with_its_pepper() -> None:
    assert FernetPinScheme().matches("1234", FERNET)
    assert not FernetPinScheme().matches("9999", FERNET)


def test_new_hashes_look_like_those_of_their_time() -> None:
    new, old = BcryptPinScheme().hash("1234"), FernetPinScheme().hash("1234")
    assert new.startswith("$2b$08$")
    assert len(new) == 60
    assert old.startswith("gAAAAA")
    assert len(old) == 164
    assert BcryptPinScheme().matches("1234", new)
    assert FernetPinScheme().matches("1234", old)


def test_another_pepper_opens_nothing() -> None:
    with pytest.raises(InvalidToken):
        FernetPinScheme(b"A" * 43 + b"=").matches("1234", FERNET)


@pytest.mark.parametrize("hashed", ["", " " + BCRYPT["1234"], FERNET, "5f3f0e6a7b6c4f0d9f0e6a7b6c4f0d9f", None])
def test_what_is_no_bcrypt_hash_is_an_error_and_no_wrong_pin(hashed: str | None) -> None:
    with pytest.raises(ValueError, match=r"salt|no PIN"):
        BcryptPinScheme().matches("1234", hashed)


def test_a_hash_with_a_line_end_never_matches() -> None:
    assert not BcryptPinScheme().matches("1234", BCRYPT["1234"] + "\n")


@pytest.mark.parametrize("pins", [BcryptPinScheme(4), FernetPinScheme()])
def test_a_very_long_input_is_wrong_and_no_error(pins: PinScheme) -> None:
    assert not pins.matches("1" * 500, pins.hash("1234"))

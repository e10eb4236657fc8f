"""A person's profile: from what was entered to the person document in the metadata server, and back to the screen."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft7Validator

from cicscenario.chainspec import ChainSpec
from cicscenario.people import vcard
from cicscenario.sandbox.ussd.accounts import UssdAccount, international_form
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.menus import OLD

_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
#: What cic-ussd asks of a document that it reads. Source: cic-types, person-v1.json; looser than ours.
_READABLE = Draft7Validator(
    {
        "type": "object",
        "required": ["date_registered", "identities", "vcard"],
        "properties": {
            "date_registered": {"type": "number", "minimum": 0},
            "date_of_birth": {"type": "object", "properties": {"year": {"type": "number", "minimum": 1900}}},
            "gender": _TEXT,
            "identities": {"type": "object"},
            "location": {
                "type": "object",
                "properties": {"area_name": _TEXT, "area_type": _TEXT, "latitude": _NUMBER, "longitude": _NUMBER},
            },
            "products": {"type": "array", "items": _TEXT},
            "vcard": _TEXT,
        },
    }
)


class NoProfileError(Exception):
    """cic-ussd cannot make a person document, or needs one that it has not read yet."""


class Profiles:
    """Reads person documents from the cache; ``clock`` gives the time."""

    def __init__(
        self, dialect: str, cache: Cache, chain: ChainSpec, clock: Callable[[], datetime] = datetime.now
    ) -> None:
        self._is_old = dialect == OLD
        self._cache = cache
        self._chain = chain
        self._clock = clock

    def is_known(self, account: UssdAccount) -> bool:
        return self._cache.person(account.raw_address) is not None

    def name(self, account: UssdAccount) -> str:
        """Names and phone number of an account's owner, or the number alone when the names are not known."""
        document = self._cache.person(account.raw_address)
        if document is None:
            return account.phone
        contact = vcard.decode(document["vcard"])
        return f"{contact.given} {contact.family} {contact.phone}"

    def document(self, account: UssdAccount, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The person document of what was entered. Raises NoProfileError when there are no names or no products."""
        products, location, born = fields.get("products"), fields.get("location"), fields.get("date_of_birth")
        if isinstance(products, str):
            products = products.split(",")
        given, family = fields.get("given_name"), fields.get("family_name")
        if self._is_old and born is None:
            raise NoProfileError("a person document of 2021 needs the year of birth")
        if products is None or not isinstance(given, str) or not isinstance(family, str):
            raise NoProfileError("a person document needs names and products")
        known = fields.get("identities")
        contact = vcard.Contact(given, family, fields.get("email"), international_form(account.phone))
        return {
            "date_registered": int(account.created.replace(tzinfo=UTC).timestamp()),
            "date_of_birth": born if isinstance(born, dict) else {"year": int(born)} if born is not None else {},
            "gender": fields.get("gender"),
            "identities": known if isinstance(known, dict) else self._identities(account.address),
            "location": location if isinstance(location, dict) else {"area_name": location},
            "products": products,
            "vcard": vcard.encode(contact),
        }

    def changed(self, account: UssdAccount, entered: Mapping[str, Any]) -> dict[str, Any]:
        """The cached document with what was entered in place of the old. Raises NoProfileError when none is cached."""
        old = self._cache.person(account.raw_address)
        if old is None:
            raise NoProfileError("there is no person document to change")
        contact = vcard.decode(old["vcard"])
        location = entered.get("location") or old.get("location")
        if isinstance(location, str):
            location = (old.get("location") or {}) | {"area_name": location}
        fields = {
            "given_name": entered.get("given_name") or contact.given,
            "family_name": entered.get("family_name") or contact.family,
            "email": contact.email,
            "date_of_birth": entered.get("date_of_birth") or old.get("date_of_birth"),
            "gender": entered.get("gender") or old.get("gender"),
            "location": location,
            "products": entered.get("products") or old.get("products"),
            "identities": old.get("identities"),
        }
        return self.document(account, fields)

    def _identities(self, address: str) -> dict[str, Any]:
        chain = self._chain
        if self._is_old:  # with a blank before the number
            return {chain.engine: {f"{chain.common_name}:{chain.engine}: {chain.network_id}": [address]}}
        return {chain.engine: {chain.fork: {chain.identity_key: [address]}}}

    def shown(self, document: Mapping[str, Any], absent: str) -> dict[str, Any]:
        """The values of the profile screen; ``absent`` stands for what is not known."""
        contact = vcard.decode(document["vcard"])
        born = document.get("date_of_birth")
        values = {
            "age": self._clock().year - born["year"] if born else None,
            "gender": document.get("gender"),
            "location": document["location"].get("area_name"),
            "products": ", ".join(document["products"]),
        }
        shown = {name: absent if value is None else value for name, value in values.items()}
        return {"full_name": f"{contact.given} {contact.family}"} | shown


def normalised(document: Any) -> dict[str, Any]:
    """A person document as cic-ussd caches it. Raises ValueError, or another exception, for one that it cannot use."""
    if not _READABLE.is_valid(document):
        raise ValueError("not a person document")
    contact = vcard.decode(document["vcard"])
    location = document["location"]
    kept = {name: location[name] for name in ("area_type", "area_name") if location.get(name) is not None}
    if location.get("latitude") and location.get("longitude"):
        kept |= {"latitude": location["latitude"], "longitude": location["longitude"]}
    cached = {
        "date_registered": document.get("date_registered"),
        "gender": document.get("gender"),
        "identities": document.get("identities"),
        "location": kept,
        "products": document.get("products"),
        "vcard": vcard.encode(
            vcard.Contact(contact.given, contact.family, contact.email, international_form(contact.phone))
        ),
    }
    if document.get("date_of_birth"):
        cached["date_of_birth"] = document["date_of_birth"]
    return cached

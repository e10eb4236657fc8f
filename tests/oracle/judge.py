"""The verdict on a run: who is lost, what was done twice, and what is wrong."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
from eth_account import Account
from eth_hash.auto import keccak

from tests.oracle.chain import Log, word
from tests.oracle.run import Member, Paid, Wanted, members, paid, wanted
from tests.oracle.world import Baseline, Place, bare

_ACTIVE = 2  # of cic-ussd's AccountStatus


@dataclass
class Verdict:
    """Findings, each a sentence. ``lost``: somebody lacks something. ``doubled``: something was done more than once."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  #: files of processes that were killed, which are in nobody's way

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def lines(self) -> list[str]:
        parts = {"lost": self.lost, "doubled": self.doubled, "wrong": self.wrong, "left": self.left}
        return [f"{kind}: {finding}" for kind, findings in parts.items() for finding in findings]

    def __str__(self) -> str:
        return f"{len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.wrong)} wrong"

    def once(self, who: object, what: str, times: int) -> None:
        if times == 0:
            self.lost.append(f"{who}: no {what}")
        elif times > 1:
            self.doubled.append(f"{who}: {what} {times} times")

    def equal(self, who: object, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self.wrong.append(f"{who}: {what} is {found!r:.200}, expected {expected!r:.200}")


def judge(scenario: Path, place: Place, directory: Path, since: Baseline | None = None) -> Verdict:
    """Judges a run that is said to be complete. What was there at ``since`` does not count."""
    verdict, since = Verdict(), since or Baseline()
    asked, people = wanted(scenario), members(directory)
    _population(verdict, asked, people)
    there = [person for person in people if person.account]
    payments = paid(directory)
    _chain(verdict, asked, there, place, since, payments)
    if asked.payments:
        _payments(verdict, asked, there, place, since, payments)
    _orphans(verdict, people, place, since)
    if "meta" in place.environment:
        _metadata(verdict, asked, there, place)
    if asked.backend == "cic_ussd":
        _account_table(verdict, asked, there, place)
        _result_files(verdict, asked, people, directory)
    if asked.keyfiles:
        _keyfiles(verdict, there, directory)
    _transaction_files(verdict, place, since, directory, {one.account for one in there if asked.backend == "eth"})
    return verdict


def _population(verdict: Verdict, asked: Wanted, people: list[Member]) -> None:
    numbers = Counter(person.number for person in people)
    for number in range(asked.size):
        verdict.once(f"person {number}", "person in the state", numbers[number])
    for number in numbers.keys() - set(range(asked.size)):
        verdict.wrong.append(f"person {number} is not of this scenario")
    for what in ("phone", "account"):
        for value, times in Counter(getattr(person, what) for person in people).items():
            if value and times > 1:
                verdict.doubled.append(f"{what} {value} is that of {times} people")
    for person in people:
        if not person.account:
            verdict.lost.append(f"{person}: no account")


def _chain(
    verdict: Verdict, asked: Wanted, people: list[Member], place: Place, since: Baseline, own: list[Paid]
) -> None:
    chain = place.chain
    index, token, faucet = (
        chain.contract(place.registry, name) for name in ("AccountRegistry", "DefaultToken", "Faucet")
    )
    unit = 10 ** int(chain.view(token, "decimals()"), 16)
    paid_out = int(chain.view(faucet, "tokenAmount()"), 16) if asked.faucet else 0
    sent = chain.sent_since(since.block)
    payments = chain.payments_since(since.block, token)
    registered = chain.logs_since(since.block, index)
    used = chain.logs_since(since.block, faucet)
    registrations, faucet_uses = _named(registered), _named(used)
    gifts, gas_gifts = defaultdict[str, list[int]](list), Counter[str]()
    for sender, to, amount in payments:
        if sender == place.signer:
            gifts[to].append(amount)
    gas_gifts.update(one.to for one in sent if one.plain and one.ok and one.value)
    moved = Counter[int]()
    for payment in (one for one in own if not one.refused):
        moved[payment.payee] += payment.amount
        moved[payment.payer] -= payment.amount
    balances = chain.views(token, "balanceOf(address)", [word(person.account) for person in people])
    in_index = chain.views(index, "have(address)", [word(person.account) for person in people])
    for person, balance, known in zip(people, balances, in_index, strict=True):
        due = person.gift * unit if asked.gifts else 0
        verdict.once(person, "registration", registrations[word(person.account)])
        verdict.equal(person, "entry in the accounts index", known, 1)
        got = gifts[person.account]
        if due or got:
            verdict.once(person, "gift", len(got))
        if got:
            verdict.equal(person, "sum of the gifts", sum(got), due)
        if asked.gas:
            verdict.once(person, "gas gift", gas_gifts[person.account])
        if asked.faucet:
            verdict.once(person, "use of the faucet", faucet_uses[word(person.account)])
        verdict.equal(person, "token balance", balance, due + paid_out + moved[person.number])
    mine = {person.account for person in people}
    for _, to, amount in (one for one in payments if one[0] == place.signer and one[1] not in mine):
        verdict.wrong.append(f"{amount} base units went to {to}, who is nobody of this run")
    _signer(verdict, asked, people, place, since, [one for one in sent if one.sender == place.signer])


def _named(logs: Iterable[Log]) -> Counter[str]:
    """How many events name each account, as a word."""
    return Counter(one for log in logs for one in set(log.words))


def _payments(
    verdict: Verdict, asked: Wanted, people: list[Member], place: Place, since: Baseline, made: list[Paid]
) -> None:
    """What people have sent to the token is what the run says of its payments, one transaction for each, and nothing else.

    People whose keys the run holds send nothing else to others either; those of the engine trigger the faucet themselves.
    """
    accounts = {person.number: person.account for person in people}
    chain, token = place.chain, place.chain.contract(place.registry, "DefaultToken")
    own, theirs = asked.backend == "eth", set(accounts.values())
    sent = {one.hash: one for one in chain.sent_since(since.block) if one.sender in theirs and (own or one.to == token)}
    moved = chain.transfers_since(since.block, token)
    verdict.equal("payments", "numbers", sorted(one.number for one in made), list(range(asked.payments)))
    refused = sum(one.refused for one in made)
    verdict.equal("payments", "number of refused ones", refused, int(round(asked.payments * asked.overdrafts, 9)))
    by_phone = [one for one in made if one.refused and not one.hash and asked.backend == "cic_ussd"]
    made = [one for one in made if one not in by_phone]  # the phone refuses before there is a transaction
    for digest, times in Counter(one.hash for one in made).items():
        verdict.once(f"payment in {digest}", "line in payments.csv", times)
    for one in made:
        there = sent.pop(one.hash, None)
        if there is None:
            verdict.lost.append(f"payment {one.number}: {one.hash} is not on the chain, or in two lines")
            continue
        verdict.equal(f"payment {one.number}", "payer", there.sender, accounts[one.payer])
        verdict.equal(f"payment {one.number}", "success", there.ok, not one.refused)
        expected = [] if one.refused else [(accounts[one.payer], accounts[one.payee], one.amount)]
        verdict.equal(f"payment {one.number}", "transfer", moved.get(one.hash, []), expected)
    verdict.doubled.extend(f"{one.sender} has sent {digest}, which is no payment" for digest, one in sent.items())


def _signer(
    verdict: Verdict, asked: Wanted, people: list[Member], place: Place, since: Baseline, sent: list[Any]
) -> None:
    """The signer's transactions are those that the scenario needs, in one sequence of nonces without a gap."""
    needed = sum(1 for person in people if person.gift and asked.gifts)
    if asked.backend == "eth":
        needed += len(people) * (1 + int(asked.gas) + int(asked.faucet))
    nonces = sorted(one.nonce for one in sent)
    if len(sent) > needed:
        verdict.doubled.append(f"the signer made {len(sent)} transactions, and {needed} were needed")
    verdict.equal("the signer", "sequence of nonces", nonces, list(range(since.nonce, since.nonce + len(nonces))))
    verdict.equal("the signer", "nonce", place.chain.nonce(place.signer), since.nonce + needed)
    verdict.equal("the signer", "pending nonce", place.chain.nonce(place.signer, "pending"), since.nonce + needed)
    verdict.wrong.extend(f"transaction {one.hash} of the signer failed" for one in sent if not one.ok)


def _orphans(verdict: Verdict, people: list[Member], place: Place, since: Baseline) -> None:
    accounts, phones = {person.account for person in people}, {person.phone for person in people}
    for key in place.keys() - since.keys - accounts:
        verdict.doubled.append(f"the engine made {key}, which is the account of nobody")
    for phone in place.phones() - since.phones - phones:
        verdict.doubled.append(f"{phone} joined by phone, and is nobody of this run")


def _metadata(verdict: Verdict, asked: Wanted, people: list[Member], place: Place) -> None:
    for person in people:
        account = bytes.fromhex(person.account)
        expected = {
            "phone": (person.phone.encode(), person.account),
            "preferences": (account, {"preferred_language": person.language}),
            "custom": (account, {"tags": person.tags}),
        }
        for kind in asked.metadata:
            key, value = expected.get(kind, (account, None))
            found = place.entry(hashlib.sha256(key + f":cic.{kind}".encode()).digest())
            if found is None:
                verdict.lost.append(f"{person}: no {kind} metadata")
            elif kind == "person":
                verdict.equal(person, "document", _without(found), _without(person.document))
                if person.account not in set(_addresses(found.get("identities"))):
                    verdict.wrong.append(f"{person}: the document does not name the account")
            else:
                verdict.equal(person, f"{kind} metadata", found, value)


def _without(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "identities"}


def _addresses(identities: Any) -> Iterable[str]:
    """All texts in nested mappings and lists, as addresses."""
    if isinstance(identities, str):
        yield bare(identities)
    for inner in (
        identities.values() if isinstance(identities, dict) else identities if isinstance(identities, list) else ()
    ):
        yield from _addresses(inner)


def _account_table(verdict: Verdict, asked: Wanted, people: list[Member], place: Place) -> None:
    sql = "SELECT blockchain_address, status, preferred_language, password_hash FROM account WHERE phone_number = %s"
    for person in people:
        rows = place.rows(sql, person.phone)
        verdict.once(person, "row of the account table", len(rows))
        for address, status, language, hashed in rows:
            verdict.equal(person, "account in the table", bare(address), person.account)
            if asked.ussd_data:
                verdict.equal(person, "status and language", (status, language), (_ACTIVE, person.language))
            if asked.pins and not hashed:
                verdict.lost.append(f"{person}: no PIN")
            elif asked.pins and not _opens(hashed, asked.pin(person.number)):
                verdict.wrong.append(f"{person}: the hash is not of the PIN")


def _opens(hashed: str, pin: str) -> bool:
    try:
        return bcrypt.checkpw(pin.encode(), hashed.encode())
    except ValueError:
        return False


def _result_files(verdict: Verdict, asked: Wanted, people: list[Member], directory: Path) -> None:
    names = (["pins.csv"] if asked.pins else []) + (["ussd_data.csv"] if asked.ussd_data else [])
    for name in names:
        path = directory / name
        lines = path.read_text().splitlines() if path.exists() else []
        found = Counter(line.partition(",")[0] for line in lines)
        for person in people:
            verdict.once(person, f"line in {name}", found[person.phone])


def _keyfiles(verdict: Verdict, people: list[Member], directory: Path) -> None:
    password = directory / "keystore.password"
    _none_but(verdict, directory / "keystore", {f"{person.account}.json" for person in people})
    for person in people:
        path = directory / "keystore" / f"{person.account}.json"
        if not path.exists():
            verdict.lost.append(f"{person}: no keystore file")
            continue
        try:
            key = Account.decrypt(json.loads(path.read_text()), password.read_text().strip())
        except ValueError as error:
            verdict.wrong.append(f"{person}: the keystore file cannot be opened: {error}")
            continue
        verdict.equal(person, "account of the key", bare(Account.from_key(key).address), person.account)


def _transaction_files(
    verdict: Verdict, place: Place, since: Baseline, directory: Path, accounts: Collection[str]
) -> None:
    """Each transaction of the signer and of people is under ``tx``, whole and named by its hash, and nothing else is."""
    senders = {place.signer, *accounts} if (directory / "payments.csv").exists() else {place.signer}
    sent = {one.hash for one in place.chain.sent_since(since.block) if one.sender in senders}
    folders: dict[str, list[str]] = {}
    for name in sorted(sent):
        folders.setdefault(name[:2], []).append(name)
    _none_but(verdict, directory / "tx", folders)
    for folder, names in folders.items():
        _none_but(verdict, directory / "tx" / folder, set(names))
    for name in sorted(sent):
        path = directory / "tx" / name[:2] / name
        if not path.exists():
            verdict.lost.append(f"transaction {name} has no file")
        elif keccak(bytes.fromhex(path.read_text())).hex() != name:
            verdict.wrong.append(f"the file of transaction {name} has another one")


def _none_but(verdict: Verdict, folder: Path, names: Container[str]) -> None:
    """Finds files that are nothing of the run's, such as those of a process that was killed."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in names:
            found = verdict.left if path.name.startswith(".") else verdict.wrong
            found.append(f"{folder.name}/{path.name} should not be there")

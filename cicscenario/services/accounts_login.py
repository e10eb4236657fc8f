"""How the account database is reached: the keys of the environment file, and those of the service file that it may name."""

from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import open_input
from cicscenario.language import AccountsEnvironment
from cicscenario.transport import libpq, tls

_MODE = "prefer"  # libpq's own default
_AUTHENTICATION = "scram-sha-256"  # the server learns nothing by it that it could use elsewhere
_FIRST_TO_REQUIRE = 160_000  # the version of libpq that knows `require_auth`
_OWN = ("host", "port", "dbname", "user", "password")  # parameters with a field of their own


@dataclass(frozen=True)
class AccountsLogin:
    """The arguments of AccountsDatabase; ``repr`` leaves out the password."""

    host: str
    port: str
    database: str
    user: str
    password: str
    parameters: dict[str, str]

    def __repr__(self) -> str:
        return f"AccountsLogin({self.host}:{self.port}/{self.database})"


def read_login(where: AccountsEnvironment, ca: Path | None) -> AccountsLogin:
    """What the environment file says, else its service; what neither says is left to libpq. ``ca`` is the key of that name.

    Raises InvalidError for a service or a file that is not there.
    """
    service = libpq.read_service(where.service, where.servicefile) if where.service else {}
    password = where.password.reveal() if where.password else service.get("password", "")
    return AccountsLogin(
        where.host or service.get("host", ""),
        str(where.port or service.get("port", "")),
        where.database or service.get("dbname", ""),
        where.user or service.get("user", ""),
        password,
        {name: value for name, value in service.items() if name not in _OWN}
        | _security(where, service, ca)
        | _authentication(where, service, password),
    )


def _authentication(where: AccountsEnvironment, service: dict[str, str], password: str) -> dict[str, str]:
    """How the server may ask for the password. libpq alone would give it in clear text to whatever asks for it so."""
    method = where.require_auth or service.get("require_auth") or (_AUTHENTICATION if password else None)
    if method and libpq.version() < _FIRST_TO_REQUIRE:
        raise InvalidError(
            f"the PostgreSQL library here, libpq {libpq.version() // 10_000}, cannot hold back a password",
            hint="pip install --upgrade psycopg2-binary",
        )
    return {"require_auth": method} if method else {}


def _security(where: AccountsEnvironment, service: dict[str, str], ca: Path | None) -> dict[str, str]:
    mode = where.sslmode or service.get("sslmode", _MODE)
    files = {"sslcert": where.sslcert, "sslkey": where.sslkey}
    if where.sslrootcert:
        files["sslrootcert"] = tls.authorities(where.sslrootcert)
    elif mode.startswith("verify") and "sslrootcert" not in service:
        files["sslrootcert"] = tls.authorities(ca)
    for name, file in files.items():
        _require(name, file)
    return {"sslmode": mode} | {name: str(file) for name, file in files.items() if file}


def _require(name: str, file: Path | None) -> None:
    """libpq goes on without a file that is not there."""
    try:
        if file:
            open_input(file).close()
    except OSError as error:
        reason = reason_of(error)
        raise InvalidError(f"cannot read accounts.{name} {file}: {reason}", hint="name another file") from None

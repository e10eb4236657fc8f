"""Addresses of services as they may be shown: in messages, plans and reports."""

from urllib.parse import urlsplit


def public(url: str) -> str:
    """``url`` cut down to scheme, host and port: a user name, a password or an API key may be in the rest of it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not shown)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"

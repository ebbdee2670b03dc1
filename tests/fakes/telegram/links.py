"""The URLs that Telegram takes for a link (TDLib: `LinkManager::check_link`, `parse_url`)."""

import re

ADDRESS = re.compile(r"(?:(?P<protocol>[^:/?#@\[\]]*)://)?(?P<authority>[^/?#]*)(?P<rest>.*)", re.S)
AUTHORITY = re.compile(
    r"(?:(?P<user>.*)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^:\]@]*)(?::(?P<port>[^:\]@]*))?"
)
PART = re.compile(r"(?:[\w.\-!$,~*'();&+=\u0080-\U0010ffff]|%[0-9a-fA-F]{2})*")
INTERNAL = re.compile(r"(tg|ton|tonsite):(?://)?", re.I)


def checked(url: str) -> str:
    """The link as Telegram keeps it; ValueError tells why it is none."""
    internal = INTERNAL.match(url)
    if internal is not None:
        return _internal(internal[1].lower(), url[internal.end() :])
    protocol, host, rest = _split(url)
    if "." not in host and not host.startswith("["):
        raise ValueError("Wrong HTTP URL")
    return f"{protocol}://{host}{_path(rest)}"


def _internal(scheme: str, rest: str) -> str:
    allowed = r"[A-Za-z0-9_.-]+" if scheme == "tonsite" else r"[A-Za-z0-9_-]+"
    _, host, tail = _split(rest)
    if "://" in rest or not re.fullmatch(allowed, host):
        raise ValueError("Unallowed characters in URL host")
    path = _path(tail)
    return f"{scheme}://{host}{path[1:] if path.startswith('/?') else path}"


def _split(url: str) -> tuple[str, str, str]:
    address = ADDRESS.fullmatch(url)
    assert address is not None
    protocol = (address["protocol"] or "http").lower()
    if protocol not in {"http", "https"}:
        raise ValueError("Unsupported URL protocol")
    return protocol, _host(address["authority"]), address["rest"]


def _host(authority: str) -> str:
    """Host and port of an authority, with the user in front where there is one."""
    parts = AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("Disallowed character in URL host")
    port = parts["port"]
    if port is not None and not (port.isdecimal() and 0 < int(port) <= 65535):
        raise ValueError("Wrong port number specified in the URL")
    if not parts["host"]:
        raise ValueError("URL host is empty")
    if parts["host"][0] != "[" and not PART.fullmatch(parts["host"]):
        raise ValueError("Disallowed character in URL host")
    return authority.lower()


def _path(rest: str) -> str:
    path = re.sub(r"[\x00-\x20]", lambda found: f"%{ord(found[0]):02X}", rest.rstrip())
    return path if path.startswith("/") else f"/{path}"

"""Where credentials may be sent to.

A CRM's address is configuration, so a mistake or a planted value could send a token to another
host, or make this machine ask its own cloud for its keys. So an address is https (http only on
this machine itself), has no user and no query, and never names or resolves to a metadata service,
a link-local or a multicast address.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from scoring.errors import ConfigError

# Metadata services that are not link-local.
METADATA = {
    "100.100.100.200",
    "fd00:ec2::254",
    "168.63.129.16",
    "192.0.0.192",
}
METADATA_NAMES = {"metadata", "metadata.google.internal", "instance-data"}


def checked_address(address: str, what: str = "address") -> str:
    """The address without a slash at its end. Raises ConfigError with the reason; the host is
    shown, nothing else of it."""
    try:
        parts = urlsplit(address.strip())
        host, _ = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        raise _refused(what, "it is not an address") from None
    if parts.scheme not in ("https", "http") or not host:
        raise _refused(what, "it must begin with https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _refused(what, "it may hold neither a user nor a query")
    if host in METADATA_NAMES:
        raise _refused(what, f"{host} is a metadata service")
    there = _resolved(host)
    if parts.scheme == "http" and not (there and all(found.is_loopback for found in there)):
        raise _refused(what, f"{host} is another machine, so it must begin with https://")
    for found in there:
        if str(found) in METADATA or found.is_link_local or found.is_multicast:
            raise _refused(what, f"{host} is a metadata or link-local address")
        if found.is_unspecified:
            raise _refused(what, f"{host} names no machine")
    return address.strip().rstrip("/")


def is_loopback(address: str) -> bool:
    found = _resolved((urlsplit(address).hostname or "").lower())
    return bool(found) and all(each.is_loopback for each in found)


def _resolved(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of a host; none where it cannot be resolved now (nothing can be sent then)."""
    try:
        return [_plain(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        answers = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return [_plain(ipaddress.ip_address(str(a[4][0]).split("%")[0])) for a in answers]


def _plain(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address that is written as IPv6 is judged as what it is."""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found


def _refused(what: str, why: str) -> ConfigError:
    return ConfigError(
        f"The CRM's `{what}` is refused: {why}. No credentials were sent.",
        "Correct it in data/sources.toml, or in the environment variable that stands in for it.",
    )

"""Host names to addresses that may be connected to.

A name is looked up once per connection and the very address that passed the check is connected to, so that neither
a second DNS answer (rebinding) nor a redirect leads into a private network.
"""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from llm_twin.errors import ConfigError, Permanent, Reason, Transient
from llm_twin.settings import Settings

GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA has handed out of IPv6
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is reached
TARGET = re.compile(r"\[?([^\[\]]+?)\]?:(\d{1,5})")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is globally routable, and the IPv4 address within it too where it carries one."""
    if isinstance(address, IPv6Address):
        carried = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
        if carried:
            return is_public(carried)
        # 6to4 and Teredo are dead as services; what still answers there is a tunnel of somebody's own.
        if address not in GLOBAL_UNICAST or address.sixtofour or address.teredo:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is without asking DNS: `127.0.0.1`, `2130706433`, `0x7f.1`, `::1`, `blog.localhost`."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # knows the octal, hexadecimal and short spellings
    except (OSError, UnicodeError):
        return None


class Resolver:
    """Looks hosts up and refuses addresses that are not globally routable, unless `settings.allow_private`.

    `settings.resolve` sends `host:port` elsewhere, like curl's `--connect-to`; where it leads to is checked as well.
    Raises `ConfigError` when an entry of it is not `address:port`.
    """

    def __init__(self, settings: Settings) -> None:
        self._allow_private = settings.allow_private
        self._elsewhere: dict[str, tuple[str, int]] = {}
        for source, target in settings.resolve.items():
            match = TARGET.fullmatch(target)
            if not match:
                raise ConfigError(f'TWIN_RESOLVE: "{target}" for {source} is not address:port, such as 127.0.0.1:8443')
            self._elsewhere[source.lower()] = (match[1], int(match[2]))

    def redirected(self, host: str, port: int) -> bool:
        """Whether `settings.resolve` names this host and port."""
        return f"{host}:{port}" in self._elsewhere

    async def addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        """The checked (address, port) pairs to connect to, in the system's order of preference; at least one.

        Raises `Permanent(PRIVATE_ADDRESS)` when any of them is not public, `Transient(UNREACHABLE)` without any.
        """
        host = host.rstrip(".").lower()
        target, port = self._elsewhere.get(f"{host}:{port}", (host, port))
        known = literal(target)
        found = [known] if known else await _look_up(target)
        for address in found:
            self._check(host, address)
        return [(str(address), port) for address in found]

    def check_literal(self, host: str) -> None:
        """Refuse a host that is a private address by its spelling: all that can be checked ahead of a proxy."""
        known = literal(host.rstrip(".").lower())
        if known:
            self._check(host, known)

    def _check(self, host: str, address: IPv4Address | IPv6Address) -> None:
        if not self._allow_private and not is_public(address):
            name = host if host == str(address) else f"{host} ({address})"
            raise Permanent(
                Reason.PRIVATE_ADDRESS,
                f"{name} is not a public address; set TWIN_ALLOW_PRIVATE=true if it is meant",
            )


async def _look_up(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is empty or over 63 characters
        raise Permanent(Reason.BAD_LINK, f"no valid host name: {host}") from None
    except OSError as error:
        raise Transient(Reason.UNREACHABLE, f"{host} has no address in DNS: {error.strerror}") from None
    return list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in answers))

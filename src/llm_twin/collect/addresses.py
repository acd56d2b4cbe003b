"""Host names to addresses that may be connected to.

A name is looked up once per connection and the very address that passed the check is connected to, so that neither
a second DNS answer (rebinding) nor a redirect leads into a private network.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from llm_twin.errors import ConfigError, Permanent, Reason, Transient
from llm_twin.settings import Settings

GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA has handed out of IPv6
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is reached
ISATAP = {0x00005EFE, 0x02005EFE}  # RFC 5214: the 32 bits before the IPv4 address that a host tunnels to
# Public by their numbers, yet nobody's site: Azure's platform and metadata address, IETF assignments (Oracle's metadata
# among them), and the relays of 6to4.
INTERNAL = [ip_network(network) for network in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")]
# Names of private networks, whoever looks them up: a lone label, mDNS, home networks, clouds' metadata (ICANN has set
# `.internal` aside for private use, RFC 8375 `.home.arpa`, RFC 6762 `.local`).
PRIVATE_NAME = re.compile(r"[^.]+|(.+\.)?(internal|local|localdomain|lan|intranet|corp|home|home\.arpa)")
LOOKUPS = 32  # at the same time, apart from all other threads: a lookup can't be stopped, and dead names take long
LOOKUP_SECONDS = 10.0
AHEAD_SECONDS = 1.0  # for a lookup ahead of a proxy, which may be the only one that can look names up
PASSED_SECONDS, MAX_PASSED = 60.0, 10_000  # how long, and for how many hosts, such a check counts
HINT = "set TWIN_ALLOW_PRIVATE=true if it is meant"
TARGET = re.compile(r"\[?([^\[\]]+?)\]?:(\d{1,5})")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is globally routable, and the IPv4 address within it too where it carries one."""
    if isinstance(address, IPv6Address):
        last = IPv4Address(int(address) & 0xFFFFFFFF)
        carried = address.ipv4_mapped or (last if address in NAT64 else None)
        if carried:
            return is_public(carried)
        if (int(address) >> 32) & 0xFFFFFFFF in ISATAP and not is_public(last):
            return False
        # 6to4 and Teredo are dead as services; what still answers there is a tunnel of somebody's own.
        if address not in GLOBAL_UNICAST or address.sixtofour or address.teredo:
            return False
    if address.is_multicast or address.is_reserved or any(address in network for network in INTERNAL):
        return False
    return address.is_global


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
        self._threads: ThreadPoolExecutor | None = None
        self._passed: OrderedDict[str, float] = OrderedDict()
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
        found = [known] if known else await self._look_up(target)
        for address in found:
            self._check(host, address)
        return [(str(address), port) for address in found]

    async def check_ahead(self, host: str) -> None:
        """Refuse a host that a proxy will look up, if its spelling or our own DNS says that it is private.

        Where no DNS can be reached but by the proxy, names that are not known for private ones pass.
        """
        host = host.rstrip(".").lower()
        known = literal(host)
        if known:
            self._check(host, known)
        if known or self._allow_private or self._passed.get(host, 0) > time.monotonic():
            return
        if PRIVATE_NAME.fullmatch(host):
            raise Permanent(Reason.PRIVATE_ADDRESS, f"{host} is a name of private networks; {HINT}")
        try:
            for address in await self._look_up(host, AHEAD_SECONDS):
                self._check(host, address)
        except Transient:
            pass
        self._passed[host] = time.monotonic() + PASSED_SECONDS
        if len(self._passed) > MAX_PASSED:
            self._passed.popitem(last=False)

    def close(self) -> None:
        """Give the threads of lookups up, without waiting for those that hang."""
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _look_up(self, host: str, seconds: float | None = None) -> list[IPv4Address | IPv6Address]:
        self._threads = self._threads or ThreadPoolExecutor(LOOKUPS, "dns")
        loop = asyncio.get_running_loop()
        seconds = seconds or LOOKUP_SECONDS
        try:
            async with asyncio.timeout(seconds):
                answers = await loop.run_in_executor(self._threads, _addresses_of, host)
        except TimeoutError:
            raise Transient(Reason.UNREACHABLE, f"DNS gave no address of {host} within {seconds:g} s") from None
        except UnicodeError:  # a label that is empty or over 63 characters
            raise Permanent(Reason.BAD_LINK, f"no valid host name: {host}") from None
        except OSError as error:
            raise Transient(Reason.UNREACHABLE, f"{host} has no address in DNS: {error.strerror}") from None
        return answers

    def _check(self, host: str, address: IPv4Address | IPv6Address) -> None:
        if not self._allow_private and not is_public(address):
            name = host if host == str(address) else f"{host} ({address})"
            raise Permanent(
                Reason.PRIVATE_ADDRESS,
                f"{name} is not a public address; {HINT}",
            )


def _addresses_of(host: str) -> list[IPv4Address | IPv6Address]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in answers))

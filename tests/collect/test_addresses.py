"""Which addresses may be connected to, however they are spelt and whoever leads there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from llm_twin.collect import addresses as addresses_module
from llm_twin.collect.addresses import Resolver
from llm_twin.collect.web import Web
from llm_twin.errors import ConfigError, LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import LocalServer


def addresses(host: str, port: int = 80, **options: Any) -> list[tuple[str, int]]:
    return asyncio.run(Resolver(Settings(**options)).addresses(host, port))


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let DNS give these answers, one a question (the last for ever); returns the list of names asked for."""

    def install(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: object, *_: object, **__: object) -> list[tuple[Any, ...]]:
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [
                (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.0.0.1.", "localhost",
        "localhost.", "LOCALHOST", "blog.localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0",  # noqa: S104
        "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
        "168.63.129.16", "192.0.0.192", "100.100.100.200", "192.88.99.1", "0177.0.0.1", "127.0.1", "::ffff:a9fe:a9fe",
        "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:7f00:1", "::ffff:0:127.0.0.1", "ff0e::1", "233.252.0.1",
        "169.254.43518", "0xa9fea9fe", "100.127.255.254",
        "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:808:808::", "2001:0:4136:e378::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_in_any_spelling(host: str) -> None:
    with pytest.raises(Permanent, match="TWIN_ALLOW_PRIVATE") as caught:
        addresses(host)
    assert caught.value.reason is Reason.PRIVATE_ADDRESS


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_public_address_passes(host: str) -> None:
    [(address, port)] = addresses(host, 443)
    assert port == 443
    assert address


def test_private_addresses_pass_when_they_are_allowed() -> None:
    assert addresses("192.168.1.1", allow_private=True) == [("192.168.1.1", 80)]


def test_names_under_localhost_are_loopback_without_asking_dns(dns: Callable[..., list[str]]) -> None:
    asked = dns([])
    assert addresses("blog.localhost", 8321, allow_private=True) == [("127.0.0.1", 8321)]
    assert asked == []


def test_a_name_with_one_private_address_among_public_ones_is_refused(dns: Callable[..., list[str]]) -> None:
    dns(["93.184.216.34", "10.0.0.7"])
    with pytest.raises(Permanent, match=r"rebind.example \(10.0.0.7\)"):
        addresses("rebind.example")


def test_a_name_that_dns_does_not_know_may_be_tried_again(dns: Callable[..., list[str]]) -> None:
    dns([])
    with pytest.raises(Transient, match=r"no\.example has no address in DNS") as caught:
        addresses("no.example")
    assert caught.value.reason is Reason.UNREACHABLE


def test_a_name_that_dns_cannot_carry_is_a_bad_link() -> None:
    with pytest.raises(LinkError) as caught:
        addresses("a" * 64 + ".example")
    assert caught.value.reason is Reason.BAD_LINK


def test_resolve_leads_elsewhere_for_that_host_and_port_only(dns: Callable[..., list[str]]) -> None:
    dns(["93.184.216.34"])
    there = {"medium.com:443": "127.0.0.1:8443", "six.example:80": "[::1]:8080"}
    assert addresses("medium.com", 443, resolve=there, allow_private=True) == [("127.0.0.1", 8443)]
    assert addresses("Medium.com.", 443, resolve=there, allow_private=True) == [("127.0.0.1", 8443)]
    assert addresses("six.example", 80, resolve=there, allow_private=True) == [("::1", 8080)]
    assert addresses("medium.com", 80, resolve=there) == [("93.184.216.34", 80)]


def test_what_resolve_leads_to_is_checked_as_well() -> None:
    with pytest.raises(Permanent, match=r"medium.com \(127.0.0.1\)"):
        addresses("medium.com", 443, resolve={"medium.com:443": "127.0.0.1:8443"})


def test_a_resolve_entry_without_a_port_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"TWIN_RESOLVE: .*not address:port"):
        Web(Settings(resolve={"medium.com:443": "127.0.0.1"}))


def test_a_connection_goes_to_the_address_that_was_checked(
    server: LocalServer, dns: Callable[..., list[str]], settings_for: Callable[..., Settings]
) -> None:
    server.route("rebind.example", "/a", body="here")
    asked = dns(["127.0.0.1"], ["127.0.0.99"])  # a second question would lead to where nothing listens

    async def run() -> str:
        async with Web(settings_for()) as web:
            return (await web.get(f"http://rebind.example:{server.port}/a", robots=False)).text

    assert asyncio.run(run()) == "here"
    assert asked == ["rebind.example"]


def test_an_address_that_does_not_answer_is_followed_by_the_next(
    server: LocalServer, dns: Callable[..., list[str]], settings_for: Callable[..., Settings]
) -> None:
    server.route("two.example", "/a", body="here")
    dns(["127.0.0.99", "127.0.0.1"])

    async def run() -> str:
        async with Web(settings_for()) as web:
            return (await web.get(f"http://two.example:{server.port}/a", robots=False)).text

    assert asyncio.run(run()) == "here"


def test_programs_with_their_own_http_get_the_checked_address(settings_for: Callable[..., Settings]) -> None:
    web = Web(settings_for(resolve={"github.com:443": "127.0.0.1:8443"}))
    assert asyncio.run(web.address("GitHub.com", 443)) == ("127.0.0.1", 8443)
    with pytest.raises(Permanent):
        asyncio.run(Web(settings_for(allow_private=False)).address("git.localhost", 443))


def test_lookups_that_hang_end_in_time_and_hold_up_no_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(addresses_module, "LOOKUP_SECONDS", 0.2)

    async def run() -> list[BaseException | list[tuple[str, int]]]:
        resolver = Resolver(Settings())
        lookups = [asyncio.create_task(resolver.addresses(f"{number}.example", 80)) for number in range(40)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: "at once") == "at once"
        assert not any(task.done() for task in lookups)
        found = await asyncio.gather(*lookups, return_exceptions=True)
        released.set()
        resolver.close()
        return found

    for error in asyncio.run(run()):
        assert isinstance(error, Transient)
        assert error.reason is Reason.UNREACHABLE
        assert "within 0.2 s" in error.detail

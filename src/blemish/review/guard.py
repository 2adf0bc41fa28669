"""Access control: token, Host and Origin checks. Pure ASGI, wrapped around the application."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BYTES = 2_000_000
"""Size limit of a request's body."""
SAFE = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


@dataclass(frozen=True)
class Guard:
    """Lets a request through if its host, origin and token are right.

    Attributes:
        inside: The application.
        token: Made for this launch; arrives in the link and is kept in a cookie.
        port: Port that the program listens on.
        hosts: Names that the Host header may have, without port.
        any_address: Whether any IP address is accepted as a host: DNS rebinding needs a name.
    """

    inside: Application
    token: str
    port: int
    hosts: frozenset[str]
    any_address: bool = False

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies are shared by all ports of a host, so it holds the port."""
        return f"blemish_{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.inside(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        if (refused := self._refused(scope, headers)) is not None:
            await _answer(send, *refused)
            return
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["path"] == "/" and scope["method"] == "GET" and given:
            await self._enter(given[-1], send)
            return
        if not self._is_known(headers):
            await _answer(send, 401, "open the link that blemish printed: it contains the token of this launch")
            return
        await self.inside(scope, _limited(receive), _armoured(send))

    def _refused(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> tuple[int, str] | None:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or not self._is_ours(f"http://{hosts[0].decode('latin-1')}"):
            return 421, "unknown host name: open the page by the address that blemish printed"
        origins = headers.get(b"origin", [])
        own = f"http://{hosts[0].decode('latin-1')}"
        if any(origin.decode("latin-1") != own for origin in origins):
            return 403, "requests from other sites are refused"
        if scope["method"] not in SAFE and not origins:
            return 403, "requests that change something need an Origin header, as browsers send it"
        if headers.get(b"sec-fetch-site", [b"none"])[-1] not in (b"same-origin", b"none") and scope["path"] != "/":
            return 403, "other sites may not load parts of this page"
        length = headers.get(b"content-length", [b"0"])[-1]
        if not length.isdigit() or int(length) > MAX_BYTES:
            return 413, f"a request may have at most {MAX_BYTES} bytes"
        return None

    def _is_ours(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self.port or parts.username is not None or parts.path or parts.query or parts.fragment:
            return False
        return host in self.hosts or (self.any_address and _is_address(host))

    async def _enter(self, given: str, send: Send) -> None:
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            await _answer(send, 401, "this link belongs to an earlier launch; open the one that blemish printed last")
            return
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(send, 303, "", (b"location", b"/"), (b"set-cookie", cookie.encode()))

    def _is_known(self, headers: dict[bytes, list[bytes]]) -> bool:
        pairs = [pair.strip() for line in headers.get(b"cookie", []) for pair in line.split(b";")]
        ours = [pair.partition(b"=")[2] for pair in pairs if pair.partition(b"=")[0] == self.cookie.encode()]
        return any(hmac.compare_digest(value, self.token.encode()) for value in ours)


def allowed_hosts(host: str, own_names: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Names that the Host header may have, and whether any IP address is accepted.

    Args:
        host: Address that the program was bound to.
        own_names: Names of this machine, used if it is bound to all of its addresses.

    Example:
        >>> sorted(allowed_hosts("127.0.0.1", ["desk"])[0])
        ['127.0.0.1', '::1', 'localhost']
    """
    loopback = {"127.0.0.1", "localhost", "::1"}
    if host in loopback:
        return frozenset(loopback), False
    if host in ("0.0.0.0", "::", ""):
        return frozenset({*loopback, *(name.lower() for name in own_names)}), True
    return frozenset({*loopback, host.lower()}), False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _limited(receive: Receive) -> Receive:
    """Cut off a body that is longer than declared, as if the sender had disconnected."""
    seen = 0

    async def limited() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > MAX_BYTES else message

    return limited


def _armoured(send: Send) -> Send:
    async def armoured(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        await send(message)

    return armoured


async def _answer(send: Send, status: int, words: str, *more: tuple[bytes, bytes]) -> None:
    plain = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
    headers = [*HEADERS, *plain, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})

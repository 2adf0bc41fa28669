"""Start the page: bind a port, print the link, serve until stopped."""

import getpass
import secrets
import socket
import webbrowser
from collections.abc import Callable
from typing import Any

import uvicorn

from blemish.core.errors import ConfigError, StoppedError
from blemish.review.drawings import Thumbnails
from blemish.review.guard import Guard, allowed_hosts
from blemish.review.service import make_service
from blemish.review.session import Review

PORT = 8765
"""The same at every start if it is free: browsers store unsaved marks by address, so a restarted page finds them."""


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket; without a port on `PORT`, or the next free one.

    Raises:
        ConfigError: If the address or port is not available.
    """
    reason: object = ""
    for one in [port] if port is not None else range(PORT, PORT + 20):
        found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, one))
            found.listen(128)
        except OSError as error:
            found.close()
            reason = error.strerror or error
            continue
        return found
    ports = f"port {port}" if port is not None else f"a port from {PORT} to {PORT + 19}"
    raise ConfigError(f"blemish cannot listen on {host}, {ports} ({reason}); try another --port or --host")


def serve(
    review: Review, host: str, port: int | None, *, browser: bool, say: Callable[[str], Any], token: str | None = None
) -> None:
    """Serve until the process is stopped; raises StoppedError at Ctrl-C.

    Args:
        review: The labelling loop.
        host: Address to bind.
        port: Port, 0 for any free one; None: `PORT`.
        browser: Whether to open the page.
        say: Prints a line.
        token: Access token; None: a new one.
    """
    listening = bind(host, port)
    taken = listening.getsockname()[1]
    token = token or secrets.token_urlsafe(24)
    hosts, any_address = allowed_hosts(host, [socket.gethostname()])
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else host
    link = f"http://{f'[{shown}]' if ':' in shown else shown}:{taken}/?token={token}"
    guard = Guard(make_service(review, Thumbnails(), user()), token, taken, hosts, any_address)
    if not is_local(host):
        say(
            f"note: listening on {host}: everyone who can reach this machine and has the link can see and label the "
            "data; the connection is not encrypted, so use it in a trusted network or through a tunnel"
        )
    say(f"review: {link}")
    if browser:
        webbrowser.open(link)
    config = uvicorn.Config(guard, log_level="warning", access_log=False, lifespan="off", server_header=False)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; labels are stored in {review.ledger.name}") from None
    finally:
        listening.close()
        review.stop()


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens on an address."""
    return host in ("127.0.0.1", "localhost", "::1")


def user() -> str:
    """Name of the user who started the program."""
    try:
        return getpass.getuser()[:100] or "someone"
    except (KeyError, OSError):
        return "someone"

"""Start the program: bind, print the link, serve until it is stopped."""

import getpass
import secrets
import socket
import webbrowser
from collections.abc import Callable
from typing import Any

import uvicorn

from blemish.core.errors import ConfigError
from blemish.review.drawings import Thumbnails
from blemish.review.guard import Guard, allowed_hosts
from blemish.review.service import make_service
from blemish.review.session import Review

PORT = 8765
"""Always the same where it is free: a page keeps its unsaved marks by address, so it finds them after a restart."""


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens; without a port `PORT`, or the next free one.

    Raises:
        ConfigError: If the address or port cannot be had.
    """
    tried = [port] if port is not None else range(PORT, PORT + 20)
    reason: object = ""
    for one in tried:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
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
    """Serve until the process is told to stop.

    Args:
        review: The loop.
        host: Address to bind.
        port: Port, 0 for any free one; None: `PORT`.
        browser: Whether to open the page.
        say: Prints a line.
        token: None: a new one.
    """
    listening = bind(host, port)
    taken = listening.getsockname()[1]
    token = token or secrets.token_urlsafe(24)
    hosts, any_address = allowed_hosts(host, [socket.gethostname()])
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else host
    link = f"http://{f'[{shown}]' if ':' in shown else shown}:{taken}/?token={token}"
    guard = Guard(make_service(review, Thumbnails(), user()), token, taken, hosts, any_address)
    if host not in ("127.0.0.1", "localhost", "::1"):
        say(
            f"note: listening on {host}: everyone who can reach this machine and has the link sees the data and can "
            "label; the connection is not encrypted, so use it in a network that you trust, or through a tunnel"
        )
    say(f"review: {link}")
    if browser:
        webbrowser.open(link)
    config = uvicorn.Config(guard, log_level="warning", access_log=False, lifespan="off", server_header=False)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        say(f"stopped; labels are in {review.ledger.name}")
    finally:
        listening.close()
        review.stop()


def user() -> str:
    """Who started the program."""
    try:
        return getpass.getuser()[:100] or "someone"
    except (KeyError, OSError):
        return "someone"

"""The review page, served for a test."""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from blemish.review.drawings import Thumbnails
from blemish.review.guard import Guard, allowed_hosts
from blemish.review.launch import bind
from blemish.review.marks import Mark
from blemish.review.service import make_service

TOKEN = "a-token-for-tests"
OWN = "http://127.0.0.1:8765"
NOW = "2026-11-24T12:00:00+00:00"


def guarded(review, cache: Path, port=8765, host="127.0.0.1", token=TOKEN):
    """The application with its guard, as `launch.serve` makes it."""
    hosts, any_address = allowed_hosts(host, ["desk"])
    return Guard(make_service(review, Thumbnails(cache), "ann"), token, port, hosts, any_address)


@contextmanager
def served(review, cache: Path):
    """Serve from a thread; yields the link."""
    listening = bind("127.0.0.1", 0)
    port = listening.getsockname()[1]
    config = uvicorn.Config(guarded(review, cache, port), log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        review.stop()


def wait_ready(review, seconds=120):
    """Until the loop has nothing to do."""
    end = time.monotonic() + seconds
    while review.busy or review.ranking is None:
        assert time.monotonic() < end, review.status
        assert not review.status.error, review.status.error
        time.sleep(0.02)


def mark(review, row, label: str | None = "defect", who="ann", number=0, undoes=None):
    """A mark of one row by one person."""
    digest, key = review.catalogue.digest(row), review.catalogue.title(row)
    return Mark(f"mark-{row:04d}-{number}-{who}", digest, key, label, undoes, who, NOW, None, None)


class Program:
    """`blemish review` as a process of its own; `link` is what it printed."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-m", "blemish.cli", "review", *map(str, arguments), "--no-browser"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        )
        assert self.process.stdout
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if found := re.fullmatch(r"review: (http://\S+/\?token=\S+)", line.strip()):
                self.link = found[1]
                return
        raise AssertionError(self.lines)

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.communicate()

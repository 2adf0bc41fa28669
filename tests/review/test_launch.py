"""Starting the page: ports, links, the end."""

import re

import pytest

from blemish.core.errors import ConfigError, StoppedError
from blemish.review.launch import PORT, bind, serve


def test_a_port_that_is_taken_is_said(review):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*try another --port"):
            bind("127.0.0.1", port)


def test_without_a_port_the_usual_one_or_the_next_free(review):
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        assert PORT <= first.getsockname()[1] < second.getsockname()[1] < PORT + 20


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_listening_for_others_says_what_that_means(review, monkeypatch, host):
    lines = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    serve(review, host, 0, browser=False, say=lines.append)
    assert lines[-1].startswith("review: http://127.0.0.1:")
    assert lines[-1].count("token=") == 1
    assert ("everyone who can reach this machine" in lines[0]) == (host == "0.0.0.0")
    assert len(lines) == (2 if host == "0.0.0.0" else 1)


def test_an_interrupt_ends_the_page_in_peace(review, monkeypatch):
    def interrupted(self, sockets):
        raise KeyboardInterrupt

    lines = []
    monkeypatch.setattr("uvicorn.Server.run", interrupted)
    with pytest.raises(StoppedError, match=re.escape(f"stopped; labels are stored in {review.ledger.name}")):
        serve(review, "127.0.0.1", 0, browser=False, say=lines.append)
    assert len(lines) == 1

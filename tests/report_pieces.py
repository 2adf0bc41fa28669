"""Shared by the tests of the report: an attack for every name, and what a fragment holds."""

import json
import re

ATTACK = """<script>alert("a")</script><a href='https://evil.example'>&amp;</a>"""


def traces(fragment):
    """The traces as plotly.js reads them: the JSON list after the first comma of `Plotly.newPlot(`."""
    start = re.search(r'Plotly\.newPlot\(\s*"[^"]+",\s*', fragment)
    assert start is not None
    return json.JSONDecoder().raw_decode(fragment, start.end())[0]

"""What is written is true: README, examples, generated pages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMES = ("decide", "examples", "explain", "export", "review")
PAGES = [README, *((ROOT / "docs" / f"{name}.md").read_text() for name in NAMES)]
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PYTHON_BLOCKS = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]


def run(*arguments, cwd=ROOT):
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300, env=environment
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_run_and_are_short(path, tmp_path):
    done = run(path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(path.read_text().splitlines()) < 60
    assert not re.search(r"(from|import) blemish\.(?!datasets)", path.read_text()), "public names only"


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=lambda b: b.splitlines()[0])
def test_the_python_of_readme_and_pages_runs(block, tmp_path):
    (tmp_path / "block.py").write_text(block)
    done = run(tmp_path / "block.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_generated_pages_are_up_to_date():
    done = run("docs/generate.py", "--check")
    assert done.returncode == 0, done.stderr


def test_the_readmes_options_exist():
    cli = (ROOT / "docs" / "cli.md").read_text()
    commands = " ".join(re.findall(r"```sh\n(.*?)```", "".join(PAGES), re.DOTALL)) + " ".join(
        re.findall(r"`(blemish [^`]*)`", "".join(PAGES))
    )
    for option in set(re.findall(r"(?<=\s)(--[a-z-]+)", commands)):
        assert option in cli, option


def links(page):
    """Relative targets of a Markdown page, without anchors."""
    return re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page)


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in links(path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_headings_lead_to_one(path):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text()):
        headings = re.findall(r"^#+ (.*)", (path.parent / target if target else path).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


def test_the_readme_is_short_and_starts_with_ones_own_data():
    lines = README.splitlines()
    assert len(lines) <= 200
    assert "blemish review" in "\n".join(lines[:30])


def test_pictures_of_the_readme_need_only_a_base_url():
    """An index page shows absolute pictures only: one prefix makes these so, or they are absolute already."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for target in pictures:
        assert target.startswith("https://") or (ROOT / target).is_file(), target
        assert ".." not in target
        assert not target.startswith("/")


def test_contributing_fits_one_screen():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_extras_in_messages_are_declared():
    declared = set(
        re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text().split("optional-dependencies]")[1], re.M)
    )
    used = set()
    for path in (ROOT / "src").rglob("*.py"):
        used |= set(re.findall(r'missing_extra\([^,]+, "(\w+)"\)', path.read_text()))
    assert {"video", "report", "lightning"} <= used <= declared

"""What is written is true: README, examples, generated pages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [README, *((ROOT / "docs" / f"{name}.md").read_text() for name in ("decide", "explain", "export", "review"))]
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


def tree():
    """Paths that the README's tree shows."""
    block = README.split("## The tree")[1].split("```text\n")[1].split("```")[0]
    parents, paths = [], set()
    for line in block.splitlines():
        match = re.match(r"^((?:│   |    )*)[├└]── (\S+)", line)
        if match:
            depth = len(match[1]) // 4
            parents[depth:] = [match[2].rstrip("/")]
            if not match[2].endswith("/"):
                paths.add("/".join(parents))
    return paths


def test_the_readmes_tree_equals_the_disk():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    on_disk = {path for path in listed.stdout.splitlines() if (ROOT / path).exists()}
    assert tree() == on_disk


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


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

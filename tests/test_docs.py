"""What is written is true: README, examples, generated pages."""

import re
import subprocess
import sys
from pathlib import Path

from scripts import outcomes

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMES = ("columns", "decide", "examples", "explain", "export", "reading", "review")
PAGES = {"README": README, **{name: (ROOT / "docs" / f"{name}.md").read_text() for name in NAMES}}
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_examples_run_and_are_short(tmp_path):
    for path, (printed, error) in outcomes(EXAMPLES, tmp_path).items():
        assert not error, error
        assert printed, path
        assert len(path.read_text().splitlines()) < 60
        assert not re.search(r"(from|import) blemish\.(?!datasets)", path.read_text()), "public names only"


def test_the_python_of_readme_and_pages_runs(tmp_path):
    blocks = []
    for name, page in PAGES.items():
        for found in re.finditer(r"```python\n(.*?)```", page, re.DOTALL):
            line = page.count("\n", 0, found.start()) + 2
            blocks.append(tmp_path / f"{name}_line_{line}.py")
            blocks[-1].write_text(found[1])
    assert len(blocks) >= 10
    failed = [error for _, error in outcomes(blocks, tmp_path).values() if error]
    assert not failed, "\n".join(failed)


def test_generated_pages_are_up_to_date():
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_readmes_options_exist():
    cli = (ROOT / "docs" / "cli.md").read_text()
    commands = " ".join(re.findall(r"```sh\n(.*?)```", "".join(PAGES.values()), re.DOTALL)) + " ".join(
        re.findall(r"`(blemish [^`]*)`", "".join(PAGES.values()))
    )
    for option in set(re.findall(r"(?<=\s)(--[a-z-]+)", commands)):
        assert option in cli, option


def links(page):
    """Relative targets of a Markdown page, without anchors."""
    return re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page)


def test_links_lead_somewhere():
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in MARKDOWN
        for target in links(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_links_to_headings_lead_to_one():
    broken = []
    for path in MARKDOWN:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text()):
            headings = re.findall(r"^#+ (.*)", (path.parent / target if target else path).read_text(), re.MULTILINE)
            if anchor not in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}:
                broken.append(f"{path.relative_to(ROOT)}: {target}#{anchor}")
    assert broken == []


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

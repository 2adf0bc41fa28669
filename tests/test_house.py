"""The figures of the house are those of the source."""

import house


def test_a_line_is_code_docstring_comment_or_blank(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""Said\nin two lines."""\n\n# Why.\nA = """# no comment"""  # nor a line of its own\n')
    assert house.lines_of(path) == house.Lines(total=5, code=1, docstring=2, comment=1)


def test_a_chain_follows_imports_inside_functions_and_not_those_for_types(tmp_path):
    texts = {
        "p": "",
        "p.a": "if TYPE_CHECKING:\n    from p import d\nfrom p import b",
        "p.b": "def f():\n    import p.c",
        "p.c": "",
        "p.d": "from p.e import name",
        "p.e": "from p import d",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert house.longest_chain({name: tmp_path / name for name in texts}) == ["p.a", "p.b", "p.c"]


def test_files_that_a_call_runs_through_are_those_of_the_package():
    from blemish.core.errors import nearest

    assert house.files_run(lambda: nearest("a", ["b"])) == ["core/errors.py"]


def test_the_package_has_a_core():
    assert {house.folder_of(path) for path in house.PACKAGE.rglob("*.py")} >= set(house.CORE)


def test_a_toy_part_needs_one_dict():
    toys = house.toys(house.ROOT / "tests")
    assert toys["toy modality"] == ["MODALITIES"]
    assert all(len(entries) == 1 for entries in toys.values())

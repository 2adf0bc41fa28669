"""A run file: what is read back is what was written, and what is wrong is named."""

import pytest

from blemish.core.errors import ConfigError
from blemish.core.run_config import RunConfig, read_config


def test_what_is_written_is_read_back(tmp_path):
    run = RunConfig.check(
        {"data": "t.csv", "defect": ["crack"], "losses": ["mse", {"name": "margin"}], "lr": 0.01}, "x"
    )
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    assert read_config(tmp_path / "run.yaml") == run
    assert run.given() == {"data": "t.csv", "defect": ["crack"], "losses": ["mse", {"name": "margin"}], "lr": 0.01}
    assert run.detector_arguments() == {"losses": ["mse", {"name": "margin"}], "lr": 0.01}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lables: group\n", "unknown key 'lables'; did you mean 'labels'"),
        ("epochs: [1]\n", "key 'epochs': .*, got"),
        ("random_state: one\n", "key 'random_state': .*, got 'one'"),
        ("- data\n", "must hold 'key: value' lines, got list"),
        ("data: [t.csv\n", "is not valid YAML"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, message):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "run.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read .*absent.yaml"):
        read_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"data: " + b"[" * 5000, "is not valid YAML"),
        (b"epochs: " + b"9" * 5000, "is not valid YAML"),
        (b"data: 2026-13-45", "is not valid YAML"),
        (b"data: !!bool x", "is not valid YAML"),
        (b"data: !!python/object/apply:os.system [ls]", "is not valid YAML"),
        (b"data: \xff", "cannot read"),
        (b"\xff\xfed\x00", "cannot read"),
        (b"x: &a [1, 1]\ny: &b [*a, *a]\nz: [*b, *b]", "has an alias"),
        (b"# " + b"x" * 10**6, "is longer than 1,000,000 bytes"),
    ],
)
def test_a_hostile_run_file_is_one_sentence(text, reason, tmp_path):
    (tmp_path / "run.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=reason):
        read_config(tmp_path / "run.yaml")

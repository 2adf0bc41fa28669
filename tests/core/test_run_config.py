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

"""A run described by one small file: `blemish fit --config run.yaml`."""

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from blemish.core.errors import ConfigError, nearest

MAX_BYTES = 1_000_000  # of a run file
PartSpec = str | dict[str, Any]


class RunConfig(BaseModel):
    """Everything that `blemish fit` can be told; unset means the default.

    The first group says which data, the second which labels, the third how to fit: `DefectDetector`'s arguments.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    data: str | None = None
    output: str | None = None
    glob: str | None = None
    names: list[str] | str | None = None
    key: str | None = None
    drop: list[str] | None = None
    skip_lines: int | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    na: list[str] | None = None
    out_of_core: bool | None = None

    groups: str | None = None
    labels: str | None = None
    defect: list[str] | None = None
    other: list[str] | None = None
    normal: list[str] | None = None
    kind: list[str] | None = None
    defect_folder: list[str] | None = None
    other_folder: list[str] | None = None
    normal_folder: list[str] | None = None
    masks: str | None = None
    regions: str | None = None
    limit_labels: int | None = None

    preset: str | None = None
    modality: PartSpec | None = None
    backbone: PartSpec | None = None
    bottleneck: PartSpec | None = None
    losses: PartSpec | list[PartSpec] | None = None
    corruption: PartSpec | None = None
    latent_dim: int | str | None = None
    epochs: int | str | dict[str, int] | None = None
    batch_size: int | str | None = None
    lr: float | PartSpec | None = None
    device: str | None = None
    random_state: int | None = None
    scorer: PartSpec | None = None

    @classmethod
    def check(cls, values: dict[str, Any], source: str) -> "RunConfig":
        """Validate values.

        Raises:
            ConfigError: If a key is unknown (the nearest is named), or a value has a wrong type.
        """
        unknown = [str(key) for key in values if key not in cls.model_fields]
        if unknown:
            raise ConfigError(
                f"{source} has an unknown key {unknown[0]!r}; {nearest(unknown[0], list(cls.model_fields))}"
            )
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(f"{source}, key {first['loc'][0]!r}: {first['msg']}, got {first['input']!r}") from None

    def given(self) -> dict[str, Any]:
        """Only what was set."""
        return self.model_dump(exclude_none=True)

    def detector_arguments(self) -> dict[str, Any]:
        """`DefectDetector`'s arguments among what was set."""
        keys = list(type(self).model_fields)
        arguments = keys[keys.index("modality") :]
        kinds = {} if self.kind is None else {"defects": tuple(self.kind)}
        return {key: value for key, value in self.given().items() if key in arguments} | kinds

    def to_yaml(self) -> str:
        """The file that describes this run."""
        return yaml.safe_dump(self.given(), sort_keys=False, allow_unicode=True)


def read_config(path: str | os.PathLike[str]) -> RunConfig:
    """Read a run file; only plain values are constructed.

    Raises:
        ConfigError: If the file is missing, is not a YAML mapping, or does not fit the schema.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} is longer than {MAX_BYTES:,} bytes; a run file has some 20 lines")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ConfigError(
                f"{path} has an alias ('*name'), and a few of these can stand for gigabytes; write it out"
            )
        values = yaml.safe_load(text)
    except ConfigError:
        raise
    except Exception as error:  # PyYAML raises anything: a number of 5,000 digits, a month 13, brackets 1,000 deep
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold 'key: value' lines, got {type(values).__name__}")
    return RunConfig.check(values, str(path))

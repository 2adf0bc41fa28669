"""What the manifest of a model file holds, checked when it is read."""

from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator
from typing_extensions import TypedDict

from blemish.calibration.thresholds import Promise
from blemish.core.errors import ConfigError
from blemish.core.labels import ONE_KIND, check_kinds
from blemish.core.manifest import STRICT, Count, Size, declared
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Note
from blemish.training.loop import EpochRecord

Name = str | int | float | bool | None
"""Name of a row: its key, a path, or its number."""


@declared
class KnownNames(TypedDict):
    """Names of the samples that explanations and reports point to; files of 0.1.0 may have no negatives."""

    defect: list[Name]
    normal: list[Name]
    rejected: NotRequired[list[Name]]


class Facts(BaseModel):
    """What is known of one fit besides its arrays."""

    model_config = STRICT

    modality: dict[str, Any]  # checked by the kind of data, which says what it stores
    names: KnownNames = Field(alias="known_names")
    n_defects: Count
    kinds: Annotated[list[str], Len(1)] = list(ONE_KIND)

    @field_validator("kinds")
    @classmethod
    def _are_kinds(cls, kinds: list[str]) -> list[str]:
        try:
            return list(check_kinds(kinds))
        except ConfigError as error:
            raise ValueError(str(error)) from None


@declared
class Training(TypedDict):
    """Where the fit comes from."""

    rows: dict[str, Count]
    held_out: Count
    groups: NotRequired[Count]
    epochs: Count
    seconds: float
    date: Annotated[str, Len(10, 40)]
    versions: dict[str, str]


class Notes(BaseModel):
    """What doors keep with a model: how its data were read; and whatever a user keeps there."""

    model_config = STRICT | ConfigDict(extra="allow")

    run: RunConfig | None = None
    taken_out: list[str] = []
    skipped: list[str] = []
    column: str | None = None


@declared
class Detector(TypedDict):
    """Arguments and fitted attributes of a `DefectDetector`."""

    arguments: "Arguments"
    threshold_: float
    outlier_threshold_: float
    training_: Training
    notes_: dict[str, Any]
    prior_: dict[str, Annotated[float, Field(ge=0, lt=1)]]
    promise_: Promise
    promises_: NotRequired[dict[str, Promise]]
    reading_: NotRequired[list[Note]]
    history_: list[EpochRecord]
    n_features_in_: Count | None
    feature_names_in_: list[str]


@declared
class Arguments(TypedDict):
    """Names and options of parts are checked when these are chosen."""

    modality: JsonValue
    backbone: JsonValue
    bottleneck: JsonValue
    losses: list[JsonValue]
    corruption: JsonValue
    lr: JsonValue
    scorer: JsonValue
    latent_dim: Size
    epochs: JsonValue
    batch_size: Size | Literal["auto"]
    device: str
    random_state: Annotated[int, Field(ge=0, lt=2**128)]  # as NumPy draws them
    verbose: int


class Manifest(Facts):
    """All of it."""

    schema_: int = Field(alias="schema")
    digest: str = Field("", alias="SHA-256")
    n_arrays: Count = 0  # checked by the store; files of 0.1.0 do not say
    folds: list[Facts] = []
    detector: Detector

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        prior = self.detector["prior_"]
        groups = {"normal", "other", *self.kinds}
        if set(prior) != groups or set(self.detector["training_"]["rows"]) != {"unlabelled", *groups}:
            raise ValueError(f"the groups are not {', '.join(sorted(groups))}")
        if abs(sum(prior.values()) - 1) > 1e-6 or not all(prior[name] for name in groups - {"other"}):
            raise ValueError("the fractions of prior_ do not sum to 1, or one is 0")
        if not set(self.detector.get("promises_", {})) <= set(self.kinds):
            raise ValueError("promises_ are of kinds that there are not")
        Notes.model_validate(self.detector["notes_"])
        return self

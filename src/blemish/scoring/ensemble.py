"""Several simple experts, each weighed by what the labels at hand say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from blemish.core.errors import ConfigError
from blemish.core.graph import Node
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.core.parts import choose
from blemish.scoring.evidence import Evidence, EvidenceNodes, ScoreNodes, Scores, State
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import Expert
from blemish.scoring.mixture import (
    PRIOR,
    fit_whitening,
    log_joint,
    log_joint_graph,
    posterior,
    posterior_graph,
    whitened,
    whitened_graph,
)
from blemish.scoring.surprisal import fit_tail, tail_rank, tail_rank_graph

CODE_ONLY: Mapping[str, list[Any]] = {"code": ["linear", "kernel", "trees"], "error": ["value"]}
MOST_ROWS = 10_000  # ordinary rows that an expert learns from: more cost time and change little
FAR_BY_ONE = 4.0  # nats that an expert is assumed to put unseen defects out, where it has one label to learn from
SLOPES = (0.1, 3.0)  # of the log-odds in the defect score

Heard = list[tuple[Expert, str, Float[np.ndarray, " row"]]]
"""Experts, their views, and the tail rank of every row by each."""


@dataclass(frozen=True)
class Ensemble:
    """Labelled defects against everything else, by several experts on several views; the default.

    Every expert is cross-validated over the labelled defects. Its score is put on the scale of `tail_rank`, and the
    defect score is the mean, weighed by how far out the expert put the defects that it had not seen. Not for a handful
    of labels that stand for several kinds of defect: fit one detector a kind.

    Attributes:
        experts: View → experts by name, or with options. 'code' is the network's; the others are the modality's.
        folds: Parts of the cross-validation, >= 2; at most one a labelled defect.
        temperature: An expert that puts n unseen defects further out by this over the root of n, in nats, weighs e
            times as much, > 0: about the standard error of that mean.
        free_share: Weight of an expert that looks at no label, as a share of one that does, with one label and before
            what cross-validation says of both, > 0: it cannot tell the defect from another outlier. With n labels it is
            divided by the root of n.
        other_share: Weight of all rows labelled 'other' together, as a share of that of all defects, >= 0.
    """

    experts: Mapping[str, list[Any]] = field(default_factory=lambda: CODE_ONLY)
    folds: int = 4
    temperature: float = 2.0
    free_share: float = 0.5
    other_share: float = 0.1
    contrast: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Refuse to be without experts."""
        if not any(self.experts.values()):
            raise ConfigError(f"experts {dict(self.experts)!r} name none; give views with experts, or leave it out")

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Fit and weigh the experts; see `Scorer`."""
        state = fit_whitening(evidence.view("error")[(group == UNLABELLED) | (group == NORMAL)])
        rows = _fewer(group, seed)
        evidence, group = evidence[rows], group[rows]
        is_defect, weight = group == DEFECT, self._row_weights(group)
        fold = deal(is_defect, min(max(2, min(self.folds, int(is_defect.sum()))), len(group)), seed)
        unseen, far_out, most = [], [], []
        for i, (expert, view) in enumerate(self._asked(labelled=bool(is_defect.any()))):
            x = evidence.view(view)
            trained = expert.fit(x, is_defect, weight, seed)
            blind = (
                out_of_fold(expert, x, is_defect, weight, fold, seed)
                if expert.uses_labels
                else expert.score(trained, x)  # without labels there is nothing to learn by heart
            )
            trained |= fit_tail(blind[~is_defect], blind[is_defect])
            heard = tail_rank(trained, expert.score(trained, x))
            most.append(heard[is_defect].max() if expert.uses_labels else heard.max())
            state |= {f"{i}.{name}": array for name, array in trained.items()}
            unseen.append(tail_rank(trained, blind))
            far_out.append(distance_out(blind, is_defect, fold if expert.uses_labels else np.maximum(fold, 0)))
        if not is_defect.any():
            return state
        state["known_level"] = np.array(self._level(state, evidence).max())
        n_defects = int(is_defect.sum())
        informed = np.array([expert.uses_labels for expert, _ in self._asked(labelled=True)])
        state["most"] = np.minimum(most, np.median(np.array(most)[informed]) if informed.any() else np.inf)
        trust = np.where(informed, 1.0, self.free_share / np.sqrt(n_defects))
        out = np.array(far_out) if n_defects > 1 else np.where(informed, FAR_BY_ONE, far_out)
        weights = softmax(np.log(trust) + out * np.sqrt(n_defects) / self.temperature)
        scores = weights @ np.minimum(np.stack(unseen), state["most"][:, None])
        summary = {"weights": weights, "far_out": out, "unseen": scores[is_defect]}
        return {**state, **summary, **_log_odds(scores, is_defect)}

    def known_scores(
        self,
        state: State,
        evidence: Evidence,
        group: Int[np.ndarray, " row"],
    ) -> Float[np.ndarray, " defect"]:
        """By cross-validation; see `Scorer`."""
        return state["unseen"] if len(state["unseen"]) > 1 else np.empty(0)

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """Mean tail rank by the experts that look at no label, not cut."""
        return self._level(state, evidence)

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """Weighted mean of all experts' tail ranks: 5 is what one ordinary row in exp(5) = 150 reaches.

        A row that is more unusual than all that was seen in training is nobody's defect: what is beyond the level
        known from there is subtracted.
        """
        return self._mine(state, self._heard(state, evidence, labelled=True))

    def scores(self, state: State, evidence: Evidence) -> Scores:
        """All of them, asking each expert once; see `Scorer`."""
        heard = self._heard(state, evidence, labelled="weights" in state)
        outlier = self._level_of(heard, len(evidence))
        if "weights" not in state:
            return Scores(outlier, None, self._shares(state, evidence, None))
        mine = self._mine(state, heard)
        return Scores(outlier, mine, self._shares(state, evidence, mine))

    def _mine(self, state: State, heard: Heard) -> Float[np.ndarray, " row"]:
        capped = np.minimum(np.stack([opinion for *_, opinion in heard]), state["most"][:, None])
        level = self._level_of(heard, capped.shape[1])
        return state["weights"] @ capped - np.maximum(level - state["known_level"], 0)

    def opinions(
        self, state: State, evidence: Evidence, *, labelled: bool = True
    ) -> dict[str, Float[np.ndarray, " row"]]:
        """The tail rank of every row by every expert.

        With labels, no row counts as more like the defects than the labelled defects do: what lies beyond them is
        unknown (the far side of a linear expert's plane), and other outliers are found there, too. No label-free expert
        is heard beyond what it said in training, and none at all beyond the median of the others' limits: how far out
        an expert puts what it has learnt by heart says little.

        Args:
            state: What `fit` learnt.
            evidence: The rows.
            labelled: Ask those that learnt from labels, too.
        """
        heard = self._heard(state, evidence, labelled=labelled)
        return {
            f"{i} {expert_name(expert)} of {view}": np.minimum(opinion, state["most"][i]) if labelled else opinion
            for i, (expert, view, opinion) in enumerate(heard)
        }

    def _heard(self, state: State, evidence: Evidence, *, labelled: bool) -> Heard:
        """What every expert says, not cut; those that look at no label come first."""
        found = []
        for i, (expert, view) in enumerate(self._asked(labelled=labelled)):
            own = {name.removeprefix(f"{i}."): x for name, x in state.items() if name.startswith(f"{i}.")}
            found.append((expert, view, tail_rank(own, expert.score(own, evidence.view(view)))))
        return found

    def _level(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The outlier score; 0 where no expert goes without labels."""
        return self._level_of(self._heard(state, evidence, labelled=False), len(evidence))

    def _level_of(self, heard: Heard, n: int) -> Float[np.ndarray, " row"]:
        free = [opinion for expert, _, opinion in heard if not expert.uses_labels]
        return np.mean(free, axis=0) if free else np.zeros(n)

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Of the defect by logistic regression on blind scores; the rest is shared by how unusual the error is.

        An error below the median is as ordinary as the median.
        """
        return self._shares(state, evidence, self.defect_score(state, evidence) if "weights" in state else None)

    def _shares(
        self, state: State, evidence: Evidence, mine: Float[np.ndarray, " row"] | None
    ) -> Float[np.ndarray, "row 3"]:
        u = whitened(state, np.maximum(evidence.view("error"), state["centre"]))
        rest = posterior(log_joint(u, u[:0], u[:0])[:, :2])
        if mine is None:
            return np.column_stack([rest, np.zeros(len(rest))])
        chance = expit(state["slope"] * mine + state["intercept"])
        return np.column_stack([rest * (1 - chance[:, None]), chance])

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `Scorer`."""
        free: list[Node] = []
        heard: list[Node] = []
        for i, (expert, view) in enumerate(self._asked(labelled=labelled)):
            own = {name.removeprefix(f"{i}."): x for name, x in state.items() if name.startswith(f"{i}.")}
            opinion = tail_rank_graph(own, expert.graph(own, evidence.view(view)))
            free += [] if expert.uses_labels else [opinion]
            heard += [opinion.op("Min", state["most"][i]) * state["weights"][i]] if labelled else []
        graph = evidence.error.graph
        level = graph.op("Sum", *free) / float(len(free)) if free else evidence.error * 0.0
        u = whitened_graph(state, evidence.view("error").op("Max", state["centre"]))
        rest = posterior_graph(log_joint_graph(u, np.empty((0, 1)), np.empty((0, 1))))
        if not labelled:
            return ScoreNodes(level, None, rest)
        defect = graph.op("Sum", *heard) - (level - state["known_level"]).op("Max", 0.0)
        mine = (defect * state["slope"] + state["intercept"]).op("Sigmoid").expand_dims(1)
        rest = rest.take(np.array([0, 1]), axis=1) * (graph.constant(1.0) - mine)
        return ScoreNodes(level, defect, graph.concat([rest, mine], axis=1))

    def _asked(self, *, labelled: bool) -> list[tuple[Expert, str]]:
        """Experts and their views, first those that look at no label."""
        views = sorted(self.experts.items())  # a model file does not keep their order
        made = [(choose("expert", EXPERTS, spec).make(), view) for view, specs in views for spec in specs]
        free = [(expert, view) for expert, view in made if not expert.uses_labels]
        return free + [(expert, view) for expert, view in made if expert.uses_labels and labelled]

    def _row_weights(self, group: Int[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """Defects weigh as much as all ordinary rows together; rejected outliers come on top of these."""
        shares = {DEFECT: 1.0, OTHER: self.other_share}
        weight = np.full(len(group), 1.0 / max(1, int(((group == UNLABELLED) | (group == NORMAL)).sum())))
        for code, share in shares.items():
            weight[group == code] = share / max(1, int((group == code).sum()))
        return weight * len(group) / 2


def expert_name(expert: Expert) -> str:
    """Its key in `EXPERTS`."""
    return next(name for name, factory in EXPERTS.items() if isinstance(expert, factory))


def deal(is_defect: Bool[np.ndarray, " row"], n_folds: int, seed: int) -> Int[np.ndarray, " row"]:
    """A fold for each row, defects and others dealt evenly; -1, in no fold, for a single defect."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(is_defect), dtype=int)
    for kind in (True, False):
        rows = rng.permutation(np.flatnonzero(is_defect == kind))
        fold[rows] = np.arange(len(rows)) % n_folds
    if is_defect.sum() == 1:
        fold[is_defect] = -1
    return fold


def out_of_fold(
    expert: Expert,
    x: Float[np.ndarray, "row feature"],
    is_defect: Bool[np.ndarray, " row"],
    weight: Float[np.ndarray, " row"],
    fold: Int[np.ndarray, " row"],
    seed: int,
) -> Float[np.ndarray, " row"]:
    """Each row's score by an expert that has not seen it."""
    scores = np.zeros(len(x))
    for k in range(fold.max() + 1):
        out = fold == k
        seen = ~out
        if is_defect[seen].all() or not is_defect[seen].any():
            seen = np.full(len(x), True)  # too few rows to leave any out
        state = expert.fit(x[seen], is_defect[seen], weight[seen], seed)
        scores[out] = expert.score(state, x[out])
    return scores


def distance_out(
    scores: Float[np.ndarray, " row"], is_defect: Bool[np.ndarray, " row"], fold: Int[np.ndarray, " row"]
) -> float:
    """How far out an expert puts defects that it has not seen.

    Returns:
        Mean over the defects of minus the log of the share of the other rows of the fold that score as high, >= 0.
    """
    found = []
    for k in range(fold.max() + 1):
        rest = np.sort(scores[(fold == k) & ~is_defect])
        above = len(rest) - np.searchsorted(rest, scores[(fold == k) & is_defect], side="left")
        found.extend(-np.log((above + 1) / (len(rest) + 1)))
    return float(np.mean(found)) if found else 0.0


def _fewer(group: Int[np.ndarray, " row"], seed: int) -> Int[np.ndarray, " row"]:
    """All labelled rows and at most `MOST_ROWS` of the rest, in order."""
    rest = np.flatnonzero(group == UNLABELLED)
    if len(rest) > MOST_ROWS:
        rest = np.random.default_rng(seed).permutation(rest)[:MOST_ROWS]
    return np.sort(np.concatenate([np.flatnonzero(group != UNLABELLED), rest]))


def _log_odds(scores: Float[np.ndarray, " row"], is_defect: Bool[np.ndarray, " row"]) -> State:
    """'slope' and 'intercept' of the log-odds of the defect in its score, under the assumed shares.

    A single defect has no blind score: then the odds are those of a p-value exp(-score), see Reference.

    Reference:
        Platt, "Probabilistic outputs for support vector machines", 1999; for one defect Sellke, Bayarri and Berger,
        "Calibration of p values for testing precise null hypotheses", 2001.
    """
    prior = np.log(PRIOR["defect"] / (1 - PRIOR["defect"]))
    if is_defect.sum() < 2:
        return {"slope": np.array(1.0), "intercept": np.array(prior - 1.0)}
    model = LogisticRegression(class_weight="balanced").fit(scores[:, None], is_defect)
    slope = float(np.clip(model.coef_[0, 0], *SLOPES))
    middle = -float(model.intercept_[0]) / slope if model.coef_[0, 0] > SLOPES[0] else float(scores[is_defect].mean())
    return {"slope": np.array(slope), "intercept": np.array(prior - slope * middle)}

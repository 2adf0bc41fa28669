"""Several simple experts, each weighted by cross-validation over the labelled defects."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from blemish.core.errors import ConfigError
from blemish.core.graph import Node, exportable
from blemish.core.groups import n_groups
from blemish.core.labels import DEFECT, OTHER, UNLABELLED, is_ordinary, of_kind
from blemish.core.parts import choose
from blemish.core.state import Stored
from blemish.modalities.parts import Parts
from blemish.scoring.cross_validation import folds, mean_surprisal, numbered, out_of_fold
from blemish.scoring.ensemble_state import EnsembleState, MemberState, Weighting
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import Expert
from blemish.scoring.experts.parts import PartExpert
from blemish.scoring.far import beyond, beyond_graph, fit_far_kinds, read_far, refit_far
from blemish.scoring.mixture import (
    PRIOR,
    Whitening,
    fit_whitening,
    log_joint,
    log_joint_graph,
    posterior,
    posterior_graph,
    whitened,
)
from blemish.scoring.scorer import (
    OF_PARTS,
    Evidence,
    EvidenceNodes,
    ExportableScorer,
    PartScorer,
    ScoreNodes,
    Scores,
)
from blemish.scoring.surprisal import Tail, fit_tail, part_surprisal, part_surprisal_graph, surprisal, surprisal_graph

CODE_ONLY: Mapping[str, list[Any]] = {"code": ["linear", "kernel", "trees"], "error": ["value"]}
MAX_ROWS = 10_000  # ordinary rows that an expert is fitted on: more cost time and change little
ASSUMED_SURPRISAL = 4.0  # nats, of unseen defects by a supervised expert with one label, which leaves none to measure
MARKED_LABELS = 4
"""Where the user marked parts and fewer defects than this are labelled, experts on parts weigh more before
cross-validation, by the square of the ratio: one label is one row for the others, and for these as many parts as the
stroke is long. With more labels the cross-validation tells (decisions.md 114)."""
SLOPES = (0.1, 3.0)  # least and greatest slope of the log-odds in the defect score


class Member(NamedTuple):
    """An expert by its key in `EXPERTS`, and the feature set that it reads."""

    name: str
    expert: Expert
    source: str


@dataclass(frozen=True)
class Ensemble(ExportableScorer[EnsembleState], PartScorer[EnsembleState]):
    """Labelled defects against everything else, by several experts on several feature sets; the default.

    Every expert is cross-validated over the labelled defects. Its score is put on the scale of `surprisal`, and the
    defect score is the weighted mean; an expert weighs more the greater its surprisal at unseen defects is. Not for a
    handful of labels that stand for several kinds of defect: name the kinds, see `DefectDetector.defects`.

    Attributes:
        experts: Feature set → experts by name, or with options. 'code' is the network's; the others are the modality's.
        folds: Parts of the cross-validation, >= 2; at most one per labelled defect, or group of them.
        temperature: An expert whose mean surprisal at n unseen defects is greater by this over the root of n, in nats,
            weighs e times as much, > 0: about the standard error of that mean.
        free_share: Weight of an unsupervised expert, as a fraction of that of a supervised one, with one label and
            before cross-validation, > 0: it cannot tell the defect from another outlier. With n labels it is divided by
            the root of n.
        far: Feature sets in which a row that lies beyond all training rows is an outlier, see `blemish.scoring.far`.
        other_share: Weight of all rows labelled 'other' together, as a fraction of that of all defects, >= 0.
    """

    experts: Mapping[str, list[Any]] = field(default_factory=lambda: CODE_ONLY)
    folds: int = 4
    temperature: float = 2.0
    free_share: float = 0.5
    far: tuple[str, ...] = ()
    other_share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse to have no experts."""
        if not any(self.experts.values()):
            raise ConfigError(
                f"experts {dict(self.experts)!r} name none; give feature sets with experts, or leave it out"
            )

    state = EnsembleState

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Scorer`."""
        return (*self.experts, *self.far)

    def read(self, stored: Stored, widths: Mapping[str, int], n_defects: int) -> EnsembleState:
        """See `Scorer`."""
        members, labelled = [], n_defects > 0
        parts = stored.take("parts", ("float64",), (), {}) if "parts" in stored else None
        for i, (_, expert, source) in enumerate(self._experts(parted=parts is not None, labelled=labelled)):
            own, width = stored.under(f"{i}"), sum(widths[one] for one in source.split("+"))
            members.append(MemberState(expert.read(own, width), Tail.read(own)))
        weighting = Weighting.read(stored, expert=len(members), defect=n_defects) if labelled else None
        errors, far = Whitening.read(stored, feature=widths["error"]), read_far(stored, self.far, widths)
        return EnsembleState(errors, tuple(members), parts, weighting, far)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> EnsembleState:
        """Fit and weight the experts; see `Scorer`."""
        return self.fit_kinds(evidence, group, 1, seed)[0]

    def fit_kinds(
        self, evidence: Evidence, group: Int[np.ndarray, " row"], n_kinds: int, seed: int
    ) -> tuple[EnsembleState, ...]:
        """One cross-validation for all kinds, and one fit of what uses no label; see `Scorer`."""
        errors, learnt = fit_whitening(evidence.feature_set("error")[is_ordinary(group)]), []
        parts = None if evidence.parts is None else np.array(1.0)
        labelled = [k for k in range(n_kinds) if (group == DEFECT + k).any()]
        ranges = fit_far_kinds(self.far, evidence, [of_kind(group, k) for k in range(n_kinds)], seed)
        rows = _fewer(group, seed)
        evidence, group = evidence[rows], group[rows]
        kind, weight, cluster = numbered(group, labelled), self._row_weights(group), evidence.cluster
        n_labels = max((n_groups(np.flatnonzero(kind == k), cluster) for k in range(1, kind.max() + 1)), default=0)
        fold = folds(kind, min(max(2, min(self.folds, n_labels)), len(group)), seed, cluster)
        experts = self._experts(parted=parts is not None, labelled=bool(labelled))
        for _, expert, source in experts:
            x = evidence.feature_set(source)
            if expert.uses_labels:
                trained = expert.fit_kinds(x, kind, weight, seed)
                unseen = out_of_fold(expert, x, kind, weight, fold, seed)
            else:  # without labels there is nothing to memorise
                trained = (expert.fit(x, kind > 0, weight, seed),) * max(1, len(labelled))
                unseen = np.tile(expert.score(trained[0], x)[:, None], len(trained))
            learnt.append((trained, unseen))
        states = [EnsembleState(errors, (), parts, far=far) for far in ranges]
        free = tuple(
            MemberState(trained[0], fit_tail(unseen[kind == 0, 0], unseen[kind > 0, 0]))
            for member, (trained, unseen) in zip(experts, learnt, strict=True)
            if not member.expert.uses_labels
        )
        for k in range(n_kinds):
            if k not in labelled:
                states[k] = replace(states[k], members=free)
                continue
            own = [(trained[labelled.index(k)], unseen[:, labelled.index(k)]) for trained, unseen in learnt]
            members, by = self._weighted(experts, own, evidence, kind, labelled.index(k) + 1, fold)
            states[k] = replace(states[k], members=members, labelled=by)
        return tuple(states)

    def _weighted(
        self,
        experts: list[Member],
        learnt: list[tuple[Any, Float[np.ndarray, " row"]]],
        evidence: Evidence,
        kind: Int[np.ndarray, " row"],
        k: int,
        fold: Int[np.ndarray, " row"],
    ) -> tuple[tuple[MemberState, ...], Weighting]:
        """The levels and weights of the experts on one kind; `learnt`: what each did, and its scores out of fold."""
        is_defect, rest = kind == k, kind == 0
        n_defects = n_groups(np.flatnonzero(is_defect), evidence.cluster)  # near-copies of a defect are one label
        unseen, means, greatest, free, members = [], [], [], [], []
        for member, (trained, held_out) in zip(experts, learnt, strict=True):
            expert, uses_labels = member.expert, member.expert.uses_labels
            # An expert without labels has the same levels for all kinds.
            tail = fit_tail(held_out[rest], held_out[is_defect if uses_labels else ~rest])
            found = expert.score(trained, evidence.feature_set(member.source)) if uses_labels else held_out
            seen = surprisal(tail, found)
            free += [] if uses_labels else [seen]
            greatest.append(seen[is_defect].max() if uses_labels else seen.max())
            members.append(MemberState(trained, tail))
            unseen.append(surprisal(tail, held_out))
            of_fold = fold if uses_labels else np.maximum(fold, 0)
            means.append(mean_surprisal(held_out, is_defect, of_fold, evidence.cluster))
        supervised = np.array([member.expert.uses_labels for member in experts])
        # No score counts beyond what the expert gave a labelled defect (decisions.md 24), nor beyond the median of what
        # the supervised ones gave: an expert that has memorised its labels would decide the mean alone (52).
        most = np.minimum(greatest, np.median(np.array(greatest)[supervised]) if supervised.any() else np.inf)
        prior_weight = np.where(supervised, 1.0, self.free_share / np.sqrt(n_defects))
        if evidence.parts is not None and evidence.parts[is_defect].any_marked:
            factor = max(1.0, MARKED_LABELS / n_defects) ** 2
            prior_weight *= [factor if member.source == OF_PARTS else 1.0 for member in experts]
        mean = np.array(means) if n_defects > 1 else np.where(supervised, ASSUMED_SURPRISAL, means)
        weights = softmax(np.log(prior_weight) + mean * np.sqrt(n_defects) / self.temperature)
        scores = weights @ np.minimum(np.stack(unseen), most[:, None])
        level = np.array(np.mean(free, axis=0).max() if free else 0.0)
        slope, intercept = _log_odds(scores[is_defect | rest], is_defect[is_defect | rest], n_defects)
        rivals = scores[~(is_defect | rest)] if kind.max() > 1 else None
        return tuple(members), Weighting(level, most, weights, mean, scores[is_defect], slope, intercept, rivals)

    def fit_fold(
        self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int, whole: EnsembleState
    ) -> EnsembleState:
        """Experts that have not seen the fold, with the levels, weights and caps of all rows; see `Scorer`.

        Levels of its own would make each fold, and the model that is cut, another ruler: how far the top ten of some
        memorised scores lie apart is chance (decisions.md 105).
        """
        return self.fit_fold_kinds(evidence, group, seed, (whole,))[0]

    def fit_fold_kinds(
        self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int, whole: tuple[EnsembleState, ...]
    ) -> tuple[EnsembleState, ...]:
        """See `Scorer`."""
        labelled = [k for k, one in enumerate(whole) if one.labelled is not None]
        kind, weight = numbered(group, labelled), self._row_weights(group)
        learnt = [
            member.expert.fit_kinds(evidence.feature_set(member.source), kind, weight, seed)
            if member.expert.uses_labels
            else (member.expert.fit(evidence.feature_set(member.source), kind > 0, weight, seed),)
            for member in self._experts(parted=whole[0].parts is not None, labelled=bool(labelled))
        ]
        found = []
        for k, one in enumerate(whole):
            own = [of[labelled.index(k) if len(of) > 1 else 0] for of in learnt[: len(one.members)]]
            members = tuple(replace(was, own=now) for was, now in zip(one.members, own, strict=True))
            far = refit_far(one.far, self.far, evidence, of_kind(group, k), seed)
            found.append(replace(one, members=members, far=far))
        return tuple(found)

    def rival_scores(
        self, state: EnsembleState, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " rival"]:
        """By cross-validation; see `Scorer`."""
        rivals = _weighting(state).rivals
        return np.empty(0) if rivals is None else rivals

    def out_of_fold_scores(
        self, state: EnsembleState, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """By cross-validation; see `Scorer`."""
        scores = _weighting(state).out_of_fold
        return scores if n_groups(np.flatnonzero(group == DEFECT), evidence.cluster) > 1 else np.empty(0)

    def scores(self, state: EnsembleState, evidence: Evidence, *, labelled: bool) -> Scores:
        """Means of the experts' surprisals: 5 is what one ordinary row in exp(5) = 150 reaches; see `Scorer`.

        The outlier score is that of the unsupervised experts, not capped, 0 where there are none, plus the nats by
        which a row lies beyond all training rows. The probability of the defect is by logistic regression on
        out-of-fold scores; those of normal and other are by how unusual the error is, where an error below the median
        counts as the median, and a normal row is less likely by e per nat beyond the training rows.
        """
        found = self._expert_scores(state, evidence, labelled=labelled)
        unsupervised = [score for member, score in found if not member.expert.uses_labels]
        usual = np.mean(unsupervised, axis=0) if unsupervised else np.zeros(len(evidence))
        far = beyond(state.far, evidence, self.far)
        outlier = usual + far.normal
        u = whitened(state.errors, np.maximum(evidence.feature_set("error"), state.errors.centre))
        joint = log_joint(u, u[:0], u[:0])[:, :2]
        rest = posterior(joint - np.column_stack([far.normal, np.zeros(len(joint))]))
        if not labelled:
            return Scores(outlier, None, np.column_stack([rest, np.zeros(len(rest))]), beyond=far.normal)
        by = _weighting(state)
        capped = np.minimum(np.stack([score for _, score in found]), by.most[:, None])
        # A row that is more unusual than every training row, or far from all of them, is not like the labelled defects:
        # what exceeds the highest score of the training rows, or lies beyond them, is subtracted.
        defect = by.weights @ capped - np.maximum(usual - by.known_level, 0) - far.labelled
        p_defect = expit(by.slope * defect + by.intercept)
        probabilities = np.column_stack([rest * (1 - p_defect[:, None]), p_defect])
        return Scores(outlier, defect, probabilities, beyond=far.normal)

    def expert_scores(
        self, state: EnsembleState, evidence: Evidence, *, labelled: bool = True
    ) -> dict[str, Float[np.ndarray, " row"]]:
        """The surprisal of every row by every expert, capped where there are labels.

        No row counts as more like the defects than the labelled defects do: what lies beyond them is unknown (the far
        side of a linear expert's plane), and other outliers lie there, too.
        """
        found = self._expert_scores(state, evidence, labelled=labelled)
        return {
            f"{i} {member.name} of {member.source}": np.minimum(score, _weighting(state).most[i]) if labelled else score
            for i, (member, score) in enumerate(found)
        }

    def graph(self, state: EnsembleState, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """See `ExportableScorer`; an `ExportError` names the expert that has no graph."""
        unsupervised: list[Node] = []
        weighted: list[Node] = []
        of_parts: list[tuple[Node, float]] = []
        for i, (name, expert, source) in enumerate(self._experts(parted=state.parts is not None, labelled=labelled)):
            learnt, advice = state.members[i], "leave it out of 'experts', or score with the model file instead"
            x = evidence.feature_set(source)
            score = surprisal_graph(learnt.tail, exportable("expert", name, expert, advice).graph(learnt.own, x))
            if isinstance(expert, PartExpert):
                of_part = part_surprisal_graph(learnt.tail, expert.part_graph(learnt.own, x))
                most, weight = (_weighting(state).most[i], _weighting(state).weights[i]) if labelled else (np.inf, 1.0)
                of_parts += [(of_part.op("Min", most), float(weight))]
            unsupervised += [] if expert.uses_labels else [score]
            weighted += [score.op("Min", _weighting(state).most[i]) * _weighting(state).weights[i]] if labelled else []
        graph = evidence.error.graph
        level = graph.op("Sum", *unsupervised) / float(len(unsupervised)) if unsupervised else evidence.error * 0.0
        far = beyond_graph(state.far, evidence, self.far)
        u = whitened(state.errors, evidence.feature_set("error").op("Max", state.errors.centre))
        normal, *others = log_joint_graph(u, np.empty((0, 1)), np.empty((0, 1)))
        rest = posterior_graph([normal - far.normal.expand_dims(1), *others])
        outlier = level + far.normal
        parts = _weighted_mean(of_parts)
        if not labelled:
            return ScoreNodes(outlier, None, rest, far.normal, parts)
        by = _weighting(state)
        defect = graph.op("Sum", *weighted) - (level - by.known_level).op("Max", 0.0) - far.labelled
        p_defect = (defect * by.slope + by.intercept).op("Sigmoid").expand_dims(1)
        rest = rest.take(np.array([0, 1]), axis=1) * (graph.constant(1.0) - p_defect)
        return ScoreNodes(outlier, defect, graph.concat([rest, p_defect], axis=1), far.normal, parts)

    def part_scores(self, state: EnsembleState, parts: Parts, *, labelled: bool) -> Float[np.ndarray, " part"] | None:
        """The mean of the part experts' `part_surprisal`, weighted as in the defect score; see `PartScorer`."""
        total, weights = np.zeros(int(parts.counts.sum())), 0.0
        for i, (_, expert, _) in enumerate(self._experts(parted=state.parts is not None, labelled=labelled)):
            if not isinstance(expert, PartExpert) or (expert.uses_labels and not labelled):
                continue
            own, tail = state.members[i].own, state.members[i].tail
            found = part_surprisal(tail, np.concatenate([expert.part_scores(own, one) for one in parts]))
            weight = float(_weighting(state).weights[i]) if labelled else 1.0
            total += weight * (np.minimum(found, _weighting(state).most[i]) if labelled else found)
            weights += weight
        return total / weights if weights else None

    def _experts(self, *, parted: bool, labelled: bool) -> list[Member]:
        """The unsupervised experts, then the supervised ones where there are labels.

        Those on parts only where the fit had parts: rows that are read from disk have none.
        """
        sources = sorted(self.experts.items())  # a model file does not keep their order
        sources = [(name, specs) for name, specs in sources if name != OF_PARTS or parted]
        parts = [(choose("expert", EXPERTS, spec), source) for source, specs in sources for spec in specs]
        members = [Member(part.name, part.make(), source) for part, source in parts]
        unsupervised = [member for member in members if not member.expert.uses_labels]
        return unsupervised + [member for member in members if member.expert.uses_labels and labelled]

    def _expert_scores(
        self, state: EnsembleState, evidence: Evidence, *, labelled: bool
    ) -> list[tuple[Member, Float[np.ndarray, " row"]]]:
        """The surprisal of every row by every expert, not capped; the unsupervised ones first."""
        found, experts = [], self._experts(parted=state.parts is not None, labelled=labelled)
        for member, learnt in zip(experts, state.members, strict=False):
            scores = member.expert.score(learnt.own, evidence.feature_set(member.source))
            found.append((member, surprisal(learnt.tail, scores)))
        return found

    def _row_weights(self, group: Int[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """A kind of defect weighs as much as all ordinary rows together; rows labelled 'other' come on top of these."""
        weight = np.full(len(group), 1.0 / max(1, int(is_ordinary(group).sum())))
        for code in range(OTHER, max(DEFECT, int(group.max())) + 1):
            fraction = self.other_share if code == OTHER else 1.0
            weight[group == code] = fraction / max(1, int((group == code).sum()))
        return weight * len(group) / 2


def _fewer(group: Int[np.ndarray, " row"], seed: int) -> Int[np.ndarray, " row"]:
    """All labelled rows and at most `MAX_ROWS` of the rest, in order."""
    rest = np.flatnonzero(group == UNLABELLED)
    if len(rest) > MAX_ROWS:
        rest = np.random.default_rng(seed).permutation(rest)[:MAX_ROWS]
    return np.sort(np.concatenate([np.flatnonzero(group != UNLABELLED), rest]))


def _weighted_mean(scores: list[tuple[Node, float]]) -> Node | None:
    """As `Ensemble.part_scores` makes it; None where there is nothing."""
    if not scores or not (total := sum(weight for _, weight in scores)):
        return None
    weighted = [score * weight for score, weight in scores]
    return weighted[0].graph.op("Sum", *weighted) / total


def _weighting(state: EnsembleState) -> Weighting:
    assert state.labelled is not None, "the state was learnt without labelled defects"
    return state.labelled


def _log_odds(
    scores: Float[np.ndarray, " row"], is_defect: Bool[np.ndarray, " row"], n_defects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of the log-odds of the defect in its score, under the assumed prior.

    A single defect has no out-of-fold score: then the odds are those of a p-value exp(-score), see Reference.

    Reference:
        Platt, "Probabilistic outputs for support vector machines", 1999; for one defect Sellke, Bayarri and Berger,
        "Calibration of p values for testing precise null hypotheses", 2001.
    """
    prior = np.log(PRIOR["defect"] / (1 - PRIOR["defect"]))
    if n_defects < 2:
        return np.array(1.0), np.array(prior - 1.0)
    model = LogisticRegression(class_weight="balanced").fit(scores[:, None], is_defect)
    slope = float(np.clip(model.coef_[0, 0], *SLOPES))
    middle = -float(model.intercept_[0]) / slope if model.coef_[0, 0] > SLOPES[0] else float(scores[is_defect].mean())
    return np.array(slope), np.array(prior - slope * middle)

"""A model and its scores as plain values."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from blemish import DefectDetector
from blemish.core.errors import LabelError
from blemish.report.results import description, evaluation, measures, run_config, top_explanations


def test_an_evaluation_counts_labelled_rows_only(table_detector, table_split):
    words = [word if at % 2 else None for at, word in enumerate(table_split.group_test)]
    found = evaluation(table_detector, table_split.X_test, words, [str(kind) for kind in table_split.kind_test])
    assert list(found) == ["defect_score", "outlier_score"]
    assert found["outlier_score"]["n"] == {"defect": 30, "normal": 30, "off the ring": 30}
    kept = np.array([word is not None for word in words])
    score, is_defect = table_detector.defect_score(table_split.X_test)[kept], table_split.group_test[kept] == "defect"
    assert found["defect_score"]["average_precision"] == pytest.approx(average_precision_score(is_defect, score))


def test_in_a_truth_of_yes_and_no_zero_means_everything_else(table_detector, table_split):
    words = [int(word == "defect") for word in table_split.group_test]
    found = evaluation(table_detector, table_split.X_test, words, [str(word) for word in words])
    assert found["defect_score"]["n"] == {"defect": 60, "rest": 120}


def test_a_truth_without_a_label_is_refused(table_detector, table_split):
    with pytest.raises(LabelError, match="no row has a true label"):
        evaluation(table_detector, table_split.X_test, [None] * 180, [""] * 180)


def test_measures_have_names_for_people(table_detector, table_split):
    kinds = [str(kind) for kind in table_split.kind_test]
    found = measures(
        evaluation(table_detector, table_split.X_test, list(table_split.group_test), kinds)["defect_score"]
    )
    assert {"average precision", "recall at 1 % false alarms", "AUROC above normal (60)"} <= set(found)
    assert all(isinstance(value, float) for value in found.values())


def test_top_explanations_follow_the_ranking(table_detector, table_split):
    keys = [f"part {row}" for row in range(180)]
    found = top_explanations(table_detector, table_split.X_test, keys, top=3, elements=2)
    best = np.argsort(-table_detector.defect_score(table_split.X_test), kind="stable")[:3]
    assert list(dict.fromkeys(line["key"] for line in found)) == [keys[row] for row in best]
    assert {"score", "element", "seen", "expected", "share", "fall", "nearest_defect"} <= set(found[0])
    assert json.loads(json.dumps(found, default=str))


def test_a_description_and_a_run_file_hold_what_made_the_model(table_detector):
    facts = description(table_detector)
    assert facts["rows"]["defect"] == table_detector.fitted_.n_defects
    assert facts["promise"] == table_detector.promise_.text
    assert json.loads(json.dumps(facts))
    run = run_config(table_detector)
    assert run.random_state == table_detector.seed_
    again = DefectDetector(**run.detector_arguments())
    assert again.backbone == facts["backbone"]

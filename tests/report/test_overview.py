"""The report on a model: its page in a real browser, with an attack in every name."""

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.data.dataset import Note
from blemish.report import write_page
from blemish.report.overview import _lead, _score, evaluation_page, model_page
from blemish.report.results import evaluation
from browser import DESKTOP, PHONE, visit
from conftest import ten_trees

HEADINGS = [
    "Scores", "Map", "Top hits", "Threshold", "Probabilities", "Labels", "Training", "Data", "Fitted model",
]  # fmt: skip
ATTACK = """<script>alert("a")</script><img src=x onerror="alert(1)">"""


def attacked(name, splits):
    """Data of one kind, with HTML wherever a name or a text is shown."""
    split = splits[name]
    X, y = split.X_train, split.y_train
    if name == "tabular":
        import pandas as pd

        columns = [f"{ATTACK}{i}" for i in range(X.shape[1])]
        X, shown = pd.DataFrame(X, columns=columns), pd.DataFrame(split.X_test, columns=columns)
        X["word"], shown["word"] = ATTACK, ATTACK
        shown.iloc[0, 0] = np.nan
        return X, y, shown
    if name == "text":
        return X, y, [f"{text} {ATTACK}" for text in split.X_test]
    return X, y, split.X_test


@pytest.fixture(scope="module", params=["tabular", "image", "video", "text"])
def page(request, splits, tmp_path_factory):
    import pandas as pd
    import pyarrow as pa

    X, y, shown = attacked(request.param, splits)
    with ten_trees():
        det = DefectDetector(epochs=2, random_state=0).fit(X, y)
    data = pa.Table.from_pandas(shown, preserve_index=False) if isinstance(shown, pd.DataFrame) else shown
    words = list(splits[request.param].group_test) if request.param != "text" else None
    path = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    keys = [f"{ATTACK}{i}" for i in range(len(shown))]
    html = model_page(
        det,
        data,
        keys,
        words=words,
        reading=[Note("skipped", ATTACK, ATTACK)],
        command=f"blemish report '{ATTACK}'",
        top=2,
    )
    write_page(path, html)
    return request.param, path, html


def test_the_report_opens_quietly_on_a_phone_and_in_the_dark(browser, page):
    _, path, _ = page
    for size, dark in ((PHONE, False), (DESKTOP, True)):
        with visit(browser, path.as_uri(), size, dark=dark) as seen:
            assert seen.problems == []
            assert seen.requests == [path.as_uri()]
            assert seen.overflow() <= 0
            assert seen.page.locator(".js-plotly-plot .main-svg").count() >= 5
            headings = seen.page.locator("h2").all_inner_texts()
            assert headings == HEADINGS


def test_the_report_says_why_and_how_far_to_trust_it(page):
    name, _, html = page
    assert html.count('<figure class="hit">') == 2
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "of normal rows" in html
    assert "Nearest labelled defects" in html
    assert "labelled defects above it" in html
    assert "Are the probabilities reliable?" in html
    assert "Is more labelling worth it?" in html
    assert "blemish info MODEL --labels" in html
    assert "% (exact)" in html
    assert "skipped" in html.split("What was read, and how")[-1].split("</table>")[0]
    assert "random_state: 0" in html
    assert "contamination=0.01: about" in html
    assert "the training data (" in html
    assert ('class="picture"' in html) == (name == "video")
    assert ('class="outlined"' in html) == (name == "image")
    assert ('class="quote"' in html) == (name == "text")
    assert (" the score drops by " in html) == (name == "tabular")
    if name == "tabular":
        assert "missing in 0." in html
        assert "constant" in html


def test_an_evaluation_has_a_page(browser, table_detector, table_split, tmp_path):
    kinds = [f"{ATTACK}{kind}" if kind == "normal" else str(kind) for kind in table_split.kind_test]
    results = evaluation(table_detector, table_split.X_test, list(table_split.group_test), kinds)
    scores = {name: np.asarray(getattr(table_detector, name)(table_split.X_test)) for name in results}
    probabilities = table_detector.predict_proba(table_split.X_test)
    words = list(table_split.group_test)
    write_page(tmp_path / "e.html", evaluation_page(results, scores, kinds, probabilities=probabilities, words=words))
    with visit(browser, (tmp_path / "e.html").as_uri(), PHONE) as seen:
        assert seen.problems == []
        assert seen.overflow() <= 0
        assert "average precision" in seen.page.locator("table").inner_text()
        assert "Are the probabilities reliable?" in seen.page.locator("section", has_text="Probabilities").inner_text()
        assert "always predicting 0.33" in seen.page.locator(".note").last.inner_text()


def test_a_truth_of_yes_and_no_has_a_reliability_figure(table_detector, table_split):
    words = [1 if word == "defect" else 0 for word in table_split.group_test]
    probabilities = table_detector.predict_proba(table_split.X_test)
    kinds = ["defect" if word else "rest" for word in words]
    results = evaluation(table_detector, table_split.X_test, words, kinds)
    scores = {"defect_score": table_detector.defect_score(table_split.X_test)}
    page = evaluation_page(results, scores, kinds, probabilities=probabilities, words=words)
    assert "corrected to the true fraction of 0.33" in page


def test_the_labels_section_shows_the_curve_once_it_is_drawn(browser, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(212, 3))
    X[200:, 0] += 5
    X[-1] = 0.1
    scorer = {"name": "ensemble", "experts": {"plain": ["linear"], "error": ["value"]}}
    det = DefectDetector(epochs=1, scorer=scorer, random_state=0).fit(X, [None] * 200 + ["defect"] * 12)
    det.label_report()
    write_page(tmp_path / "r.html", model_page(det, X, list(range(212)), top=1))
    with visit(browser, (tmp_path / "r.html").as_uri(), PHONE, dark=True) as seen:
        assert seen.problems == []
        assert seen.overflow() <= 0
        labels = seen.page.locator("section", has=seen.page.locator("h2", has_text="Labels"))
        assert labels.locator(".js-plotly-plot .main-svg").count() >= 1
        assert "Labels to check" in labels.inner_text()


def test_the_first_lines_say_that_most_samples_are_reported():
    rng = np.random.default_rng(0)
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(rng.random((24, 2)))
    for moved, said in ((0.0, False), (9.0, True)):
        X = rng.random((12, 2)) + moved
        lead = _lead(det, _score(det, X, None))
        assert ("12 of 12 samples are reported, of normal ones 1 in 25 would be: were they taken" in lead) == said

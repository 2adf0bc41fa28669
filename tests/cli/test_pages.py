"""`blemish report` and `evaluate --plot`; `blemish review` stands in test_review.py."""


def test_report_and_evaluation_page(folder, model, blemish):
    truth = ("--defect", "leak", "--normal", "normal")
    status, out, err = blemish(
        "report",
        model,
        folder / "test.csv",
        "-o",
        folder / "r.html",
        "--labels",
        "kind",
        *truth,
        "--top",
        1,
        "--key",
        "id",
    )
    assert status == 0, err
    assert "one file that opens offline" in out
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "Groups below are the labels you gave" in page
    assert "To reproduce this model" in page
    assert blemish("report", model, folder / "test.csv", "-o", folder / "r.txt")[0] == 2
    status, _, err = blemish("report", model, folder / "test.csv", "-o", folder / "r.html", "--key", "nope")
    assert status == 1
    assert "has no column 'nope'; it has speed, protocol, id, kind" in err
    status, _, err = blemish(
        "evaluate", model, folder / "test.csv", "--truth", "kind", *truth, "--plot", folder / "e.html"
    )
    assert status == 0, err
    assert "AUROC above jam" in (folder / "e.html").read_text(encoding="utf-8")

"""The house's words: what DESIGN section 6 replaced does not come back, in code or in prose."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNITS = (
    "row|column|sample|group|frame|clip|epoch|second|minute|step|batch|picture|kind|line|file|fold|side|chunk|thing|"
    "feature|class|cell|block|channel|pixel|person|name|task|seed|defect|label|preset"
)
COUNTS = "one|twice|two|three|four|five|ten|[0-9]+"
THINGS = "pixels|rows|columns|frames|seconds|values?|numbers|steps|times|lines|samples|epochs|files|colours?|MB|ms|µs"
NOT_NOUNS = "of|in|for|to|is|by|as|and|or|from|with|at|on|than|if|has|not|writes|takes|gives|makes|holds|finds|reads|before|after|above|below|under|over|per|where|when|which|that"

# Old word (a regular expression), what to write instead. A pattern has to be sure of itself: a word that is also
# plain English (view, share, memory, known, chain) is refused only where its neighbours give it away.
OLD = [
    (r"\btail.?ranks?\b|\btail_rank", "surprisal"),
    (r"\bfar.out\b|\bdistance_out\b", "surprisal"),
    (r"(?<!colour-)\bblind(ly)?\b|\bblind_|_blind\b", "out-of-fold"),
    (r"\bknown_scores\b|\bknown scores\b", "out-of-fold scores"),
    (r"\bknown_names\b|\.known\b", "labelled defects"),
    (r"\b(n_)?rejected (rows|scores|outliers|samples|names)\b|\bn_rejected\b|\.rejected\b|_rejected\b", "labelled negatives"),
    (r"\bclouds?\b", "mixture"),
    (r"\bodditi?(y|es)\b|_oddities\b", "patch memory"),
    (r"(?-i:\bLOOKS\b)|\blearn_looks\b|\.looks\b|\blooks:|\bon looks\b", "embedding, feature sets"),
    (r"(?-i:\bView\b)|\b(random|several|each|two|its|their|other|every|more) views?\b|\bof (a|each|the) view\b", "feature set, augmentation or snapshot"),
    (r"\bwants_views\b|\btwo_views\b|\b_views\b", "augmentation"),
    (r"\bself.?made\b", "synthetic"),
    (r"\bseed's (recipe|formula|code|method|loss|own)\b|\bthe seed's\b|\bof the seed\b(?! of)", "the original prototype"),
    (r"\bchain_of\b|\b_chain\b|(?-i:\bclass Chain\b)|\bchain of layers\b", "NumPy training step"),
    (r"\bwritten.?out\b", "NumPy training step"),
    (r"(?-i:\bMemory\b[\[(\]]|\bclass Memory\b|import Memory\b)", "feature cache"),
    (r"\bheard\b|(?-i:_heard\b|_asked\b)|\bhears?\b", "score, weight, cap"),
    (r"\bloud(er|est)?\b|\b_?trust(ed)?_\w+|\b_trust\b|\bexperts? (is|are|were) trusted\b", "weight, cap"),
    (r"\bexpert('s|s'?)? opinions?\b|\bopinions? of (the |an? )?experts?\b", "score"),
    (r"\b(the|a|by|of|no|what) chances?\b(?! \()|\bchances? (of|that|to)\b|_chances?\b|\bchance_", "probability"),
    (r"\bshares? of\b|\b(a|the|what|which|that|this) share\b(?! (a|the|one)\b|=)", "fraction"),
    (r"(?-i:\b_?(MOST|LEAST)_[A-Z]\w*)", "MAX_X, MIN_X"),
    (rf"\b({COUNTS})( (?!({NOT_NOUNS})\b)[a-z]+)? an? ({UNITS})\b", "per"),
    (rf"\b({THINGS}) an? ({UNITS})\b", "per"),
    (r"(?<!there )\b(is|are) no\b(?! (longer|more|fewer|less|such|doubt|worse|better|other|need)\b)", "is not a"),
    (r"\bso many\b", "this many"),
    (r"\bbeside\b", "alongside, next to, in addition to"),
    (r"\bby heart\b", "memorise"),
    (r"\bnobody\b", "unseen, or 'no one'"),
    (r"\bg(o|oes|one|oing) on (with|from)\b", "resume"),
    (r"\ball but the same\b", "nearly identical"),
    (r"\bstands? behind\b", "source, basis"),
    (r"\blabelled otherwise\b|\botherwise labelled\b", "other labelled rows"),
    (r"\blabels? (do not |does not |hardly |still )?pays?\b", "improve the ranking"),
    (r"\b(say|says|said|saying) of\b|\bsays? (little|nothing|much)\b", "describe, is unreliable"),
    (r"\bhas not (an?|one|any|as many)\b|\bhas not$", "does not have"),
    (r'^\s*"""Of (?!course)', "a sentence with its noun"),
    (r"\bneed_(place|file|ordinary)\b", "check_writable, check_exists, check_trainable"),
    (r"\bgiven_again\b|\bwith_curve\b|\bunder_way\b", "with_training_rows, with_learning_curve, state"),
    (r"\b_said\b|\b_say_\w+|\bdef (sparing|placed|settled)\b", "a verb for what it does"),
]  # fmt: skip
PATTERNS = [(re.compile(pattern, re.IGNORECASE | re.MULTILINE), instead) for pattern, instead in OLD]

# Names in files that other versions wrote and read, in the page's JSON, and of options: these stay, as quoted words.
NAMES = "far_out|n_rejected|known_names|blind|known|rejected|looks|views|share|memory|opinions|heard|labels pay"
STORED = re.compile(rf"""(["'`])({NAMES})[_/]?\1""")
SPARED = ("docs/log/", "docs/log.md")  # the log keeps the words of its day


def findings(text):
    """Line number, old word and what to write instead, for each that a text has."""
    shown = STORED.sub("''", text)
    for pattern, instead in PATTERNS:
        for found in pattern.finditer(shown):
            yield shown.count("\n", 0, found.start()) + 1, found.group().strip(), instead


def pages():
    source = [path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".js", ".j2", ".css")]
    prose = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").glob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
    ]
    return [path for path in sorted(source + prose) if not str(path.relative_to(ROOT)).startswith(SPARED)]


def test_no_old_word_is_left():
    wrong = [
        f"{path.relative_to(ROOT)}:{number} says {word!r}: write {instead!r}"
        for path in pages()
        for number, word, instead in sorted(findings(path.read_text()))
    ]
    assert not wrong, f"{len(wrong)} old words\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "give one label a row", "one verb a thing", "Pixels a side", "'abc' is no number",
        "Use at most so many labels", "ours beside theirs", "MOST_ROWS = 5", "from x import SelfMade", "three clouds over the code",
        "a share of the rows", "the seed's recipe", "def known_scores(", "on several views", "which nobody has seen",
    ],
)  # fmt: skip
def test_an_old_word_is_found(line):
    assert list(findings(line))


@pytest.mark.parametrize(
    "line",
    [
        "one label per row", "there is no folder 'x'", "it is no longer read", "rows share a slot", "a NumPy view of the array",
        "the tensors are views of one vector", "peak memory of `fit`", "the viewport is narrow", "a random seed", "looks at the page",
        'state["blind"]', "colour-blind people", "the longest chain of imports", "a known defect", "in two of a row's columns",
        "shared by all", "it begins a row", "besides the code", "as many as a row has", "the share=0.5 option", "numbers and a row",
    ],
)  # fmt: skip
def test_plain_english_is_left_alone(line):
    assert list(findings(line)) == []

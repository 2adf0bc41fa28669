"""Every formula again, in plain NumPy with explicit loops, written from the paper or the definition.

Slow on purpose, and on purpose without any of the package's code: only the group codes are repeated here. `x`, `x_hat`
and the like are float64 arrays; `blocks` are tuples (start, stop, kind).
"""

from math import comb, erf, exp, factorial, log, sqrt

import numpy as np

UNLABELLED, NORMAL, OTHER, DEFECT = 0, 1, 2, 3


# Rows


def ordinary_rows(group):
    """Unlabelled and normal rows."""
    return [i for i in range(len(group)) if group[i] in (UNLABELLED, NORMAL)]


def defect_rows(group):
    """Rows of the user's own defect."""
    return [i for i in range(len(group)) if group[i] == DEFECT]


def mean_of_ordinary(errors, group):
    """Mean over the unlabelled and normal rows, 0 without any."""
    rows = ordinary_rows(group)
    return sum(errors[i] for i in rows) / len(rows) if rows else 0.0


def squared_distance(a, b):
    """Sum of squared differences of two vectors."""
    return sum((float(a[k]) - float(b[k])) ** 2 for k in range(len(a)))


# Reconstruction: one number per element


def squared_error(x, x_hat):
    """(x - x_hat)²."""
    return (x - x_hat) ** 2


def huber_error(x, x_hat, delta=1.0):
    """Huber 1964: e²/2 near zero, delta (|e| - delta/2) beyond delta."""
    e = abs(x - x_hat)
    return e * e / 2 if e <= delta else delta * (e - delta / 2)


def log_sigmoid(logit):
    """log 1/(1 + e^-logit), for any logit."""
    return -log(1 + exp(-logit)) if logit > -30 else logit


def cross_entropy(x, logit):
    """Bishop 2006, (4.90): -x log p - (1 - x) log (1 - p), in nats."""
    return -x * log_sigmoid(logit) - (1 - x) * log_sigmoid(-logit)


def entropy(x):
    """Of an event with probability x, in nats."""
    return -sum(p * log(p) for p in (x, 1 - x) if p > 0)


def bernoulli_divergence(x, logit):
    """Cross-entropy less entropy; x is cut to [0, 1]."""
    x = min(max(x, 0.0), 1.0)
    return cross_entropy(x, logit) - entropy(x)


def category_error(one_hot, logits):
    """Minus the log of the softmax probability of the category; 0 where no category is marked."""
    total = sum(exp(logit) for logit in logits)
    return -sum(one_hot[k] * log(exp(logits[k]) / total) for k in range(len(logits)))


def column_error(x, x_hat, block):
    """The error of one column of a mixed table in one row."""
    start, stop, kind = block
    if kind == "categorical":
        return category_error(x[start:stop], x_hat[start:stop])
    return cross_entropy(x[start], x_hat[start]) if kind == "binary" else huber_error(x[start], x_hat[start])


def bernoulli_map(x, x_hat, blocks):
    """Bernoulli divergences; the numbers of a table pass through the logistic function."""
    numbers = [b[2] == "numeric" for b in blocks for _ in range(b[0], b[1])]
    if not blocks:
        return map_elements(bernoulli_divergence, x, x_hat)
    seen = [[sigmoid(v) if is_number else v for v, is_number in zip(r, numbers, strict=True)] for r in x.tolist()]
    return map_elements(bernoulli_divergence, np.array(seen), x_hat)


def embedded_error(x, x_hat, vectors, blocks):
    """The tabular prototype's smooth L1 of one row: numbers, and every coordinate of the categories' vectors; their mean."""
    errors, which = [], 0
    for start, stop, kind in blocks:
        if kind != "categorical":
            errors.append(huber_error(x[start], x_hat[start]))
            continue
        for j in range(vectors[which].shape[1]):
            seen = sum(x[start + k] * vectors[which][k, j] for k in range(stop - start))
            made = sum(x_hat[start + k] * vectors[which][k, j] for k in range(stop - start))
            errors.append(huber_error(seen, made))
        which += 1
    return sum(errors) / len(errors)


def map_elements(error, x, x_hat):
    """Apply a scalar function to every element."""
    pairs = zip(x.reshape(-1).tolist(), x_hat.reshape(-1).tolist(), strict=True)
    return np.array([error(a, b) for a, b in pairs]).reshape(x.shape)


def typed_map(x, x_hat, blocks):
    """Shape (row, column) for a table; Huber's error of every element without columns."""
    if not blocks:
        return map_elements(huber_error, x, x_hat)
    return np.array([[column_error(x[i], x_hat[i], block) for block in blocks] for i in range(len(x))])


# By name: `term` holds the options, the arrays are fields of the batch and of the output.

ERROR_MAPS = {
    "mse": lambda _term, x, x_hat, _blocks: map_elements(squared_error, x, x_hat),
    "bce": lambda _term, x, x_hat, blocks: bernoulli_map(x, x_hat, blocks),
    "huber": lambda term, x, x_hat, _blocks: map_elements(lambda a, b: huber_error(a, b, term.delta), x, x_hat),
    "l2p": lambda _term, x, x_hat, _blocks: map_elements(squared_error, x, x_hat),
    "typed": lambda _term, x, x_hat, blocks: typed_map(x, x_hat, blocks),
    "embedded": lambda _term, x, x_hat, _blocks: map_elements(huber_error, x, x_hat),
}


def mean_of_elements(error_map):
    """Mean over all axes but the first, one row at a time."""
    return [sum(row.reshape(-1).tolist()) / row.size for row in error_map]


def l2p_errors(x, x_hat, p, relative_to):
    """Lai et al. 2019, (4): the Euclidean norm of each row's error, by its distance from a value, to the power p."""
    norms = [sqrt(squared_distance(a.reshape(-1), b.reshape(-1))) for a, b in zip(x, x_hat, strict=True)]
    if relative_to is None:
        return [norm**p for norm in norms]
    lengths = [sqrt(sum((value - relative_to) ** 2 for value in a.reshape(-1))) for a in x]
    return [(norm / length) ** p for norm, length in zip(norms, lengths, strict=True)]


def sample_errors(name, term, x, x_hat, blocks):
    """One error per row."""
    if name == "l2p":
        return l2p_errors(x, x_hat, term.p, term.relative_to)
    return mean_of_elements(ERROR_MAPS[name](term, x, x_hat, blocks))


# Regularisers


def kl_divergence(mu, logvar):
    """Kingma and Welling 2013, appendix B, of one row."""
    return -0.5 * sum(1 + logvar[j] - mu[j] ** 2 - exp(logvar[j]) for j in range(len(mu)))


def kl(mu, logvar, group):
    """Mean over the unlabelled and normal rows."""
    return mean_of_ordinary([kl_divergence(mu[i], logvar[i]) for i in range(len(mu))], group)


def subspace_distance(h, basis, q=1.0):
    """Lai et al. 2019, (3): |h - Aᵀ A h|^q of one hidden vector."""
    latent, hidden = len(basis), len(h)
    code = [sum(basis[k][j] * h[j] for j in range(hidden)) for k in range(latent)]
    back = [sum(basis[k][j] * code[k] for k in range(latent)) for j in range(hidden)]
    return sqrt(squared_distance(h, back)) ** q


def orthogonality_error(basis):
    """Lai et al. 2019, (3): |A Aᵀ - I|² over all entries."""
    latent, hidden = len(basis), len(basis[0])
    total = 0.0
    for a in range(latent):
        for b in range(latent):
            inner = sum(basis[a][j] * basis[b][j] for j in range(hidden))
            total += (inner - (1.0 if a == b else 0.0)) ** 2
    return total


def rsr(term, h, basis, group):
    """Both terms of (3), mean over the unlabelled and normal rows."""
    distance = mean_of_ordinary([subspace_distance(row, basis, term.q) for row in h], group)
    return term.distance_weight * distance + term.orthogonality_weight * orthogonality_error(basis)


def subspace_only(term, h, basis, group):
    """The first term of (3), mean over the unlabelled and normal rows."""
    return mean_of_ordinary([subspace_distance(row, basis, term.q) for row in h], group)


# Contrasts


def within_sum(z, rows):
    """Squared distances over all unordered pairs of the rows."""
    return sum(squared_distance(z[i], z[j]) for i in rows for j in rows if i < j)


def mean_squared_distance(z, rows, point):
    """Of one point from the rows."""
    return sum(squared_distance(z[i], point) for i in rows) / len(rows)


def sum_of_squares(z, group, cap=None):
    """The original prototype's second formula with one cap for each defect's mean squared distance."""
    normal, defect = ordinary_rows(group), defect_rows(group)
    total = within_sum(z, normal)
    for d in defect:
        if normal:
            separation = mean_squared_distance(z, normal, z[d])
            total -= len(normal) * (separation if cap is None else min(separation, cap))
    return total


def sum_of_squares_per_pair(z, group, cap=None):
    """The same, divided by the number of pairs that take part."""
    n, m = len(ordinary_rows(group)), len(defect_rows(group))
    return sum_of_squares(z, group, cap) / max(n * (n - 1) / 2 + n * m, 1)


def mean_distance(z, group, cap=None):
    """The original prototype's code: twice the mean distance of normal pairs, less the mean distance of normals from defects."""
    normal, defect = ordinary_rows(group), defect_rows(group)
    pairs = [sqrt(squared_distance(z[i], z[j])) for i in normal for j in normal if i < j]
    apart = [sqrt(squared_distance(z[i], z[d])) for i in normal for d in defect]
    apart = apart if cap is None else [min(a, cap) for a in apart]
    return (2 * sum(pairs) / len(pairs) if pairs else 0.0) - (sum(apart) / len(apart) if apart else 0.0)


def uniform_weights(near, partner):
    """All equal."""
    return [1 / len(near)] * len(near)


def hard_weights(near, partner):
    """Hermans et al. 2017, (5): the most similar negative."""
    best = max(range(len(near)), key=lambda i: near[i])
    return [1.0 if i == best else 0.0 for i in range(len(near))]


def semi_hard_weights(near, partner):
    """Schroff et al. 2015, (4): the most similar of those less similar than the partner, or else the least similar."""
    farther = [i for i in range(len(near)) if near[i] < partner]
    best = max(farther, key=lambda i: near[i]) if farther else min(range(len(near)), key=lambda i: near[i])
    return [1.0 if i == best else 0.0 for i in range(len(near))]


def distance_weights(near, partner):
    """Robinson et al. 2021: exp(beta s), with one over the standard deviation as beta."""
    mean = sum(near) / len(near)
    spread = max(sqrt(sum((s - mean) ** 2 for s in near) / len(near)), 1e-6)
    weights = [exp((s - max(near)) / spread) for s in near]
    return [w / sum(weights) for w in weights]


MINERS = {
    "uniform": uniform_weights,
    "hard": hard_weights,
    "semi_hard": semi_hard_weights,
    "distance_weighted": distance_weights,
}


def defects_rest_and_partners(group):
    """Rows of defects, of anything else, and the partners of each defect: every other one, or itself if alone."""
    defect = defect_rows(group)
    rest = [i for i in range(len(group)) if i not in defect]
    return defect, rest, {d: [e for e in defect if e != d] or [d] for d in defect}


def mined(miner, similarity, group):
    """Negatives and weights of each defect; the partner is the defect that is least like it."""
    defect, rest, _ = defects_rest_and_partners(group)
    near = {d: [similarity(d, i) for i in rest] for d in defect}
    partner = {d: min(similarity(d, e) for e in defect) for d in defect}
    return {d: list(zip(rest, MINERS[miner](near[d], partner[d]), strict=True)) if rest else [] for d in defect}


def mean(values):
    """0 for none."""
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def margin(z, group, margin=1.0, push=4.0, pull=1.0, miner="uniform"):
    """Hadsell et al. 2006, (4), on pairs of defects (similar) and of a defect and any other row (dissimilar)."""
    defect, width = defect_rows(group), len(z[0])

    def distance(i, j):
        return sqrt(squared_distance(z[i], z[j]) / width)

    negatives = mined(miner, lambda i, j: -distance(i, j), group)
    attraction = mean(squared_distance(z[d], z[e]) / width for d in defect for e in defect if d != e)
    repulsion = mean(sum(w * max(0.0, margin - distance(d, i)) ** 2 for i, w in negatives[d]) for d in defect)
    return pull * attraction + push * repulsion


def triplet(z, group, margin=1.0, miner="uniform"):
    """Schroff et al. 2015, (3), with the farthest partner; distances are root mean squared differences."""
    defect, _, _ = defects_rest_and_partners(group)

    def distance(i, j):
        return sqrt(squared_distance(z[i], z[j]) / len(z[0]))

    negatives = mined(miner, lambda i, j: -distance(i, j), group)
    farthest = {d: max(distance(d, e) for e in defect) for d in defect}
    return mean(sum(w * max(0.0, farthest[d] - distance(d, i) + margin) for i, w in negatives[d]) for d in defect)


def inner(a, b):
    """Inner product of two vectors."""
    return sum(float(a[k]) * float(b[k]) for k in range(len(a)))


def from_normals(z, group):
    """Codes less the mean of the unlabelled and normal rows."""
    rows = ordinary_rows(group)
    middle = [mean(z[i][k] for i in rows) for k in range(len(z[0]))]
    return [[float(row[k]) - middle[k] for k in range(len(row))] for row in z]


def cosine_of(f, i, j):
    """Of the angle between two codes; 0 where one has no length."""
    lengths = sqrt(inner(f[i], f[i])) * sqrt(inner(f[j], f[j]))
    return inner(f[i], f[j]) / lengths if lengths else 0.0


def log_odds(similarity, group, miner):
    """Mean over pairs of partners of log(1 + n sum of w exp(negative - partner))."""
    defect, rest, partners = defects_rest_and_partners(group)
    negatives = mined(miner, similarity, group)
    return mean(
        log(1 + len(rest) * sum(w * exp(similarity(d, i) - similarity(d, e)) for i, w in negatives[d]))
        for d in defect
        for e in partners[d]
    )


def n_pair(z, group, miner="uniform", l2=0.002):
    """Sohn 2016, (3) and section 3.2.2, from the mean normal."""
    f = from_normals(z, group)
    return log_odds(lambda i, j: inner(f[i], f[j]), group, miner) + l2 * mean(
        inner(f[d], f[d]) for d in defect_rows(group)
    )


def info_nce(z, group, temperature=0.1, miner="uniform"):
    """Van den Oord et al. 2018, (4), from the mean normal."""
    f = from_normals(z, group)
    return log_odds(lambda i, j: cosine_of(f, i, j) / temperature, group, miner)


def cosine(z, group, margin=0.0, miner="uniform"):
    """1 - cosine of defects, and the weighted excess of the cosines of defects and the rest."""
    defect, _, _ = defects_rest_and_partners(group)
    f = from_normals(z, group)
    negatives = mined(miner, lambda i, j: cosine_of(f, i, j), group)
    attraction = mean(1 - cosine_of(f, d, e) for d in defect for e in defect if d != e)
    return attraction + mean(sum(w * max(0.0, cosine_of(f, d, i) - margin) for i, w in negatives[d]) for d in defect)


def _reconstruction(name):
    def value(term, batch, out):
        return mean_of_ordinary(sample_errors(name, term, batch["x"], out["x_hat"], batch["blocks"]), batch["group"])

    return value


def pace(z, pace):
    """Wang et al. 2020, as a regression: Huber's loss of the first element of each code whose clip's pace is known."""
    total, n = 0.0, 0
    for i in range(len(z)):
        if pace[i] == pace[i]:
            error = abs(z[i][0] - 5.0 * min(1.0, max(-1.0, pace[i] - 1.0)))
            total += 0.5 * error**2 if error < 1 else error - 0.5
            n += 1
    return total / n if n else 0.0


LOSSES = {
    **{name: _reconstruction(name) for name in ERROR_MAPS},
    "kl": lambda _term, batch, out: kl(out["mu"], out["logvar"], batch["group"]),
    "rsr": lambda term, batch, out: rsr(term, out["h"], out["basis"], batch["group"]),
    "subspace": lambda term, batch, out: subspace_only(term, out["h"], out["basis"], batch["group"]),
    "orthogonality": lambda _term, _batch, out: orthogonality_error(out["basis"]),
    "pace": lambda _term, batch, out: pace(out["z"], batch["pace"]),
    "sum_of_squares": lambda term, batch, out: sum_of_squares_per_pair(out["z"], batch["group"], term.cap),
    "mean_distance": lambda term, batch, out: mean_distance(out["z"], batch["group"], term.cap),
    "margin": lambda term, batch, out: margin(out["z"], batch["group"], term.margin, term.push, term.pull, term.miner),
    "triplet": lambda term, batch, out: triplet(out["z"], batch["group"], term.margin, term.miner),
    "n_pair": lambda term, batch, out: n_pair(out["z"], batch["group"], term.miner, term.l2),
    "info_nce": lambda term, batch, out: info_nce(out["z"], batch["group"], term.temperature, term.miner),
    "cosine": lambda term, batch, out: cosine(out["z"], batch["group"], term.margin, term.miner),
}


def of_loss(name):
    """The reference of a loss: (term, fields of the batch, fields of the output) → its value."""
    assert name in LOSSES, (
        f"loss {name!r} has no NumPy reference: write its formula with explicit loops in tests/reference.py and add it "
        f"to LOSSES, or, if it reconstructs, its error of every element to ERROR_MAPS"
    )
    return LOSSES[name]


def of_error_map(name):
    """The reference of a reconstruction loss: (term, x, x_hat, blocks) → the error of every element."""
    assert name in ERROR_MAPS, (
        f"loss {name!r} has no NumPy reference: write its error of every element in tests/reference.py and add it to "
        "ERROR_MAPS; a row's error that is not their mean goes into sample_errors"
    )
    return ERROR_MAPS[name]


def of_miner(name):
    """The reference of a miner: (similarities of the negatives, of the farthest partner) → weights."""
    assert name in MINERS, f"miner {name!r} has no NumPy reference: write one in tests/reference.py, add it to MINERS"
    return MINERS[name]


# Networks


def sigmoid(value):
    """1 / (1 + e^-value)."""
    return 1 / (1 + exp(-value))


def silu(value):
    """Value times its sigmoid."""
    return value * sigmoid(value)


def conv3x3(image, kernel, bias):
    """Cross-correlation with a border of zeros; image (in, h, w), kernel (out, in, 3, 3)."""
    channels, height, width = image.shape
    result = np.zeros((len(kernel), height, width))
    for o in range(len(kernel)):
        for y in range(height):
            for x in range(width):
                total = bias[o]
                for i in range(channels):
                    for dy in (-1, 0, 1):
                        for dx in (-1, 0, 1):
                            if 0 <= y + dy < height and 0 <= x + dx < width:
                                total += image[i, y + dy, x + dx] * kernel[o, i, dy + 1, dx + 1]
                result[o, y, x] = total
    return result


def conv_lstm_step(x, h, c, kernel, bias):
    """Shi et al. 2015, (3), no peepholes, gates in the order i, f, o, g and a forget bias of 1; one sample."""
    gates = conv3x3(np.concatenate([x, h]), kernel, bias)
    width = len(h)
    new_h, new_c = np.zeros_like(h), np.zeros_like(c)
    for k in range(width):
        for y in range(h.shape[1]):
            for w in range(h.shape[2]):
                i, f, o, g = (gates[gate * width + k, y, w] for gate in range(4))
                new_c[k, y, w] = sigmoid(f + 1) * c[k, y, w] + sigmoid(i) * np.tanh(g)
                new_h[k, y, w] = sigmoid(o) * np.tanh(new_c[k, y, w])
    return new_h, new_c


def same_depthwise(picture, kernels, bias, stride):
    """TensorFlow's border 'same', one kernel per channel; picture (channel, h, w), kernels (channel, k, k)."""
    channels, height, width = picture.shape
    size = kernels.shape[-1]
    before = max(0, size - stride) // 2
    found = np.zeros((channels, height // stride, width // stride))
    for c in range(channels):
        for y in range(height // stride):
            for x in range(width // stride):
                found[c, y, x] = bias[c]
                for dy in range(size):
                    for dx in range(size):
                        row, column = y * stride + dy - before, x * stride + dx - before
                        if 0 <= row < height and 0 <= column < width:
                            found[c, y, x] += picture[c, row, column] * kernels[c, dy, dx]
    return found


def furthest_patches(patches, centre, directions, usual, n):
    """Mean whitened patch and mean distance of the n whitened patches of one picture furthest from all usual ones."""
    white = [
        [sum((p - m) * d for p, m, d in zip(patch, centre, column, strict=True)) for column in directions.T]
        for patch in patches
    ]

    def distance(w):
        return min(sqrt(sum((v - u) ** 2 for v, u in zip(w, one, strict=True))) for one in usual)

    white = sorted(white, key=lambda w: -distance(w))[:n]
    means = [sum(column) / n for column in zip(*white, strict=True)]
    return [*means, sum(distance(w) for w in white) / n]


# Scores


def log_kernels(point, centres, widths):
    """Parzen 1962, each width alike: log of the mean of normal densities, without (2 pi)^(-D/2); one point."""
    total = 0.0
    for centre in centres:
        for width in widths:
            total += exp(-squared_distance(point, centre) / (2 * width**2)) / width ** len(point)
    return log(total / len(centres) / len(widths))


def log_normal(point, stdev):
    """Log-density of a centred normal with this spread in every direction, without (2 pi)^(-D/2)."""
    return sum(log(exp(-((v / stdev) ** 2) / 2) / stdev) for v in point)


def posterior(point, defects, others, widths, priors, breadth):
    """Bayes's rule over three clouds; priors in the order normal, other, defect."""
    broad = exp(log_normal(point, breadth))
    if len(others):
        broad = (broad + exp(log_kernels(point, others, widths))) / 2
    mine = exp(log_kernels(point, defects, widths)) if len(defects) else 0.0
    joint = [priors[0] * exp(log_normal(point, 1.0)), priors[1] * broad, priors[2] * mine]
    return [value / sum(joint) for value in joint]


def conformal_p_value(calibration, score):
    """Bates et al. 2023, (2): one plus the rows that score at least as high, over one plus all rows."""
    at_least = 0
    for other in calibration:
        if other >= score:
            at_least += 1
    return (1 + at_least) / (len(calibration) + 1)


def benjamini_hochberg(p_values, fdr):
    """The step-up procedure of 1995: the largest k with p_(k) <= k fdr / n, and all rows up to it."""
    n, passed = len(p_values), 0
    order = sorted(range(n), key=lambda i: p_values[i])
    for k in range(1, n + 1):
        if p_values[order[k - 1]] <= k * fdr / n:
            passed = k
    return [i in order[:passed] for i in range(n)]


def binomial_at_least(k, n, share):
    """Chance of k or more successes out of n."""
    return sum(comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k, n + 1))


def clopper_pearson(successes, n, confidence=0.9, steps=20000):
    """Scan all shares: those that neither tail of the binomial rejects."""
    tail = (1 - confidence) / 2
    kept = []
    for step in range(steps + 1):
        share = step / steps
        too_many = binomial_at_least(successes, n, share)
        too_few = 1 - binomial_at_least(successes + 1, n, share)
        if too_many >= tail and too_few >= tail:
            kept.append(share)
    return min(kept), max(kept)


def kolmogorov_smirnov(first, second):
    """Largest difference of the two shares at or below any of the numbers."""
    return max(
        abs(sum(v <= t for v in first) / len(first) - sum(v <= t for v in second) / len(second))
        for t in [*first, *second]
    )


def beta_binomial(k, n, a, b):
    """Probability of k successes in n trials whose probability is drawn from Beta(a, b), for whole a and b."""

    def beta(p, q):
        return factorial(p - 1) * factorial(q - 1) / factorial(p + q - 1)

    return comb(n, k) * beta(k + a, n - k + b) / beta(a, b)


def beta_quantiles(a, b, levels, steps=200_000):
    """Sum the density t^(a-1) (1-t)^(b-1) over a fine grid until each level is reached."""
    grid = [(i + 0.5) / steps for i in range(steps)]
    density = [t ** (a - 1) * (1 - t) ** (b - 1) for t in grid]
    total, found, so_far = sum(density), [], 0.0
    wanted = list(levels)
    for t, d in zip(grid, density, strict=True):
        so_far += d / total
        while wanted and so_far >= wanted[0]:
            found.append(t)
            wanted.pop(0)
    return found


def threshold_for_precision(known, rejected, precision):
    """Try every score as the cut, lowest first; None where none reaches the precision."""
    for cut in sorted([*known, *rejected]):
        true = sum(score >= cut for score in known)
        false = sum(score >= cut for score in rejected)
        if true and true / (true + false) >= precision:
            return cut
    return None


# Preparation and metrics


def asinh_scaled(values):
    """Centre on the median, divide by IQR / 1.349, take asinh by its logarithm; NaN means the median."""
    present = sorted(v for v in values if v == v)

    def quantile(share):
        position = share * (len(present) - 1)
        low = int(position)
        high = min(low + 1, len(present) - 1)
        return present[low] + (position - low) * (present[high] - present[low])

    centre, scale = quantile(0.5), (quantile(0.75) - quantile(0.25)) / 1.349
    scaled = [((v if v == v else centre) - centre) / scale for v in values]
    return [log(s + sqrt(s * s + 1)) for s in scaled]


def normal_iqr_factor():
    """Interquartile range of N(0, 1), by bisection on its distribution function."""
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * (1 + erf(middle / sqrt(2))) < 0.75 else (low, middle)
    return 2 * low


def auroc(above, below):
    """Share of pairs in the right order; ties count half."""
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in above for b in below)
    return wins / (len(above) * len(below))


def average_precision(defect, scores):
    """Sum over the distinct thresholds, highest first, of the step in recall times the precision there."""
    total, recall = 0.0, 0.0
    for cut in sorted(set(scores), reverse=True):
        above = [d for d, s in zip(defect, scores, strict=True) if s >= cut]
        now = sum(above) / sum(defect)
        total += (now - recall) * sum(above) / len(above)
        recall = now
    return total


def order_statistic_rank(n, rate):
    """Smallest rank k of n calibration scores whose chance to be exceeded, 1 - k/(n + 1), is at most `rate`."""
    for k in range(1, n + 1):
        if 1 - k / (n + 1) <= rate + 1e-12:
            return k
    return n + 1


# Experts, from their papers


def kernel_machine(x, points, weights, offset, gamma):
    """Cortes and Vapnik 1995: a weighted sum of Gaussian bumps."""
    return [
        offset
        + sum(
            a * exp(-gamma * sum((u - v) ** 2 for u, v in zip(row, p, strict=True)))
            for a, p in zip(weights, points, strict=True)
        )
        for row in x
    ]


def path_left(n):
    """Liu, Ting and Zhou 2008, equation 1, with the harmonic number as a sum."""
    if n <= 1:
        return 0.0
    return 2 * sum(1 / k for k in range(1, n)) - 2 * (n - 1) / n


def neighbour_distance(row, points, n):
    """Mean Euclidean distance to the n nearest points."""
    distances = sorted(sqrt(sum((u - v) ** 2 for u, v in zip(row, point, strict=True))) for point in points)
    return sum(distances[:n]) / n


def shrunk_discriminant(defects, rest):
    """Fisher 1936 with the covariance of Ledoit and Wolf 2004, section 3: row by row, all rows alike."""
    centre = rest.mean(axis=0)
    n, p = rest.shape
    outer = [np.outer(row - centre, row - centre) for row in rest]
    scatter = sum(outer) / n
    mean = np.trace(scatter) / p
    spread = np.sum((scatter - mean * np.eye(p)) ** 2) / p
    doubt = min(spread, sum(np.sum((one - scatter) ** 2) for one in outer) / p / n**2)
    shrunk = (1 - doubt / spread) * scatter + doubt / spread * mean * np.eye(p)
    return np.linalg.inv(shrunk) @ (defects.mean(axis=0) - centre)


def concentration_step(x, direction, share):
    """The unit vector along the sum of the share of the rows that lie furthest along a direction."""
    along = [sum(u * d for u, d in zip(row, direction, strict=True)) for row in x]
    kept = sorted(range(len(along)), key=lambda i: -along[i])[: round(share * len(along))]
    total = [sum(x[i][j] for i in kept) for j in range(len(direction))]
    length = sqrt(sum(t**2 for t in total))
    return [t / length for t in total]


def moments_of(values):
    """Mean, standard deviation, least, most, skewness and kurtosis of numbers."""
    n, mean = len(values), sum(values) / len(values)
    m2, m3, m4 = (sum((v - mean) ** k for v in values) / n for k in (2, 3, 4))
    return [mean, sqrt(m2), min(values), max(values), m3 / (m2**1.5 + 1e-9), m4 / (m2**2 + 1e-9)]


def filtered(picture, kernel_down, kernel_across):
    """A picture (rows of numbers) under a separable filter; edge pixels go on beyond the edge."""
    height, width, reach = len(picture), len(picture[0]), len(kernel_down) // 2

    def at(row, column):
        return picture[min(max(row, 0), height - 1)][min(max(column, 0), width - 1)]

    return [
        [
            sum(
                kernel_down[i] * kernel_across[j] * at(row + i - reach, column + j - reach)
                for i in range(len(kernel_down))
                for j in range(len(kernel_across))
            )
            for column in range(width)
        ]
        for row in range(height)
    ]


def gaussian_derivatives(scale):
    """Kernels of a Gaussian and of its first two derivatives, in units of its standard deviation."""
    reach = int(3 * scale + 0.5)
    steps = range(-reach, reach + 1)
    bell = [exp(-0.5 * (t / scale) ** 2) for t in steps]
    bell = [b / sum(bell) for b in bell]
    return (
        bell,
        [t / scale * b for t, b in zip(steps, bell, strict=True)],
        [((t / scale) ** 2 - 1) * b for t, b in zip(steps, bell, strict=True)],
    )


def surprisal(score, ordinary, share):
    """Minus log of the share of ordinary scores above; exponential beyond the (1 - share) quantile."""
    top = float(np.quantile(ordinary, 1 - share))
    above = [s - top for s in ordinary if s > top]
    if score > top:
        return -log(share) + (score - top) / (sum(above) / len(above))
    return -log(1 - min(sum(s <= score for s in ordinary) / len(ordinary), 1 - share))


def regularity(errors):
    """1 - (e - least) / (largest - least), frame by frame."""
    least = largest = errors[0]
    for error in errors:
        least, largest = min(least, error), max(largest, error)
    return [1 - (error - least) / (largest - least) for error in errors]


def errors_by_frame(names, maps):
    """Root mean squared error of every frame of every recording, mean over the clips that hold it."""
    found = {}
    for name, clip in zip(names, maps, strict=True):
        recording, start = name.split("#")
        for frame, picture in enumerate(clip):
            total = pixels = 0
            for plane in picture:
                for row in plane:
                    for value in row:
                        total, pixels = total + value, pixels + 1
            found.setdefault((recording, int(start) + frame), []).append((total / pixels) ** 0.5)
    return {place: sum(values) / len(values) for place, values in found.items()}


def mean_of_highest(scores):
    """One part in sixteen counts, at least one and at most eight."""
    highest = sorted(scores, reverse=True)[: min(8, max(1, len(scores) // 16))]
    return sum(highest) / len(highest)


def fisher_direction(chosen, rest):
    """Inverse covariance of the rest, shrunk by 0.3 to a multiple of the identity, times the difference of the means."""
    n, p = rest.shape
    centre = [sum(float(row[j]) for row in rest) / n for j in range(p)]
    centred = np.array([[float(row[j]) - centre[j] for j in range(p)] for row in rest])
    covariance = np.zeros((p, p))
    for row in centred:
        covariance += np.outer(row, row) / n
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / p * np.eye(p)
    difference = np.array([sum(float(row[j]) for row in chosen) / len(chosen) - centre[j] for j in range(p)])
    return np.linalg.inv(shrunk) @ difference


def generalised_distance(row, point, own):
    """From a point, by the principal directions that a state holds and the mean variance along all others."""

    def softened(x, j):
        return 20 * np.arcsinh((x[j] - own["centre"][j]) / (20 * own["unit"][j]))

    away = [softened(row, j) - softened(point, j) for j in range(len(row))]
    total, rest = 0.0, float(own["rest"])
    left = sum(a * a for a in away)
    for k, factor in enumerate(own["factors"]):
        along = sum(a * own["axes"][j, k] for j, a in enumerate(away))
        total += along * along * (factor + 1 / rest)
        left -= along * along
    return np.sqrt(max(total + left / rest, 0.0))


def nats_beyond(row, own):
    """How far a row lies beyond the ordinary rows, and beyond these and the labelled defects, by the arrays of a state."""
    distance = generalised_distance(row, own["centre"], own)
    normal = max(0.0, (distance - float(own["edge"])) / float(own["excess"]))
    if not len(own["defects"]):
        return normal, normal
    nearest = min(generalised_distance(row, defect, own) for defect in own["defects"])
    allowed = min(float(own["reach"][0]) * distance, float(own["reach"][1]))
    return normal, min(normal, max(0.0, (nearest - allowed) / float(own["excess"])))


def neighbours(picture):
    """Correlation of pixels with those one and two away, by a loop over pixels; (channel, height, width)."""
    found = []
    for lag in (1, 2):
        for plane in np.asarray(picture) - np.mean(picture, axis=(1, 2), keepdims=True):
            height, width = plane.shape
            down = [plane[i, j] * plane[i + lag, j] for i in range(height - lag) for j in range(width)]
            across = [plane[i, j] * plane[i, j + lag] for i in range(height) for j in range(width - lag)]
            sides = [np.mean(side) for side in (down, across) if side]
            found.append((np.mean(sides) if sides else 0.0) / (np.mean(plane**2) + 1e-6))
    return np.array(found)

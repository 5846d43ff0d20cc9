// Losses and Reduction: sums over positions.

// The label of a position, its fraction cut off.
function labelAt(at, position) {
  const label = at.bottom(1, position);
  return label === undefined ? undefined : Math.trunc(label);
}

// The softmax at the flat place of a score.
function softmaxAt(at, place) {
  const places = classesAt(at.rule.around, place);
  const scores = places.map((other) => at.bottom(0, other));
  return scores.includes(undefined) ? undefined : probabilities(scores).values[places.indexOf(place)];
}

// At each position of (outer, classes, inner): the flat place of its label's score, and whether it counts.
function* labelled(at) {
  const [outer, classes, inner] = at.rule.around;
  for (let position = 0; position < outer * inner; position++) {
    const label = labelAt(at, position);
    const row = Math.floor(position / inner) * classes;
    yield { position, label, counts: label !== at.rule.ignore, place: (row + label) * inner + (position % inner) };
  }
}

RULES["softmax loss"] = {
  value(at, top, place) {
    if (top === 1) return { terms: [at.made(softmaxAt(at, place), 0, place, "its softmax")] };
    const terms = [];
    for (const { label, counts, place: p } of labelled(at)) {
      if (!counts) continue;
      const share = label === undefined ? undefined : softmaxAt(at, p);
      const text = `-log(${short(share)}), the softmax of the label's score, / ${short(at.rule.divisor)}`;
      if (label === undefined) terms.push(constant(undefined, "left out"));
      else {
        const term = at.made(share === undefined ? undefined : -Math.log(share) / at.rule.divisor, 0, p, text);
        terms.push(ofDifference(term, 1 / at.rule.divisor)); // near 1 the logarithm is 1 - p
      }
    }
    return { terms };
  },
  gradient(at, bottom, place) {
    const [, classes, inner] = at.rule.around;
    const position = Math.floor(place / (classes * inner)) * inner + (place % inner);
    const label = labelAt(at, position);
    if (label === at.rule.ignore) return { terms: [], words: "This position's label is ignored." };
    const share = softmaxAt(at, place);
    const isLabel = Math.floor(place / inner) % classes === label;
    const slope = (share - Number(isLabel)) / at.rule.divisor;
    const text = `(p${isLabel ? " - 1" : ""}) / ${short(at.rule.divisor)}, p = ${short(share)}`;
    const term = at.sent(0, 0, label === undefined ? undefined : slope, text);
    return { terms: [isLabel ? ofDifference(term, 1 / at.rule.divisor) : term] };
  },
};

RULES["euclidean loss"] = {
  value(at) {
    const batch = Math.max(at.bottomShape(0)[0], 1);
    const text = `(x - bottom 1)^2 / (2 x ${batch})`;
    const terms = range(product(at.bottomShape(0))).map((place) =>
      at.made((at.bottom(0, place) - at.bottom(1, place)) ** 2 / (2 * batch), 0, place, text),
    );
    return { terms: terms.map((term) => (Number.isNaN(term.value) ? { ...term, value: undefined } : term)) };
  },
  gradient(at, bottom, place) {
    const difference = at.bottom(bottom, place) - at.bottom(1 - bottom, place);
    return { terms: [at.sent(0, 0, difference / Math.max(at.bottomShape(0)[0], 1), "difference / batch size")] };
  },
};

RULES["sigmoid loss"] = {
  value(at) {
    const terms = [];
    for (const place of range(product(at.bottomShape(0)))) {
      const [x, target] = [at.bottom(0, place), at.bottom(1, place)];
      if (at.rule.ignore !== null && Math.trunc(target) === at.rule.ignore) continue;
      const log = Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      const value = x === undefined || target === undefined ? undefined : (log - x * target) / at.rule.divisor;
      terms.push(at.made(value, 0, place, `(log(1 + e^x) - t x) / ${short(at.rule.divisor)}, t = ${short(target)}`));
    }
    return { terms };
  },
  gradient(at, bottom, place) {
    const [x, target] = [at.bottom(0, place), at.bottom(1, place)];
    if (at.rule.ignore !== null && Math.trunc(target) === at.rule.ignore) return { terms: [], words: "Ignored." };
    const term = at.sent(0, 0, (sigmoid(x) - target) / at.rule.divisor, "(sigmoid(x) - t) / normalizer");
    return { terms: [ofDifference(term, Math.max(1, Math.abs(target)) / at.rule.divisor)] };
  },
};

RULES.reduction = {
  value(at, top, place) {
    const size = at.rule.rows[1];
    const made = { x: (x) => x, "|x|": Math.abs, "x^2": (x) => x * x }[at.rule.of];
    return {
      terms: range(size).map((i) => {
        const x = at.bottom(0, place * size + i);
        const value = x === undefined ? undefined : at.rule.coeff * made(x);
        return at.made(value, 0, place * size + i, `${short(at.rule.coeff)} ${at.rule.of}`);
      }),
    };
  },
  gradient(at, bottom, place) {
    const x = at.bottom(0, place);
    const slope = { x: 1, "|x|": Math.sign(x), "x^2": 2 * x }[at.rule.of];
    return { terms: [at.sent(0, Math.floor(place / at.rule.rows[1]), at.rule.coeff * slope, "slope")] };
  },
};

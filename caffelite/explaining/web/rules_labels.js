// More losses of scores and labels, Accuracy and ArgMax.

const SMALLEST = Math.fround(1e-20); // probabilities below it count as it

// One label an item, all scores of which count as classes.
const classesOfItem = (at) => product(at.bottomShape(0).slice(1));

RULES["multinomial loss"] = {
  value(at) {
    const [classes, num] = [classesOfItem(at), Math.max(at.bottomShape(0)[0], 1)];
    return {
      terms: range(at.bottomShape(0)[0]).map((item) => {
        const label = labelAt(at, item);
        if (label === undefined) return constant(undefined, "left out");
        const p = at.bottom(0, item * classes + label);
        const value = p === undefined ? undefined : -Math.log(Math.max(p, SMALLEST)) / num;
        return at.made(value, 0, item * classes + label, `-log(p) / ${num}`);
      }),
    };
  },
  gradient(at, bottom, place) {
    const [classes, num] = [classesOfItem(at), Math.max(at.bottomShape(0)[0], 1)];
    const label = labelAt(at, Math.floor(place / classes));
    if (label === undefined) return { terms: [at.sent(0, 0, undefined, "left out")] };
    if (place % classes !== label) return { terms: [], words: `Only the probability of the label, ${label}, counts.` };
    return { terms: [at.sent(0, 0, -1 / (num * Math.max(at.bottom(0, place), SMALLEST)), `-1 / (${num} p)`)] };
  },
};

// What a score lacks, and the sign of the score in it: -1 at the label.
function marginAt(at, place) {
  const classes = classesOfItem(at);
  const [x, label] = [at.bottom(0, place), labelAt(at, Math.floor(place / classes))];
  if (x === undefined || label === undefined) return { margin: undefined };
  const sign = place % classes === label ? -1 : 1;
  return { margin: Math.max(0, 1 + sign * x), sign };
}

RULES["hinge loss"] = {
  value(at) {
    const num = Math.max(at.bottomShape(0)[0], 1);
    const terms = [];
    for (const place of range(product(at.bottomShape(0)))) {
      const { margin, sign } = marginAt(at, place);
      if (margin === 0) continue;
      const value = margin === undefined ? undefined : (at.rule.squared ? margin * margin : margin) / num;
      terms.push(at.made(value, 0, place, `max(0, 1 ${sign < 0 ? "-" : "+"} x)${at.rule.squared ? "^2" : ""} / ${num}`));
    }
    return { terms, words: "Scores that lack nothing are left out." };
  },
  gradient(at, bottom, place) {
    const { margin, sign } = marginAt(at, place);
    if (margin === 0) return { terms: [], words: "This score lacks nothing, so nothing comes back." };
    const slope = margin === undefined ? undefined : sign * (at.rule.squared ? 2 * margin : 1);
    const num = Math.max(at.bottomShape(0)[0], 1);
    return { terms: [at.sent(0, 0, slope === undefined ? undefined : slope / num, "slope of the margin / batch size")] };
  },
};

// The squared distance of a pair, whether it counts as similar, and the text of what it adds.
function pairAt(at, pair) {
  const size = classesOfItem(at);
  const likeness = at.bottom(2, pair);
  const differences = range(size).map((i) => at.bottom(0, pair * size + i) - at.bottom(1, pair * size + i));
  const square = differences.reduce((all, one) => all + one * one, 0);
  if (likeness === undefined || Number.isNaN(square)) return { square: undefined };
  return { square, similar: Math.abs(likeness) >= 1 };
}

RULES["contrastive loss"] = {
  value(at) {
    const num = at.bottomShape(0)[0];
    const { margin, legacy } = at.rule;
    return {
      terms: range(num).map((pair) => {
        const { square, similar } = pairAt(at, pair);
        if (square === undefined) return constant(undefined, "left out");
        const apart = legacy ? Math.max(margin - square, 0) : Math.max(margin - Math.sqrt(square), 0) ** 2;
        const text = `pair ${pair}, ${similar ? "similar" : "unlike"}, distance ${short(Math.sqrt(square))}`;
        return at.made((similar ? square : apart) / (2 * num), 0, pair * classesOfItem(at), text);
      }),
    };
  },
  gradient(at, bottom, place) {
    const num = at.bottomShape(0)[0];
    const { margin, legacy, nearZero } = at.rule;
    const { square, similar } = pairAt(at, Math.floor(place / classesOfItem(at)));
    if (square === undefined) return { terms: [at.sent(0, 0, undefined, "left out")] };
    const distance = Math.sqrt(square);
    const missing = margin - (legacy ? square : distance);
    const unlike = missing > 0 ? (legacy ? -1 : -missing / (distance + nearZero)) : 0;
    const factor = similar ? 1 : unlike;
    const difference = at.bottom(bottom, place) - at.bottom(1 - bottom, place);
    const text = `difference x ${short(factor)} (${similar ? "similar" : "unlike"}) / ${num}`;
    return { terms: [at.sent(0, 0, (difference * factor) / num, text)] };
  },
};

const priceAt = (at, label, other) =>
  at.rule.matrix ? Number(at.rule.matrix[label * at.rule.around[1] + other]) : at.bottom(2, label * at.rule.around[1] + other);

RULES["infogain loss"] = {
  value(at, top, place) {
    if (top === 1) return { terms: [at.made(softmaxAt(at, place), 0, place, "its softmax")] };
    const terms = [];
    for (const { label, counts, place: p } of labelled(at)) {
      if (!counts) continue;
      if (label === undefined) terms.push(constant(undefined, "left out"));
      else
        classesAt(at.rule.around, p).forEach((one, other) => {
          const [share, price] = [softmaxAt(at, one), priceAt(at, label, other)];
          if (price === 0) return;
          const value = share === undefined || price === undefined ? undefined : (-price * Math.log(Math.max(share, SMALLEST))) / at.rule.divisor;
          const text = `-H[${label}, ${other}] log(p) / ${short(at.rule.divisor)}, H = ${short(price)}, p = ${short(share)}`;
          terms.push(ofDifference(at.made(value, 0, one, text), price / at.rule.divisor)); // near 1 log(p) is p - 1
        });
    }
    return { terms, words: "Classes whose price in H is 0 are left out." };
  },
  gradient(at, bottom, place) {
    const [, classes, inner] = at.rule.around;
    const label = labelAt(at, Math.floor(place / (classes * inner)) * inner + (place % inner));
    if (label === at.rule.ignore) return { terms: [], words: "This position's label is ignored." };
    const share = softmaxAt(at, place);
    const prices = range(classes).map((other) => (label === undefined ? undefined : priceAt(at, label, other)));
    if (share === undefined || prices.includes(undefined)) return { terms: [at.sent(0, 0, undefined, "left out")] };
    const own = Math.floor(place / inner) % classes;
    const sum = prices.reduce((all, price) => all + price, 0);
    const text = `(p x sum of H[${label}] - H[${label}, ${own}]) / ${short(at.rule.divisor)}, p = ${short(share)}`;
    const term = at.sent(0, 0, (share * sum - prices[own]) / at.rule.divisor, text);
    return { terms: [ofDifference(term, prices[own] / at.rule.divisor)] };
  },
};

RULES.accuracy = {
  value(at, top, place) {
    const found = [];
    let counted = 0;
    for (const { position, label, counts, place: p } of labelled(at)) {
      if (!counts || (top === 1 && label !== undefined && label !== place)) continue;
      counted++;
      const scores = label === undefined ? [undefined] : classesAt(at.rule.around, p).map((other) => at.bottom(0, other));
      if (scores.includes(undefined)) found.push(constant(undefined, "left out"));
      else {
        const rivals = scores.filter((score, other) => other !== label && score >= at.bottom(0, p)).length;
        const right = rivals < at.rule.most && !Number.isNaN(at.bottom(0, p));
        const text = `position ${position}, label ${label}: ${rivals} other classes score as high`;
        found.push({ ...at.made(Number(right), 0, p, text) });
      }
    }
    return { terms: found.map((term) => ({ ...term, value: term.value === undefined ? undefined : term.value / counted })) };
  },
};

RULES.argmax = {
  value(at, top, place) {
    const { around, most, values, both } = at.rule;
    const [, classes, inner] = around;
    const size = (both ? 2 : 1) * most * inner; // of what an outer index makes
    const outer = Math.floor(place / size);
    const rank = Math.floor((place % size) / inner) % most;
    const wantsValue = values || (both && Math.floor((place % size) / inner) >= most);
    const places = range(classes).map((c) => (outer * classes + c) * inner + (place % inner));
    const scores = places.map((p) => at.bottom(0, p));
    if (scores.includes(undefined)) return { terms: [constant(undefined, "left out")] };
    // of equal values the last comes first
    const best = range(classes).sort((a, b) => scores[b] - scores[a] || b - a)[rank];
    const figures = places.map((p, c) => ({ ...at.read(0, p), own: c === best }));
    const text = `number ${rank + 1} of ${classes} by size`;
    const term = wantsValue ? at.read(0, places[best], 1, text) : at.made(best, 0, places[best], `its place, ${text}`);
    return { terms: [term], figures, figuresTitle: "the values" };
  },
};

// Values divided by something that many of them make: BatchNorm, MVN, LRN, Softmax.

RULES.normalize = {
  value(at, top, place) {
    const group = operandOf(at.rule.around, place);
    const [mean, factor] = [Number(at.rule.mean[group]), Number(at.rule.factor[group])];
    return {
      terms: [
        at.read(0, place, factor, "1 / deviation"),
        constant(-mean * factor, `-mean / deviation, mean ${short(mean)}`),
      ],
    };
  },
  // Where mean and deviation are made of the values, all gradients of the group come to each of them.
  gradient(at, bottom, place) {
    const group = operandOf(at.rule.around, place);
    const [mean, factor] = [Number(at.rule.mean[group]), Number(at.rule.factor[group])];
    if (at.rule.fixed) return { terms: [at.sent(0, place, factor, "1 / deviation")] };
    const places = placesOfOperand(at.rule.around, group);
    const spread = at.rule.spread ? Number(at.rule.spread[group]) : 1;
    const normal = (p) => (at.bottom(0, p) - mean) * factor;
    const own = normal(place);
    const terms = places.map((p) => {
      const slope = factor * (Number(p === place) - 1 / places.length - (spread * own * normal(p)) / places.length);
      return at.sent(0, p, at.bottom(0, p) === undefined ? undefined : slope, "slope, through mean and deviation");
    });
    return { terms };
  },
};

// LRN: `neighbours(at, place)` are the flat places whose squares make the scale of a value; these have it in theirs.
function lrnRule(neighbours, divisor) {
  function scaleAt(at, place) {
    let squares = 0;
    for (const p of neighbours(at, place)) {
      const value = at.bottom(0, p);
      if (value === undefined) return undefined;
      squares += value * value;
    }
    return at.rule.k + (at.rule.alpha / divisor(at)) * squares;
  }
  return {
    value(at, top, place) {
      const scale = scaleAt(at, place);
      const count = neighbours(at, place).length;
      return {
        terms: [
          at.read(0, place, scale === undefined ? undefined : scale ** -at.rule.beta, `${short(scale)}^-${at.rule.beta}`),
        ],
        words:
          `s = ${short(at.rule.k)} + ${short(at.rule.alpha)} / ${divisor(at)} x the sum of the squares of ${count} ` +
          `neighbours = ${short(scale)}; the value is divided by s^${short(at.rule.beta)}.`,
        figures: neighbours(at, place).map((p) => ({ ...at.read(0, p), own: p === place })),
        figuresTitle: "the neighbours",
      };
    },
    gradient(at, bottom, place) {
      const { alpha, beta } = at.rule;
      const own = at.bottom(0, place);
      const terms = neighbours(at, place).map((p) => {
        const scale = scaleAt(at, p);
        const value = at.bottom(0, p);
        if (scale === undefined) return at.sent(0, p, undefined, "left out");
        const through = ((2 * alpha * beta) / divisor(at)) * own * value * scale ** (-beta - 1);
        const direct = p === place ? scale ** -beta : 0;
        return at.sent(0, p, direct - through, p === place ? "its own slope" : "slope: it is in this one's scale");
      });
      return { terms };
    },
  };
}

function channelsAround(at, place) {
  const [, channels, height, width] = at.bottomShape(0);
  const pixels = height * width;
  const channel = Math.floor(place / pixels) % channels;
  const half = (at.rule.size - 1) / 2;
  const places = [];
  for (let c = Math.max(channel - half, 0); c <= Math.min(channel + half, channels - 1); c++)
    places.push(place + (c - channel) * pixels);
  return places;
}

function pixelsAround(at, place) {
  const shape = at.bottomShape(0);
  const [n, c, y, x] = indexOf(place, shape);
  const half = (at.rule.size - 1) / 2;
  const places = [];
  for (let row = Math.max(y - half, 0); row <= Math.min(y + half, shape[2] - 1); row++)
    for (let column = Math.max(x - half, 0); column <= Math.min(x + half, shape[3] - 1); column++)
      places.push(flatOf([n, c, row, column], shape));
  return places;
}

RULES["lrn across"] = lrnRule(channelsAround, (at) => at.rule.size);
RULES["lrn within"] = lrnRule(pixelsAround, (at) => at.rule.size ** 2);

// Softmax: the flat places of all classes at the position of one of them, and their probabilities.
function classesAt([, classes, inner], place) {
  const outer = Math.floor(place / (classes * inner));
  return range(classes).map((c) => (outer * classes + c) * inner + (place % inner));
}

function probabilities(scores) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((all, power) => all + power, 0);
  return { most, sum, values: powers.map((power) => power / sum) };
}

RULES.softmax = {
  value(at, top, place) {
    const places = classesAt(at.rule.around, place);
    const own = places.indexOf(place);
    const { most, sum, values } = probabilities(places.map((p) => at.bottom(0, p)));
    const known = places.every((p) => at.bottom(0, p) !== undefined);
    return {
      terms: [at.made(known ? values[own] : undefined, 0, place, `e^(x - ${short(most)}) / ${short(sum)}`)],
      words: `The power of e of this score, less the largest, divided by the sum over all ${places.length} classes.`,
      figures: places.map((p, c) => ({ ...at.read(0, p), own: p === place, made: values[c] })),
      figuresTitle: "the scores",
      madeTitle: "probability",
    };
  },
  gradient(at, bottom, place) {
    const places = classesAt(at.rule.around, place);
    const { values } = probabilities(places.map((p) => at.bottom(0, p)));
    const own = values[places.indexOf(place)];
    const terms = places.map((p, c) =>
      at.sent(0, p, values[c] * (Number(p === place) - own), p === place ? "p (1 - p)" : "-p[k] p"),
    );
    return { terms };
  },
};

// Layers whose tops hold values of their bottoms: each value comes from one place, each gradient from its copies.

const range = (count) => Array.from({ length: count }, (_, i) => i);

RULES.copy = {
  value: (at, top, place) => ({ terms: [at.read(0, place, 1, "the same value")] }),
  gradient: (at, bottom, place) => ({ terms: at.layer.tops.map((_, number) => at.sent(number, place)) }),
};

RULES.silence = { gradient: () => ({ terms: [], words: "Silence sends back 0." }) };

// Which part along the axis a place of the whole lies in, and its flat place there; and back.
function partOf(place, whole, parts, axis) {
  const index = indexOf(place, whole);
  let number = 0;
  while (index[axis] >= parts[number][axis]) index[axis] -= parts[number++][axis];
  return [number, flatOf(index, parts[number])];
}

function wholeOf(place, number, parts, whole, axis) {
  const index = indexOf(place, parts[number]);
  for (let before = 0; before < number; before++) index[axis] += parts[before][axis];
  return flatOf(index, whole);
}

const shapesOf = (versions) => versions.map((version) => version.shape);

RULES.concat = {
  value(at, top, place) {
    const [number, inside] = partOf(place, at.topShape(0), shapesOf(at.layer.bottoms), at.rule.axis);
    return { terms: [at.read(number, inside, 1, `from bottom ${number}`)] };
  },
  gradient(at, bottom, place) {
    const whole = wholeOf(place, bottom, shapesOf(at.layer.bottoms), at.topShape(0), at.rule.axis);
    return { terms: [at.sent(0, whole)] };
  },
};

RULES.slice = {
  value: (at, top, place) => ({
    terms: [at.read(0, wholeOf(place, top, shapesOf(at.layer.tops), at.bottomShape(0), at.rule.axis))],
  }),
  gradient(at, bottom, place) {
    const [number, inside] = partOf(place, at.bottomShape(0), shapesOf(at.layer.tops), at.rule.axis);
    return { terms: [at.sent(number, inside)] };
  },
};

RULES.crop = {
  value(at, top, place) {
    const index = indexOf(place, at.topShape(0)).map((i, axis) => i + at.rule.offsets[axis]);
    return { terms: [at.read(0, flatOf(index, at.bottomShape(0)))] };
  },
  gradient(at, bottom, place) {
    if (bottom === 1) return { terms: [], words: "This bottom only gives the size." };
    const index = indexOf(place, at.bottomShape(0)).map((i, axis) => i - at.rule.offsets[axis]);
    if (index.some((i, axis) => i < 0 || i >= at.topShape(0)[axis])) return { terms: [], words: "This was cut off." };
    return { terms: [at.sent(0, flatOf(index, at.topShape(0)))] };
  },
};

RULES.tile = {
  value(at, top, place) {
    const { tiles, block } = at.rule;
    return { terms: [at.read(0, Math.floor(place / (tiles * block)) * block + (place % block))] };
  },
  gradient(at, bottom, place) {
    const { tiles, block } = at.rule;
    const outer = Math.floor(place / block);
    return { terms: range(tiles).map((tile) => at.sent(0, (outer * tiles + tile) * block + (place % block))) };
  },
};

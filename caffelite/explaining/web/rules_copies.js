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

// Filter and BatchReindex: item i of the top is item `number(i)` of the bottom.
const itemOf = (place, shape) => Math.floor(place / product(shape.slice(1)));
const movedTo = (place, shape, item) => item * product(shape.slice(1)) + (place % product(shape.slice(1)));

RULES.filter = {
  value(at, top, place) {
    const shape = at.topShape(top);
    const item = at.rule.rows[itemOf(place, shape)];
    return { terms: [at.read(top, movedTo(place, shape, item), 1, `item ${item} is selected`)] };
  },
  gradient(at, bottom, place) {
    const shape = at.bottomShape(bottom);
    const item = at.rule.rows.indexOf(itemOf(place, shape));
    if (item < 0) return { terms: [], words: "This item is not selected." };
    return { terms: [at.sent(bottom, movedTo(place, shape, item))] };
  },
};

RULES["batch reindex"] = {
  value(at, top, place) {
    const shape = at.topShape(0);
    const item = at.bottom(1, itemOf(place, shape));
    if (item === undefined) return { terms: [constant(undefined, "left out")] };
    return { terms: [at.read(0, movedTo(place, shape, Math.trunc(item)), 1, `item ${Math.trunc(item)}`)] };
  },
  gradient(at, bottom, place) {
    const shape = at.bottomShape(0);
    const own = itemOf(place, shape);
    const numbers = range(at.bottomShape(1)[0]).map((item) => at.bottom(1, item));
    const terms = numbers.flatMap((number, item) => {
      if (number === undefined) return [constant(undefined, "left out")];
      return Math.trunc(number) === own ? [at.sent(0, movedTo(place, shape, item))] : [];
    });
    return { terms, words: `Item ${own} stands in the top ${count(terms.length, "time", "times")}.` };
  },
};

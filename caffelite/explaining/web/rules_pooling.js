// Pooling, two spatial axes: windows that choose a value or mix them, and pyramids of such windows.

// { pixels: [[y, x, flat place]], area, rows, columns } of the window of a value of the top; padding counts in the area.
function poolingWindow(at, place) {
  const { kernel, stride, pad } = at.rule;
  const [, , height, width] = at.bottomShape(0);
  const [n, c, p, q] = indexOf(place, at.topShape(0));
  const sides = [
    [p, 0, height],
    [q, 1, width],
  ].map(([step, axis, size]) => {
    const begin = step * stride[axis] - pad[axis];
    const end = Math.min(begin + kernel[axis], size + pad[axis]);
    return { begin: Math.max(begin, 0), end: Math.min(end, size), all: Math.max(end - begin, 0) };
  });
  const [down, across] = sides;
  const plane = (n * at.bottomShape(0)[1] + c) * height * width;
  const pixels = [];
  for (let y = down.begin; y < down.end; y++)
    for (let x = across.begin; x < across.end; x++) pixels.push([y, x, plane + y * width + x]);
  return {
    pixels,
    plane: c,
    area: down.all * across.all,
    rows: down.end - down.begin,
    columns: across.end - across.begin,
  };
}

// Flat places of the windows that a pixel of the bottom lies in.
function poolingWindowsOver(at, place) {
  const { kernel, stride, pad } = at.rule;
  const [n, c, y, x] = indexOf(place, at.bottomShape(0));
  const [, channels, rows, columns] = at.topShape(0);
  const along = (pixel, axis, count) => {
    const steps = [];
    for (let step = 0; step < count; step++) {
      const begin = step * stride[axis] - pad[axis];
      if (begin <= pixel && pixel < begin + kernel[axis]) steps.push(step);
    }
    return steps;
  };
  const windows = [];
  for (const p of along(y, 0, rows))
    for (const q of along(x, 1, columns)) windows.push(((n * channels + c) * rows + p) * columns + q);
  return windows;
}

// The first of the largest pixels of a window; undefined if one of them is not in the page, null if there is none.
function largestOf(at, window) {
  let best = null;
  for (const pixel of window.pixels) {
    const value = at.bottom(0, pixel[2]);
    if (value === undefined) return undefined;
    if (best === null || value > at.bottom(0, best[2])) best = pixel;
  }
  return best;
}

RULES["max pooling"] = {
  value(at, top, place) {
    const window = poolingWindow(at, place);
    const best = largestOf(at, window);
    if (best === null) return { terms: [constant(-3.4028234663852886e38, "a window without pixels")] };
    const [, , , width] = at.bottomShape(0);
    if (top === 1)
      return { terms: [constant(best && best[0] * width + best[1], "where in the plane the largest value is")] };
    const terms = best ? [at.read(0, best[2], 1, "the largest of the window")] : [constant(undefined, "left out")];
    const cells = window.pixels.map(([, , flat]) => ({ ...at.read(0, flat), chosen: best && flat === best[2] }));
    return { terms, pooled: [{ ...window, cells, title: "the window; its largest value, in the green frame, goes up" }] };
  },
  gradient(at, bottom, place) {
    const terms = [];
    const pooled = [];
    for (const flat of poolingWindowsOver(at, place)) {
      const window = poolingWindow(at, flat);
      const best = largestOf(at, window);
      const term = at.sent(0, flat, 1, "this pixel was the largest");
      const won = best && best[2] === place;
      if (best === undefined) terms.push({ ...term, value: undefined });
      else if (won) terms.push(term);
      const cells = window.pixels.map(([, , p]) => ({
        ...at.read(0, p),
        chosen: best && p === best[2],
        own: p === place,
      }));
      const goes = won ? "goes to this pixel" : "goes to another pixel, which was larger";
      pooled.push({ ...window, cells, title: `${term.version.text(term.place)}: its gradient ${short(term.input)} ${goes}` });
    }
    const lost = terms.length ? "" : "In no window was this pixel the largest, so its gradient is 0. ";
    return { terms, pooled, words: `${lost}It lies in ${count(pooled.length, "window", "windows")}; the largest value of each has a green frame.` };
  },
};

RULES["average pooling"] = {
  value(at, top, place) {
    const window = poolingWindow(at, place);
    const terms = window.pixels.map(([, , flat], cell) => ({
      ...at.read(0, flat, 1 / window.area, `1 / ${window.area}`),
      plane: window.plane,
      cell,
    }));
    return { terms, window: { ...window, taps: [] }, matrixNames: ["window", "1 / area", "products"] };
  },
  gradient(at, bottom, place) {
    const terms = poolingWindowsOver(at, place).map((flat) => {
      const { area } = poolingWindow(at, flat);
      return at.sent(0, flat, 1 / area, `1 / ${area}, its share of this window`);
    });
    return { terms };
  },
};

// In TEST stochastic pooling takes the mean of the values, weighted by themselves.
RULES["stochastic pooling"] = {
  value(at, top, place) {
    const window = poolingWindow(at, place);
    const { sum } = weightedMean(at, window);
    const shared = sum === undefined || sum > 0;
    const terms = window.pixels.map(([, , flat], cell) => {
      const value = at.bottom(0, flat);
      const known = value !== undefined && sum !== undefined;
      const share = known ? (shared ? value / sum : 0) : undefined;
      return { ...at.read(0, flat, share, `its share of the sum ${short(sum)}`), plane: window.plane, cell };
    });
    return { terms, window: { ...window, taps: [] }, matrixNames: ["window", "shares of the sum", "products"] };
  },
  gradient(at, bottom, place) {
    const terms = poolingWindowsOver(at, place).map((flat) => {
      const { sum, mean } = weightedMean(at, poolingWindow(at, flat));
      const slope = sum === undefined ? undefined : sum > 0 ? (2 * at.bottom(0, place) - mean) / sum : 0;
      return at.sent(0, flat, slope, "(2 x - mean) / sum of the window");
    });
    return { terms };
  },
};

function weightedMean(at, window) {
  const values = window.pixels.map(([, , flat]) => at.bottom(0, flat));
  if (values.includes(undefined)) return { sum: undefined, mean: undefined };
  const sum = values.reduce((all, value) => all + value, 0);
  return { sum, mean: sum > 0 ? values.reduce((all, value) => all + value * value, 0) / sum : 0 };
}

// SPP: levels of pooling, whose values stand one after the other in an item of the top. A level as a rule of pooling
// sees it: `rule` has its window and the shape of its own top, whose places are moved to those of the joined one.
class Level extends At {
  constructor(layer, rule) {
    super(layer);
    this.rule = rule;
  }

  topShape() {
    return this.rule.shape;
  }

  sent(number, place, factor, text) {
    const each = product(this.rule.shape.slice(1));
    const joined = product(this.layer.tops[0].shape.slice(1));
    const flat = Math.floor(place / each) * joined + this.rule.start + (place % each);
    return super.sent(number, flat, factor, text);
  }
}

RULES.spp = {
  value(at, top, place) {
    const joined = product(at.topShape(0).slice(1));
    const inside = place % joined;
    const rule = at.rule.levels.findLast((one) => one.start <= inside);
    const own = Math.floor(place / joined) * product(rule.shape.slice(1)) + inside - rule.start;
    return RULES[at.rule.pool].value(new Level(at.layer, rule), 0, own);
  },
  gradient(at, bottom, place) {
    const levels = at.rule.levels.map((rule) => RULES[at.rule.pool].gradient(new Level(at.layer, rule), 0, place));
    const terms = levels.flatMap((level) => level.terms);
    const words = `It lies in a window of each of ${count(levels.length, "level", "levels")}.`;
    if (!levels[0].pooled) return { terms, words };
    return { terms, words, pooled: levels.flatMap((level) => level.pooled) };
  },
};

// Layers that make each value of the one at the same place: the gradient is multiplied by the slope.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const inner = (rule, x) => rule.b + rule.a * x;

// Of each function its value and its slope at x, and, if one of them is a difference, of numbers how large. `log` is the
// logarithm of the layer's base.
const FUNCTIONS = {
  abs: [(r, x) => Math.abs(x), (r, x) => Math.sign(x)],
  bnll: [(r, x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), (r, x) => sigmoid(x)],
  clip: [(r, x) => Math.max(Math.min(x, r.max), r.min), (r, x) => Number(x >= r.min && x <= r.max)],
  elu: [
    (r, x) => r.scale * (x > 0 ? x : r.alpha * Math.expm1(x)),
    (r, x) => r.scale * (x > 0 ? 1 : r.alpha * Math.exp(x)),
    (r, x) => (x > 0 ? 0 : r.scale * r.alpha), // e^x - 1
  ],
  exp: [(r, x) => Math.exp(r.log * inner(r, x)), (r, x) => r.log * r.a * Math.exp(r.log * inner(r, x))],
  log: [(r, x) => Math.log(inner(r, x)) / r.log, (r, x) => r.a / inner(r, x) / r.log],
  power: [
    (r, x) => inner(r, x) ** r.power,
    (r, x) => (r.power * r.a ? r.power * r.a * inner(r, x) ** (r.power - 1) : 0),
  ],
  relu: [(r, x) => (x > 0 ? x : r.slope * x), (r, x) => (x > 0 ? 1 : r.slope)],
  sigmoid: [(r, x) => sigmoid(x), (r, x) => sigmoid(x) * (1 - sigmoid(x)), () => 1], // by a tanh, and 1 - y
  swish: [
    (r, x) => x * sigmoid(r.beta * x),
    (r, x) => sigmoid(r.beta * x) * (1 + r.beta * x * (1 - sigmoid(r.beta * x))),
  ],
  tanh: [(r, x) => Math.tanh(x), (r, x) => 1 - Math.tanh(x) ** 2, () => 1],
  threshold: [(r, x) => Number(x > r.threshold), () => 0],
};

RULES.neuron = {
  value(at, top, place) {
    const x = at.bottom(0, place);
    if (at.rule.function === "relu")
      return { terms: [at.read(0, place, x === undefined ? undefined : x > 0 ? 1 : at.rule.slope, "slope")] };
    const [value, , rounded = () => 0] = FUNCTIONS[at.rule.function];
    const term = at.made(x === undefined ? undefined : value(at.rule, x), 0, place, at.layer.formula);
    return { terms: [ofDifference(term, rounded(at.rule, x))] };
  },
  gradient(at, bottom, place) {
    const x = at.bottom(0, place);
    const [, slope, rounded = () => 0] = FUNCTIONS[at.rule.function];
    const term = at.sent(0, place, x === undefined ? undefined : slope(at.rule, x), `slope at x = ${short(x)}`);
    return { terms: [ofDifference(term, rounded(at.rule, x))] };
  },
};

function preluTerm(at, term, place) {
  const x = at.bottom(0, place);
  if (x > 0) return { ...term, text: "x > 0" };
  return at.weighted(term, 0, operandOf(at.rule.around, place));
}

RULES.prelu = {
  value: (at, top, place) => ({ terms: [preluTerm(at, at.read(0, place), place)] }),
  gradient: (at, bottom, place) => ({ terms: [preluTerm(at, at.sent(0, place), place)] }),
};

// LSTMUnit: the gates i, f, o, g of a cell are D values apart.
function cellAt(at, place) {
  const cells = at.bottomShape(0)[2];
  const stream = Math.floor(place / cells);
  const places = range(4).map((gate) => (4 * stream + gate) * cells + (place % cells));
  const cont = at.bottom(2, stream);
  const [i, f, o, g] = places.map((p) => at.bottom(1, p));
  const last = at.bottom(0, place);
  if ([cont, i, f, o, g, last].includes(undefined)) return { places };
  const forget = cont === 0 ? 0 : cont * sigmoid(f); // a new stream, even if f is no number
  const cell = forget * last + sigmoid(i) * Math.tanh(g);
  return { places, i: sigmoid(i), f: forget, o: sigmoid(o), g: Math.tanh(g), last, cell };
}

RULES["lstm unit"] = {
  value(at, top, place) {
    const { places, i, f, o, g, cell } = cellAt(at, place);
    if (top === 1) return { terms: [at.made(cell === undefined ? undefined : o * Math.tanh(cell), 1, places[2], "sigmoid(o) tanh(c)")] };
    return {
      terms: [
        at.read(0, place, f, "cont x sigmoid(f)"),
        at.made(cell === undefined ? undefined : i * g, 1, places[0], "sigmoid(i) tanh(g)"),
      ],
    };
  },
  // The gradient of a cell comes from the top's cell and, through tanh, from the hidden value.
  gradient(at, bottom, place) {
    const cells = at.bottomShape(0)[2];
    const gate = bottom === 0 ? 4 : Math.floor(place / cells) % 4;
    const own = bottom === 0 ? place : Math.floor(place / (4 * cells)) * cells + (place % cells);
    const { i, f, o, g, last, cell } = cellAt(at, own);
    if (cell === undefined) return { terms: [at.sent(0, own, undefined), at.sent(1, own, undefined)] };
    const hidden = Math.tanh(cell);
    if (gate === 2) {
      const term = at.sent(1, own, hidden * o * (1 - o), "tanh(c) x slope of the gate o");
      return { terms: [ofDifference(term, hidden)] };
    }
    const slope = [g * i * (1 - i), last * f * (1 - f), 0, i * (1 - g * g), f][gate];
    const text = `d c / d ${["i", "f", "o", "g", "the last cell"][gate]}`;
    const rounded = [g, last, 0, i, 0][gate];
    const through = at.sent(1, own, slope * o * (1 - hidden * hidden), `o (1 - tanh(c)^2) x ${text}`);
    const most = Math.max(Math.abs(rounded), Math.abs(slope)) * o;
    return { terms: [ofDifference(at.sent(0, own, slope, text), rounded), ofDifference(through, most)] };
  },
};

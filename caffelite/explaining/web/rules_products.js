// Products with weights or with other blobs.

// How a flat item of a blob is written as matrices: (C, H, W) as C planes of H x W, a vector as one plane.
function planesOf(shape) {
  const sizes = shape.slice(1);
  if (sizes.length < 2 || product(sizes.slice(1)) === 1) {
    const count = product(sizes);
    const columns = count <= 12 ? count : Math.ceil(Math.sqrt(count));
    return { planes: 1, rows: Math.ceil(count / columns), columns };
  }
  const columns = sizes[sizes.length - 1];
  const rows = sizes[sizes.length - 2];
  return { planes: product(sizes) / (rows * columns), rows, columns };
}

RULES["inner product"] = {
  value(at, top, place) {
    const { inputs, outputs, transpose, bias } = at.rule;
    const output = place % outputs;
    const item = Math.floor(place / outputs);
    const layout = planesOf([1, ...at.bottomShape(0).slice(-Math.max(1, axesOf(at.bottomShape(0), inputs)))]);
    const size = layout.rows * layout.columns;
    const terms = [];
    for (let i = 0; i < inputs; i++) {
      const term = at.weighted(at.read(0, item * inputs + i), 0, transpose ? i * outputs + output : output * inputs + i);
      terms.push({ ...term, plane: Math.floor(i / size), cell: i % size });
    }
    if (bias) terms.push({ ...at.parameter(1, output, "bias"), isBias: true });
    return { terms, window: { ...layout, taps: [] }, matrixNames: ["values", "weights", "products"] };
  },
  gradient(at, bottom, place) {
    const { inputs, outputs, transpose } = at.rule;
    const input = place % inputs;
    const item = Math.floor(place / inputs);
    const terms = [];
    for (let k = 0; k < outputs; k++) {
      const term = at.sent(0, item * outputs + k);
      terms.push({ ...at.weighted(term, 0, transpose ? input * outputs + k : k * inputs + input), plane: 0, cell: k });
    }
    const layout = planesOf([1, outputs]);
    return {
      terms,
      covering: { windows: [], ...layout },
      matrixNames: ["gradients of the top", "weights", "products"],
      words: `Each of the ${outputs} outputs read this value.`,
    };
  },
};

// How many of the last axes make `count` values.
function axesOf(shape, count) {
  let axes = 0;
  for (let size = 1; size < count; size *= shape[shape.length - axes]) axes++;
  return axes;
}

RULES.embed = {
  value(at, top, place) {
    const { outputs, bias } = at.rule;
    const output = place % outputs;
    const row = at.bottom(0, Math.floor(place / outputs));
    const weight = row === undefined ? constant(undefined, "left out") : at.parameter(0, row * outputs + output, `row ${row}`);
    return { terms: bias ? [weight, at.parameter(1, output, "bias")] : [weight] };
  },
};

RULES.parameter = { value: (at, top, place) => ({ terms: [at.parameter(0, place)] }) };

// Scale and Bias: which value of the operand meets a value of bottom 0, and the other way round.
const operandOf = ([, size, inner], place) => Math.floor(place / inner) % size;

function placesOfOperand([outer, size, inner], operand) {
  const places = [];
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) places.push((o * size + operand) * inner + i);
  return places;
}

function timesOperand(at, term, operand) {
  if (at.layer.bottoms.length === 1) return at.weighted(term, 0, operand);
  return at.times(term.version, term.place, term.isDiff, at.bottom(1, operand), "bottom 1");
}

RULES.scale = {
  value(at, top, place) {
    const operand = operandOf(at.rule.around, place);
    const terms = [timesOperand(at, at.read(0, place), operand)];
    if (at.rule.bias) terms.push({ ...at.parameter(at.rule.params - 1, operand, "bias"), isBias: true });
    return { terms };
  },
  gradient(at, bottom, place) {
    if (bottom === 0) return { terms: [timesOperand(at, at.sent(0, place), operandOf(at.rule.around, place))] };
    const places = placesOfOperand(at.rule.around, place);
    return { terms: places.map((p) => at.sent(0, p, at.bottom(0, p), "bottom 0")) };
  },
};

RULES.bias = {
  value(at, top, place) {
    const operand = operandOf(at.rule.around, place);
    const learned = at.layer.bottoms.length === 1;
    return { terms: [at.read(0, place), learned ? at.parameter(0, operand, "bias") : at.read(1, operand)] };
  },
  gradient(at, bottom, place) {
    const places = bottom === 0 ? [place] : placesOfOperand(at.rule.around, place);
    return { terms: places.map((p) => at.sent(0, p)) };
  },
};

// Values of several bottoms at one place.

RULES.sum = {
  value: (at, top, place) => ({ terms: at.rule.coeff.map((coeff, number) => at.read(number, place, coeff, "coeff")) }),
  gradient: (at, bottom, place) => ({ terms: [at.sent(0, place, at.rule.coeff[bottom], "coeff")] }),
};

function otherFactors(at, own, place) {
  let all = 1;
  at.layer.bottoms.forEach((version, number) => {
    if (number === own) return;
    const value = version.valueAt(place);
    all = value === undefined || all === undefined ? undefined : all * value;
  });
  return all;
}

RULES.product = {
  value: (at, top, place) => ({ terms: [at.read(0, place, otherFactors(at, 0, place), "product of the other bottoms")] }),
  gradient: (at, bottom, place) => ({
    terms: [at.sent(0, place, otherFactors(at, bottom, place), "product of the other bottoms")],
  }),
};

// Of equal values in bottoms 0 and 1 bottom 1 wins, a later one only if it is larger, as in Caffe.
function winner(at, place) {
  const values = at.layer.bottoms.map((version) => version.valueAt(place));
  if (values.some((value) => value === undefined)) return undefined;
  let best = values[0] > values[1] ? 0 : 1;
  for (let number = 2; number < values.length; number++) if (values[number] > values[best]) best = number;
  return best;
}

RULES.largest = {
  value(at, top, place) {
    const best = winner(at, place);
    if (best === undefined) return { terms: [constant(undefined, "left out")] };
    return { terms: [at.read(best, place, 1, `the largest of ${at.layer.bottoms.length}`)] };
  },
  gradient(at, bottom, place) {
    const best = winner(at, place);
    if (best === undefined) return { terms: [constant(undefined, "left out")] };
    if (best !== bottom) return { terms: [], words: "Another bottom was larger here, so nothing comes back." };
    return { terms: [at.sent(0, place, 1, "it was the largest")] };
  },
};

// LSTM and RNN: steps that read x and the h of the step before. What they keep inside stands in arrays of the rule.

// A value of such an array; undefined if it was too large for the page.
function insideAt(number, place) {
  if (number === null) return undefined;
  const values = floatsOf(number);
  return values === null ? 0 : values[place];
}

// Step, stream and output of a place of the h of all steps, and the number of the first sum of its stream and step.
function stepOf(at, place, gates) {
  const { size, streams } = at.rule;
  const row = Math.floor(place / size);
  return { t: Math.floor(row / streams), n: row % streams, d: place % size, first: row * gates * size };
}

// What the sums of a step read: x and the fixed inputs, which are blobs. h of the step before is in the words.
function readByStep(at, { t, n }) {
  const { inputs, streams } = at.rule;
  const x = range(inputs[0]).map((k) => at.read(0, (t * streams + n) * inputs[0] + k));
  return [...x, ...range(inputs[1]).map((k) => at.read(2, n * inputs[1] + k))];
}

function cellOfStep(at, step) {
  const { size, streams, sums, cells } = at.rule;
  const [i, f, o, g] = range(4).map((gate) => insideAt(sums, step.first + gate * size + step.d));
  const cont = at.bottom(1, step.t * streams + step.n);
  const [last, cell] = [step.t, step.t + 1].map((t) => insideAt(cells, (t * streams + step.n) * size + step.d));
  if ([i, f, o, g, cont, last, cell].includes(undefined)) return null;
  const forget = cont === 0 ? 0 : cont * sigmoid(f);
  const gate = (name, sum, value) => `${name} = ${name === "g" ? "tanh" : "sigmoid"}(${short(sum)}) = ${short(value)}`;
  const words =
    `${gate("i", i, sigmoid(i))}, ${gate("f", f, sigmoid(f))}, ${gate("o", o, sigmoid(o))}, ${gate("g", g, Math.tanh(g))}; ` +
    `c = cont f c_(t-1) + i g = ${short(cont)} x ${short(sigmoid(f))} x ${short(last)} + ` +
    `${short(sigmoid(i))} x ${short(Math.tanh(g))} = ${short(cell)}.`;
  return { forget, last, cell, i: sigmoid(i), o: sigmoid(o), g: Math.tanh(g), words };
}

const productOf = (input, factor, text) => ({ input, factor, value: input * factor, text });

RULES.lstm = {
  value(at, top, place) {
    const { size, streams, steps } = at.rule;
    const step = stepOf(at, top === 0 ? place : (steps - 1) * streams * size + place, 4);
    const found = cellOfStep(at, step);
    if (found === null) return { terms: [constant(undefined, "left out")] };
    const read = { figures: readByStep(at, step), figuresTitle: "read by the sums, beside the h of the step before" };
    const words = `Step ${step.t}, stream ${step.n}, output ${step.d}: ${found.words}`;
    if (top < 2) return { terms: [productOf(Math.tanh(found.cell), found.o, "tanh(c) times the gate o")], words, ...read };
    const kept = productOf(found.last, found.forget, "c of the step before, times cont and the gate f");
    return { terms: [kept, productOf(found.g, found.i, "g times the gate i")], words, ...read };
  },
  gradient: (at, bottom, place) => inputGradient(at, bottom, place, ["i", "f", "o", "g"]),
};

RULES.rnn = {
  value(at, top, place) {
    const { size, streams, steps, sums, hidden } = at.rule;
    const step = stepOf(at, top === 0 ? place : (steps - 1) * streams * size + place, 1);
    const read = { figures: readByStep(at, step), figuresTitle: "read by the sums of h, beside the h of the step before" };
    if (top === 1) {
      const sum = insideAt(sums, step.first + step.d);
      return { terms: [constant(sum === undefined ? undefined : Math.tanh(sum), `tanh(${short(sum)})`)], ...read };
    }
    const [weight, bias] = [at.layer.params.length - 2, at.layer.params.length - 1];
    const products = range(size).map((k) => insideAt(hidden, step.first + k) * paramAt(at.layer.params[weight], step.d * size + k));
    const sum = products.reduce((all, one) => all + one, paramAt(at.layer.params[bias], step.d));
    if (Number.isNaN(sum)) return { terms: [constant(undefined, "left out")] };
    const words =
      `Step ${step.t}, stream ${step.n}: the sum of b_o and of W_ho h_t, ${short(sum)}, where h_t = ` +
      `${range(Math.min(size, 12)).map((k) => short(insideAt(hidden, step.first + k))).join(", ")}${size > 12 ? ", ..." : ""}.`;
    return { terms: [constant(Math.tanh(sum), `tanh(${short(sum)})`)], words, ...read };
  },
  gradient: (at, bottom, place) => inputGradient(at, bottom, place, ["h"]),
};

// x, and inputs that are the same in all steps (bottom 2), get what the sums that read them send back.
function inputGradient(at, bottom, place, gates) {
  const { size, streams, steps, inputs, sent } = at.rule;
  const isFixed = bottom === 2 && inputs[1] > 0;
  if (bottom > 0 && !isFixed) return { terms: [], words: "No gradient flows into the states that a pass begins with." };
  const count = inputs[isFixed ? 1 : 0];
  const row = Math.floor(place / count); // step and stream of x, stream of a fixed input
  const rows = isFixed ? range(steps).map((t) => t * streams + row) : [row];
  const sums = gates.length * size;
  const terms = rows.flatMap((own) =>
    range(sums).map((sum) => {
      const text = `gradient of the sum of ${gates[Math.floor(sum / size)]}[${sum % size}]${isFixed ? `, step ${Math.floor(own / streams)}` : ""}`;
      const term = { input: insideAt(sent, own * sums + sum), text };
      return at.weighted(term, isFixed ? 2 : 0, sum * count + (place % count));
    }),
  );
  return { terms, words: `Each of the ${sums} sums of a step reads this value.` };
}

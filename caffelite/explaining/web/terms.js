// Terms: what a value or a gradient is the sum of. Rules, by the kinds of kinds.py, say so.
//
// A term's `value` is what it adds, undefined if the page lacks what it is made of. `version` and `place` say where its
// input stands (a gradient, if `isDiff`), `factor` what that is multiplied by, `param` and `paramPlace` where the factor
// stands if it is a weight. `plane` and `cell` are its place in the matrices that are drawn of a window.

const RULES = {}; // kind -> { value(at, top, place), gradient(at, bottom, place) }, which return { terms, ... }

// A layer as its rule sees it.
class At {
  constructor(layer) {
    this.layer = layer;
    this.rule = layer.rule;
  }

  bottomShape(number) {
    return this.layer.bottoms[number].shape;
  }

  topShape(number) {
    return this.layer.tops[number].shape;
  }

  bottom(number, place) {
    return this.layer.bottoms[number].valueAt(place);
  }

  // factor x a value of a bottom
  read(number, place, factor = 1, text = "") {
    return this.times(this.layer.bottoms[number], place, false, factor, text);
  }

  // factor x a gradient of a top
  sent(number, place, factor = 1, text = "") {
    return this.times(this.layer.tops[number], place, true, factor, text);
  }

  times(version, place, isDiff, factor, text) {
    const input = isDiff ? version.gradientAt(place) : version.valueAt(place);
    const value = input === undefined || factor === undefined ? undefined : factor * input;
    return { value, version, place, isDiff, input, factor, text };
  }

  // The term times a weight.
  weighted(term, number, place) {
    const factor = paramAt(this.layer.params[number], place);
    const value = factor === undefined || term.input === undefined ? undefined : factor * term.input;
    return { ...term, value, factor, param: this.layer.params[number], paramPlace: place };
  }

  // One value of a parameter, such as a bias.
  parameter(number, place, text = "") {
    const value = paramAt(this.layer.params[number], place);
    return { value, text, param: this.layer.params[number], paramPlace: place };
  }

  // A term that is no product: a function of what stands at a place of a bottom.
  made(value, number, place, text) {
    return { value, version: this.layer.bottoms[number], place, input: this.bottom(number, place), text };
  }
}

const constant = (value, text) => ({ value, text });

// A term made of a difference of numbers, or for a gradient with a factor that is one: of numbers as large as `size`.
// float32 rounds them to 1 part in ten million, and so the difference to that part of `size`, however small it is.
const ofDifference = (term, size) => ({ ...term, rounded: Math.abs(size * (term.isDiff ? term.input : 1)) });

// What a value of a version is the sum of: { parts: [{ layer, terms, ... }] }, or { reason } where that is not known.
function termsOfValue(version, place) {
  const layer = version.writer;
  if (!layer.bottoms.length && !layer.params.length)
    return { parts: [{ layer, terms: [constant(version.valueAt(place), `given by ${layer.type}`)] }] };
  const rule = layer.rule && RULES[layer.rule.kind];
  if (!rule || !rule.value) return { reason: notKnown(layer, "values") };
  return { parts: [{ layer, ...rule.value(new At(layer), version.top, place) }] };
}

// What its gradient is the sum of: a part for each layer that sends to it.
function termsOfGradient(version, place) {
  if (version.given) {
    const text = "where the pass back began: 1 at the score, 0 elsewhere";
    return { parts: [{ layer: version.writer, terms: [constant(version.gradientAt(place), text)] }] };
  }
  const parts = [];
  if (version.lossWeight)
    parts.push({ layer: version.writer, terms: [constant(version.lossWeight, "its weight in the loss")] });
  for (const [layer, number] of version.readers) {
    if (!layer.sends[number]) continue;
    const rule = layer.rule && RULES[layer.rule.kind];
    if (!rule || !rule.gradient) return { reason: notKnown(layer, "gradients") };
    parts.push({ layer, ...rule.gradient(new At(layer), number, place) });
  }
  if (!parts.length) return { reason: `No gradient comes here: no layer that reads ${version.name} sends one back.` };
  return { parts };
}

const notKnown = (layer, what) =>
  `Layer "${layer.name}" (${layer.type}): this page does not take the ${what} of this type apart.`;

// { sum, missing, size, rounded }: of the terms that are in the page, how many are not, the sum of their sizes, and of
// the sizes of what differences were made of.
function totalOf(parts) {
  const total = { sum: 0, missing: 0, size: 0, rounded: 0, count: 0 };
  for (const part of parts)
    for (const term of part.terms) {
      total.count++;
      if (term.value === undefined) total.missing++;
      else {
        total.sum += term.value;
        total.size += Math.abs(term.value);
        total.rounded += term.rounded || 0;
      }
    }
  return total;
}

// Whether a sum and the float32 in the page are the same but for rounding.
function agrees(total, value) {
  if (!Number.isFinite(value) || !Number.isFinite(total.sum)) return String(value) === String(total.sum);
  const rounding = 1e-4 * Math.max(total.size, Math.abs(value)) + 1e-6 * total.rounded;
  return Math.abs(total.sum - value) <= rounding + 1e-30;
}

// What the page holds: versions of blobs (what a layer leaves in a blob), layers, weights. Places are flat indices into
// the whole blob, as in memory; what was left out of the page is undefined.

const CONTENT = JSON.parse(document.getElementById("content").textContent);
const decoded = new Map();

function bytesOf(number) {
  const text = atob(CONTENT.arrays[number]);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The float32 array of this number, or null, which stands for zeros everywhere.
function floatsOf(number) {
  if (number < 0) return null;
  if (!decoded.has(number)) {
    decoded.set(number, new Float32Array(bytesOf(number).buffer)); // little-endian, as all that browsers run on
  }
  return decoded.get(number);
}

const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

// The numbers along each axis of a flat place in `shape`, and back.
function indexOf(place, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

const flatOf = (index, shape) => shape.reduce((flat, size, axis) => flat * size + index[axis], 0);

class Version {
  constructor(about, number) {
    Object.assign(this, about);
    this.number = number;
    this.count = product(this.shape);
    this.readers = []; // [layer, which of its bottoms this is]
    this.writer = null;
    this.top = 0; // which top of its writer
  }

  // Where in the stored array a place is, -1 if it is left out.
  storedAt(place) {
    if (this.shape.length && place >= (this.count / this.shape[0]) * this.items) return -1;
    if (!this.rectangle) return place;
    const [top, left, height, width] = this.rectangle;
    const [n, c, y, x] = indexOf(place, this.shape);
    if (y < top || x < left || y >= top + height || x >= left + width) return -1;
    return ((n * this.shape[1] + c) * height + y - top) * width + x - left;
  }

  at(place, kind) {
    if (this[kind] === null) return undefined;
    const stored = this.storedAt(place);
    if (stored < 0) return undefined;
    const values = floatsOf(this[kind]);
    return values === null ? 0 : values[stored];
  }

  valueAt(place) {
    return this.at(place, "data");
  }

  gradientAt(place) {
    return this.at(place, "diff");
  }

  // The largest size of the values of an item (`kind` is data or diff), for colours.
  largest(kind, item) {
    const known = `largest_${kind}_${item}`;
    if (this[known] === undefined) {
      let most = 0;
      let values = (this[kind] === null ? null : floatsOf(this[kind])) || new Float32Array(0);
      const each = values.length / this.items;
      if (this.shape.length > 1) values = values.subarray(item * each, (item + 1) * each);
      for (const value of values) if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
      const picture = this[`${kind}_picture`];
      if (picture) most = Math.max(most, Math.abs(picture.low), Math.abs(picture.high));
      this[known] = most;
    }
    return this[known];
  }

  // Whether a backward pass fills its gradient.
  get hasGradient() {
    return this.given || this.readers.some(([layer, number]) => layer.sends[number]) || this.lossWeight !== 0;
  }

  get lossWeight() {
    return this.writer.loss_weights[this.top] || 0;
  }

  text(place) {
    return this.shape.length ? `${this.name}[${indexOf(place, this.shape).join(", ")}]` : this.name;
  }
}

const VERSIONS = CONTENT.versions.map((about, number) => new Version(about, number));
const LAYERS = CONTENT.layers.map((about, number) => ({
  ...about,
  number,
  bottoms: about.bottoms.map((id) => VERSIONS[id]),
  tops: about.tops.map((id) => VERSIONS[id]),
}));
for (const layer of LAYERS) {
  layer.tops.forEach((version, top) => {
    if (!version.writer) Object.assign(version, { writer: layer, top });
  });
  layer.bottoms.forEach((version, number) => version.readers.push([layer, number]));
}

// A value of a parameter; undefined if its row and its column were left out.
function paramAt(param, place) {
  if (param.whole !== undefined) {
    const values = floatsOf(param.whole);
    return values === null ? 0 : values[place];
  }
  if (!param.rows) return undefined;
  const [outputs, inputs, ...kernel] = param.shape;
  const taps = product(kernel);
  const row = Math.floor(place / (inputs * taps));
  const column = Math.floor(place / taps) % inputs;
  const rowAt = param.rows.of.indexOf(row);
  if (rowAt >= 0) return lineAt(param.rows, rowAt * inputs * taps + (place % (inputs * taps)));
  const columnAt = param.columns.of.indexOf(column);
  if (columnAt >= 0) return lineAt(param.columns, (columnAt * outputs + row) * taps + (place % taps));
  return undefined;
}

function lineAt(lines, place) {
  const values = floatsOf(lines.array);
  return values === null ? 0 : values[place];
}

const byShape = (shape) => (shape.length ? shape.join(" x ") : "scalar");

// A number as people read it: 4 significant digits.
function short(value) {
  if (value === undefined) return "?";
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

// A number of the page exactly: the shortest decimal that is this float32.
function exact(value) {
  if (value === undefined || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 10; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(value);
}

// A version of a blob as planes of rows x columns, (C, H, W) as C planes, a vector as one; and how they are painted.

class Layout {
  constructor(version) {
    this.version = version;
    const shape = version.shape.length < 2 ? [1, ...version.shape] : version.shape;
    this.perItem = product(shape.slice(1));
    this.items = version.shape.length < 2 ? 1 : version.items;
    Object.assign(this, planesOf(shape));
    const cut = version.shape.length === 4 && version.channels.length < version.shape[1];
    this.shown = cut && this.planes === version.shape[1] ? version.channels : range(Math.min(this.planes, 256));
    this.isVector = this.planes === 1 && this.rows * this.columns >= this.perItem && version.shape.length !== 4;
  }

  // The flat place of a cell, -1 behind the end of a vector.
  place(item, plane, row, column) {
    const inside = (plane * this.rows + row) * this.columns + column;
    return inside < this.perItem ? item * this.perItem + inside : -1;
  }

  cell(place) {
    const item = Math.floor(place / this.perItem);
    const inside = place % this.perItem;
    const pixel = inside % (this.rows * this.columns);
    return {
      item,
      plane: Math.floor(inside / (this.rows * this.columns)),
      row: Math.floor(pixel / this.columns),
      column: pixel % this.columns,
    };
  }
}

const layouts = new Map();

function layoutOf(version) {
  if (!layouts.has(version)) layouts.set(version, new Layout(version));
  return layouts.get(version);
}

// Whether a version is a picture, whose values are drawn as greys.
const isPicture = (version, kind) =>
  kind === "data" && version.input && version.shape.length === 4 && [1, 3].includes(version.shape[1]);

// The colour of a value of an item of a version.
function colourIn(version, kind, value, item) {
  if (!isPicture(version, kind)) return colourOf(value, version.largest(kind, item));
  const grey = greyOf(value, ...rangeOf(version));
  return [grey, grey, grey];
}

const pictures = new Map();

// A function of row and column: what a cell of a plane looks like. That is its value, or, of what was left out, the
// nearest one of its picture in 256 steps. It is called for every pixel, so it reads the arrays itself.
function seen(version, kind, item, plane) {
  const layout = layoutOf(version);
  if (version[kind] === null || item >= layout.items) return () => undefined;
  const values = floatsOf(version[kind]);
  if (!version.rectangle) {
    const first = item * layout.perItem;
    return (row, column) => {
      const inside = (plane * layout.rows + row) * layout.columns + column;
      return inside >= layout.perItem ? undefined : values ? values[first + inside] : 0;
    };
  }
  const [top, left, height, width] = version.rectangle;
  const first = (item * layout.planes + plane) * height * width;
  const around = aroundRectangle(version, kind, item, plane);
  return (row, column) => {
    if (row < top || row >= top + height || column < left || column >= left + width) return around(row, column);
    return values ? values[first + (row - top) * width + column - left] : 0;
  };
}

function aroundRectangle(version, kind, item, plane) {
  const picture = version[`${kind}_picture`];
  const channel = item > 0 ? -1 : version.channels.indexOf(plane);
  if (channel < 0) return () => undefined;
  if (!pictures.has(picture)) pictures.set(picture, bytesOf(picture.bytes));
  const bytes = pictures.get(picture);
  const [, rows, columns] = picture.shape;
  const { low, high, step } = picture;
  return (row, column) => {
    const at = (channel * rows + Math.floor(row / step)) * columns + Math.floor(column / step);
    return low + (bytes[at] / 255) * (high - low);
  };
}

// Paint a plane, one pixel a cell; plane "colours" is the picture of the three channels, which are blue, green, red.
function paint(canvas, version, kind, item, plane) {
  const { rows, columns } = layoutOf(version);
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  if (isPicture(version, kind)) paintGreys(image.data, version, item, plane);
  else paintValues(image.data, version, kind, item, plane);
  context.putImageData(image, 0, 0);
}

function paintValues(pixels, version, kind, item, plane) {
  const { rows, columns } = layoutOf(version);
  const largest = version.largest(kind, item);
  const read = seen(version, kind, item, plane);
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at += 4) {
      const value = read(row, column);
      if (value === undefined) continue;
      const colour = colourAt(value, largest);
      for (let i = 0; i < 3; i++) pixels[at + i] = colour < 0 ? NO_NUMBER[i] : palette[colour + i];
      pixels[at + 3] = 255;
    }
}

function paintGreys(pixels, version, item, plane) {
  const { rows, columns } = layoutOf(version);
  const [low, high] = rangeOf(version);
  const planes = plane === "colours" ? [2, 1, 0] : [plane, plane, plane];
  planes.forEach((one, i) => {
    const read = seen(version, "data", item, one);
    for (let row = 0, at = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, at += 4) {
        const value = read(row, column);
        if (value === undefined) continue;
        pixels[at + i] = greyOf(value, low, high);
        pixels[at + 3] = 255;
      }
  });
}

function rangeOf(version) {
  if (!version.range) {
    const values = floatsOf(version.data) || [0];
    const picture = version.data_picture;
    let [low, high] = picture ? [picture.low, picture.high] : [Infinity, -Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    version.range = [low, high];
  }
  return version.range;
}

// The maps of the blob that is shown: a large one of one plane, and small ones of all.

const MAP = 384; // pixels of the large map along its longer side
const LEGIBLE = 36; // pixels of a cell from which on its number is written into it

// A map of `plane` on a canvas of whole pixels a cell, with marks around cells: [{ row, column, rows, columns, own }].
function largeMap(version, kind, item, plane, marks = [], size = MAP) {
  const { rows, columns } = layoutOf(version);
  const cell = Math.max(1, Math.min(48, Math.floor(size / Math.max(rows, columns))));
  const small = document.createElement("canvas");
  paint(small, version, kind, item, plane);
  const canvas = element("canvas", { width: columns * cell, height: rows * cell });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, columns * cell, rows * cell);
  const style = getComputedStyle(document.documentElement);
  if (version.rectangle) {
    const [top, left, height, width] = version.rectangle;
    context.strokeStyle = style.getPropertyValue("--ink");
    context.setLineDash([4, 3]);
    context.strokeRect(left * cell + 0.5, top * cell + 0.5, width * cell - 1, height * cell - 1);
    context.setLineDash([]);
  }
  if (cell >= LEGIBLE && rows * columns <= 144) writeNumbers(context, version, kind, item, plane, cell);
  for (const mark of marks) {
    const [high, wide] = [(mark.rows || 1) * cell, (mark.columns || 1) * cell];
    context.lineWidth = mark.own || high > 2 * cell ? 3 : cell > 8 ? 2 : 1;
    context.strokeStyle = style.getPropertyValue(mark.own ? "--own" : "--mark");
    context.strokeRect(mark.column * cell + 0.5, mark.row * cell + 0.5, Math.max(wide - 1, 2), Math.max(high - 1, 2));
  }
  return { canvas, cell };
}

function writeNumbers(context, version, kind, item, plane, cell) {
  const layout = layoutOf(version);
  context.font = "11px ui-monospace, monospace";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < layout.rows; row++)
    for (let column = 0; column < layout.columns; column++) {
      const place = layout.place(item, plane, row, column);
      const value = place < 0 ? undefined : version.at(place, kind);
      if (value === undefined) continue;
      context.fillStyle = inkOn(colourIn(version, kind, value, item));
      context.fillText(tight(value), (column + 0.5) * cell, (row + 0.5) * cell);
    }
}

// Which cell of a canvas an event of the mouse lies on.
function cellUnder(event, canvas, layout) {
  const box = canvas.getBoundingClientRect();
  const clamp = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
  return [
    clamp((event.clientY - box.top) / box.height, layout.rows),
    clamp((event.clientX - box.left) / box.width, layout.columns),
  ];
}

function showMaps({ version, place, kind }) {
  const layout = layoutOf(version);
  const cell = layout.cell(place);
  const move = (item, plane, row, column) => {
    const target = layout.place(item, plane, row, column);
    if (target >= 0) go(version, target, kind);
  };
  const { canvas } = largeMap(version, kind, cell.item, cell.plane, [{ ...cell, own: true }]);
  canvas.id = "map";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute(
    "aria-label",
    `${version.text(place)} is ${exact(version.at(place, kind))}. Arrow keys move, page up and down change the channel.`,
  );
  canvas.addEventListener("click", (event) => {
    const [row, column] = cellUnder(event, canvas, layout);
    move(cell.item, cell.plane, row, column);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const near = layout.shown.findIndex((plane) => plane >= cell.plane);
    const plane = step[0] ? layout.shown[near + step[0]] : cell.plane;
    const [row, column] = [cell.row + step[1], cell.column + step[2]];
    if (plane === undefined || row < 0 || column < 0 || row >= layout.rows || column >= layout.columns) return;
    move(cell.item, plane, row, column);
  });
  const what = kind === "data" ? "values" : `gradients of ${CONTENT.differentiated}`;
  clear(
    "maps",
    element("div", { class: "large" }, canvas, fields(version, layout, cell, move), legend(version, kind, cell.item)),
    layout.planes > 1 ? gallery(version, layout, kind, cell, move) : null,
  ).setAttribute("aria-label", `${what} of ${version.name}`);
}

const STEPS = {
  ArrowUp: [0, -1, 0],
  ArrowDown: [0, 1, 0],
  ArrowLeft: [0, 0, -1],
  ArrowRight: [0, 0, 1],
  PageUp: [-1, 0, 0],
  PageDown: [1, 0, 0],
};

// Fields in which the index is written by hand.
function fields(version, layout, cell, move) {
  const field = (name, value, most, change) => {
    const input = element("input", { type: "number", min: 0, max: most - 1, value });
    input.addEventListener("change", () => {
      const number = Math.max(0, Math.min(most - 1, Math.trunc(Number(input.value)) || 0));
      change(number);
    });
    return element("label", {}, `${name} `, input);
  };
  const { item, plane, row, column } = cell;
  const found = [];
  if (layout.items > 1) found.push(field("item", item, layout.items, (n) => move(n, plane, row, column)));
  if (layout.isVector) {
    const number = row * layout.columns + column;
    const at = (n) => move(item, 0, Math.floor(n / layout.columns), n % layout.columns);
    if (layout.perItem > 1) found.push(field("number", number, layout.perItem, at));
  } else {
    if (layout.planes > 1) found.push(field("channel", plane, layout.planes, (n) => move(item, n, row, column)));
    found.push(field("row", row, layout.rows, (n) => move(item, plane, n, column)));
    found.push(field("column", column, layout.columns, (n) => move(item, plane, row, n)));
  }
  return element("p", { class: "fields" }, found);
}

function legend(version, kind, item) {
  const largest = version.largest(kind, item);
  if (isPicture(version, kind)) {
    const [low, high] = rangeOf(version);
    return element("p", { class: "legend grey" }, short(low), element("span", { class: "bar" }), short(high));
  }
  if (!largest) return element("p", { class: "legend" }, "all are 0");
  return element("p", { class: "legend" }, short(-largest), element("span", { class: "bar" }), short(largest));
}

function gallery(version, layout, kind, cell, move) {
  const tile = (plane, label) => {
    const canvas = element("canvas");
    paint(canvas, version, kind, cell.item, plane);
    const isOwn = plane === cell.plane;
    const attributes = { class: isOwn ? "tile own" : "tile", "aria-pressed": isOwn, "aria-label": label, title: label };
    const made = button(
      (event) => {
        const under = event.detail ? cellUnder(event, canvas, layout) : [cell.row, cell.column]; // 0: by a key
        move(cell.item, plane === "colours" ? cell.plane : plane, ...under);
      },
      attributes,
      canvas,
      element("span", {}, plane === "colours" ? "BGR" : String(plane)),
    );
    return made;
  };
  const tiles = layout.shown.map((plane) => tile(plane, `channel ${plane}`));
  if (isPicture(version, kind) && layout.planes === 3) tiles.unshift(tile("colours", "the picture"));
  const all = version.shape.length === 4 ? version.shape[1] : layout.planes;
  const few = layout.shown.length < all;
  const words = few
    ? `${layout.shown.length} of ${all} channels, those that count most: with the largest sums of |value x gradient|`
    : count(all, "channel", "channels");
  const size = Math.max(40, Math.min(96, layout.columns * Math.max(1, Math.floor(96 / layout.columns))));
  const found = element("div", { class: "tiles", style: `--tile: ${size}px` }, tiles);
  return element("div", { class: "gallery" }, element("p", { class: "small" }, words), found);
}

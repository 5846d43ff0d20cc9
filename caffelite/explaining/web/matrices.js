// Matrices of numbers: the window, the weights, the products.

const MOST_NUMBERS = 150; // cells that are written as numbers; larger matrices are pictures

// cells: [{ value, title, onclick, chosen, own }], by their number, row by row; what is missing stays blank. `colour`
// makes [red, green, blue] of a value; without it the largest size of the cells is the end of the scale.
function matrix(title, rows, columns, cells, colour) {
  const size = (cell) => (cell && Number.isFinite(cell.value) ? Math.abs(cell.value) : 0);
  const most = cells.reduce((all, cell) => Math.max(all, size(cell)), 0);
  const draw = rows * columns > MOST_NUMBERS ? painted : written;
  const body = draw(rows, columns, cells, colour || ((value) => colourOf(value, most)));
  return element("figure", {}, element("figcaption", {}, title), body);
}

function written(rows, columns, cells, colourFor) {
  const table = element("table", { class: "matrix" });
  for (let row = 0; row < rows; row++) {
    const line = table.insertRow();
    for (let column = 0; column < columns; column++) {
      const cell = cells[row * columns + column];
      const at = line.insertCell();
      if (!cell) continue;
      const colour = colourFor(cell.value === undefined ? 0 : cell.value);
      at.style.background = cell.value === undefined ? "none" : `rgb(${colour.join(",")})`;
      at.style.color = cell.value === undefined ? "" : inkOn(colour);
      at.className = [cell.chosen ? "chosen" : "", cell.own ? "own" : ""].join(" ").trim();
      const text = cell.value === undefined ? "?" : tight(cell.value);
      const title = cell.title || exact(cell.value);
      if (cell.onclick) at.append(button(cell.onclick, { title, "aria-label": title }, text));
      else at.append(element("span", { title }, text));
    }
  }
  return table;
}

// Three significant digits: what fits a cell.
function tight(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e4)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(size < 1 ? 2 : 3)));
}

function painted(rows, columns, cells, colourFor) {
  const size = Math.max(1, Math.floor(220 / Math.max(rows, columns)));
  const canvas = element("canvas", { width: columns * size, height: rows * size, role: "img", "aria-label": `${rows} x ${columns} numbers` });
  const context = canvas.getContext("2d");
  cells.forEach((cell, number) => {
    if (!cell || cell.value === undefined) return;
    context.fillStyle = `rgb(${colourFor(cell.value).join(",")})`;
    context.fillRect((number % columns) * size, Math.floor(number / columns) * size, size, size);
  });
  canvas.addEventListener("click", (event) => {
    const [row, column] = cellUnder(event, canvas, { rows, columns });
    const cell = cells[row * columns + column];
    if (cell && cell.onclick) cell.onclick();
  });
  return canvas;
}

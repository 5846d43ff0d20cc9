// Small maps of what a sum reads, with the places marked.

// The map that a window lies on, two spatial axes.
function windowMap(part, plane, source, isDiff) {
  if (source.shape.length !== 4) return "";
  const positions = part.window.taps.map((tap) => tap.position);
  const marks = [boxAround(positions)];
  const layout = layoutOf(source);
  const item = layout.cell((part.terms.find((t) => t.version) || { place: 0 }).place).item;
  return clickableMap(source, isDiff ? "diff" : "data", item, plane, marks);
}

function mapOfTerms(terms, source, isDiff) {
  if (!source || source.shape.length !== 4) return "";
  const layout = layoutOf(source);
  const used = terms.filter((term) => term.version === source);
  const { item, plane } = layout.cell(used[0].place);
  const isAll = used.length >= layout.rows * layout.columns;
  const cells = used.map((term) => layout.cell(term.place)).map(({ row, column }) => [row, column]);
  const isBox = used.length > 1 && terms[0].cell !== undefined;
  const marks = isAll ? [] : isBox ? [boxAround(cells)] : cells.map(([row, column]) => ({ row, column }));
  return clickableMap(source, isDiff ? "diff" : "data", item, plane, marks);
}

// The mark that surrounds places of a map, which may lie in the padding.
function boxAround(positions) {
  const rows = positions.map(([row]) => row);
  const columns = positions.map(([, column]) => column);
  const [row, column] = [Math.min(...rows), Math.min(...columns)];
  return { row, column, rows: Math.max(...rows) - row + 1, columns: Math.max(...columns) - column + 1 };
}

function clickableMap(source, kind, item, plane, marks) {
  const { canvas } = largeMap(source, kind, item, plane, marks, 220);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `channel ${plane} of ${source.name}, with the places marked that are read`);
  const layout = layoutOf(source);
  canvas.addEventListener("click", (event) => {
    const place = layout.place(item, plane, ...cellUnder(event, canvas, layout));
    if (place >= 0) go(source, place, kind);
  });
  const caption = `${source.name}${layout.planes > 1 ? `, channel ${plane}` : ""}${kind === "diff" ? ": gradients" : ""}`;
  return element("figure", {}, element("figcaption", {}, caption), canvas);
}

// Of terms without matrices: maps of where they come from, up to three planes.
function sourceMaps(part, isDiff) {
  const found = new Map();
  for (const term of part.terms) {
    if (!term.version || term.version.shape.length !== 4 || term.value === undefined) continue;
    const key = `${term.version.number}/${layoutOf(term.version).cell(term.place).plane}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(term);
  }
  const largest = ([, terms]) => Math.max(...terms.map((term) => Math.abs(term.value)));
  const ranked = [...found].sort((a, b) => largest(b) - largest(a)).slice(0, 3);
  return ranked.map(([, terms]) => mapOfTerms(terms, terms[0].version, isDiff));
}

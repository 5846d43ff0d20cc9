// One value or gradient, as the sum that it is.

const MOST_PLANES = 12; // channels that are offered at first

function showValue({ version, place, kind }) {
  const value = version.at(place, kind);
  const isDiff = kind === "diff";
  const head = element(
    "h3",
    {},
    isDiff ? `d ${CONTENT.differentiated} / d ` : "",
    version.text(place),
    " = ",
    element("output", { id: "number" }, value === undefined ? "left out" : exact(value)),
  );
  if (value === undefined) {
    clear("value", head, element("p", {}, leftOutWords(version, kind)));
    return;
  }
  if (isDiff && !version.hasGradient) {
    clear("value", head, element("p", {}, `No gradient comes here: no layer that reads ${version.name} sends one back.`));
    return;
  }
  const found = isDiff ? termsOfGradient(version, place) : termsOfValue(version, place);
  if (found.reason) {
    clear("value", head, element("p", {}, found.reason));
    return;
  }
  const total = totalOf(found.parts);
  clear(
    "value",
    head,
    isDiff ? meaning(version, place, value) : "",
    element("p", { class: "sum" }, ...sumWords(found.parts, total, value)),
    found.parts.map((part) => showPart(part, isDiff, found.parts.length > 1)),
  );
}

function meaning(version, place, value) {
  const words =
    value === 0
      ? `a small change of this value does not change ${CONTENT.differentiated}`
      : `a value larger by 0.001 makes ${CONTENT.differentiated} ${value > 0 ? "larger" : "smaller"} by ${short(Math.abs(value) * 0.001)}, as far as the slope goes`;
  return element("p", { class: "small" }, `${words}.`);
}

function leftOutWords(version, kind) {
  if (version[kind] === null) return `${version.name} is too large for this page.`;
  if (!version.rectangle) return `Of ${version.name} the page holds the first ${count(version.items, "item", "items")}.`;
  const [top, left, height, width] = version.rectangle;
  return (
    `Of ${version.name} the page holds rows ${top} to ${top + height - 1} and columns ${left} to ${left + width - 1}, ` +
    "the dashed box in the map; outside it are pictures only."
  );
}

function sumWords(parts, total, value) {
  const bias = parts.flatMap((part) => part.terms).find((term) => term.isBias);
  const words = [];
  if (!total.count) return ["Nothing adds to it."];
  const several = total.count - (bias ? 1 : 0);
  if (total.count === 1) words.push("one term");
  else if (bias) words.push(`bias ${short(bias.value)} + the sum of ${count(several, "product", "products")}`);
  else words.push(`the sum of ${count(total.count, "term", "terms")}`);
  if (parts.length > 1) words.push(`, through ${parts.map((part) => part.layer.name).join(" and ")}`);
  if (total.missing)
    return [...words, `; ${count(total.missing, "term is", "terms are")} not in this page, which holds a sample of the weights and positions`];
  const right = agrees(total, value);
  words.push(" = ", element("b", { id: "total" }, short(total.sum)));
  words.push(
    element(
      "span",
      { class: right ? "right" : "wrong", id: "agreement" },
      right ? " ✓ the blob holds this, but for rounding" : " ✗ the blob holds another value",
    ),
  );
  return words;
}

function showPart(part, isDiff, several) {
  const matrices = element("div", { class: "matrices" });
  const list = element("div", { class: "list" });
  const choose = (plane) => {
    matrices.replaceChildren(...matricesOf(part, isDiff, plane, choose));
  };
  choose(null);
  listTerms(part, list, false);
  const heading = isDiff ? `Through ${part.layer.name} (${part.layer.type})` : "";
  return element(
    "section",
    { class: "part" },
    heading ? element("h4", {}, heading, several ? ` adds ${short(totalOf([part]).sum)}` : "") : "",
    isDiff ? element("p", { class: "formula" }, part.layer.formula) : "",
    part.column ? element("p", {}, part.column) : "",
    part.words ? element("p", {}, part.words) : "",
    missingWeights(part, isDiff),
    matrices,
    list,
  );
}

// Of weights that were left out: where one can look instead.
function missingWeights(part, isDiff) {
  const missing = part.terms.find((term) => term.value === undefined && term.param && term.input !== undefined);
  if (!missing || !missing.param.rows) return "";
  const { rows, columns, shape } = missing.param;
  const some = (lines) => (lines.of.length > 16 ? [...lines.of.slice(0, 16), "..."] : lines.of).join(", ");
  return element(
    "p",
    { class: "note" },
    `Of the ${byShape(shape)} weights of ${part.layer.name} the page holds the rows ${some(rows)} and the columns ` +
      `${some(columns)}, those that count most: a value of the rows, or a gradient of the columns, has all its terms.`,
  );
}

// The matrices of one plane, with the sums of all planes to choose from.
function matricesOf(part, isDiff, plane, choose) {
  if (part.pooled) return part.pooled.map((window) => pooledMatrix(window));
  if (part.figures) return [figuresTable(part)];
  const shape = part.window || part.covering;
  if (!shape || !part.terms.length) return sourceMaps(part, isDiff);
  const sums = new Map();
  for (const term of part.terms)
    if (term.plane !== undefined) sums.set(term.plane, (sums.get(term.plane) || 0) + (term.value || 0));
  const ranked = [...sums].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const own = plane === null ? ranked[0][0] : plane;
  const terms = part.terms.filter((term) => term.plane === own);
  const cells = (pick, title) => {
    const found = [];
    for (const term of terms) {
      const isLink = term.version !== undefined;
      found[term.cell] = {
        value: pick(term),
        title: `${title(term)}`,
        onclick: isLink ? () => go(term.version, term.place, term.isDiff ? "diff" : "data") : null,
      };
    }
    return found;
  };
  const [first, second, third] = part.matrixNames;
  const source = (terms.find((term) => term.version) || {}).version;
  const from = source ? ` of ${source.name}${source.shape.length > 2 && sums.size > 1 ? `, channel ${own}` : ""}` : "";
  const where = (term) => (term.version ? term.version.text(term.place) : term.text);
  const item = source ? layoutOf(source).cell(terms.find((term) => term.version).place).item : 0;
  const inMap = source && ((value) => colourIn(source, isDiff ? "diff" : "data", value, item));
  const both = shape.rows * shape.columns > 1 || sums.size === 1;
  return [
    sums.size > 1 ? planeChoice(ranked, own, choose, isDiff) : "",
    source && part.window && shape.taps && shape.taps.length ? windowMap(part, own, source, isDiff) : mapOfTerms(terms, source, isDiff),
    both ? matrix(first + from, shape.rows, shape.columns, cells((t) => t.input, (t) => `${where(t)} = ${exact(t.input)}`), inMap) : "",
    both ? element("span", { class: "sign" }, "x") : "",
    both ? matrix(second, shape.rows, shape.columns, cells((t) => t.factor, (t) => `${paramText(t)} = ${exact(t.factor)}`)) : "",
    both ? element("span", { class: "sign" }, "=") : "",
    both ? matrix(third, shape.rows, shape.columns, cells((t) => t.value, (t) => exact(t.value))) : "",
    both && sums.size > 1 && part.covering && part.covering.windows.length ? col2im(part, shape) : "",
  ].filter((piece) => piece !== "");
}

const paramText = (term) => (term.param ? `${term.param.name}[${indexOf(term.paramPlace, term.param.shape).join(", ")}]` : term.text);

function planeChoice(ranked, own, choose, isDiff) {
  const offered = ranked.slice(0, MOST_PLANES);
  if (!offered.some(([plane]) => plane === own)) offered.push(ranked.find(([plane]) => plane === own));
  const rest = ranked.slice(MOST_PLANES).reduce((all, [, sum]) => all + sum, 0);
  return element(
    "p",
    { class: "planes" },
    `sum of the products in each ${isDiff ? "output " : ""}channel: `,
    offered.map(([plane, sum]) =>
      button(() => choose(plane), { "aria-pressed": plane === own, title: `channel ${plane}` }, element("small", {}, `${plane}: `), short(sum)),
    ),
    ranked.length > offered.length ? ` the other ${ranked.length - offered.length} together: ${short(rest)}` : "",
  );
}

// What each window brings, all output channels together: the numbers of the columns' gradient that col2im adds.
function col2im(part, shape) {
  const cells = [];
  for (const term of part.terms) {
    if (term.cell === undefined) continue;
    cells[term.cell] = cells[term.cell] || { value: 0 };
    cells[term.cell].value = term.value === undefined ? undefined : cells[term.cell].value + term.value;
  }
  const title = "all channels together: what col2im adds";
  return matrix(title, shape.rows, shape.columns, cells);
}

function pooledMatrix(window) {
  const cells = window.cells.map((cell) => ({
    value: cell.input,
    chosen: cell.chosen,
    own: cell.own,
    title: `${cell.version.text(cell.place)} = ${exact(cell.input)}${cell.chosen ? ", the largest" : ""}`,
    onclick: () => go(cell.version, cell.place, "data"),
  }));
  const [first] = window.cells;
  const item = first ? layoutOf(first.version).cell(first.place).item : 0;
  const inMap = first && ((value) => colourIn(first.version, "data", value, item));
  return matrix(window.title, window.rows, window.columns, cells, inMap);
}

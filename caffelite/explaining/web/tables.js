// The terms of a sum as tables.

const FEW = 12; // terms that are listed at first

function figuresTable(part) {
  const table = element("table", { class: "terms" });
  const made = part.madeTitle;
  table.append(element("tr", {}, element("th", {}, part.figuresTitle), element("th", {}, "value"), made ? element("th", {}, made) : ""));
  const figures = part.figures.length > FEW ? [...part.figures].sort((a, b) => b.input - a.input).slice(0, FEW) : part.figures;
  for (const figure of figures)
    table.append(
      element(
        "tr",
        { class: figure.own ? "own" : "" },
        element("td", {}, linkTo(figure.version, figure.place, false)),
        element("td", { class: "figure" }, short(figure.input)),
        made ? element("td", { class: "figure" }, short(figure.made)) : "",
      ),
    );
  const note = figures.length < part.figures.length ? `the ${FEW} largest of ${part.figures.length}` : "";
  return element("div", {}, table, note ? element("p", { class: "small" }, note) : "");
}

// The terms as a table: in the order in which they are computed, or the largest first.
function listTerms(part, into, all, byOrder = false) {
  const numbered = part.terms.map((term, number) => ({ ...term, number }));
  const size = (term) => (term.value === undefined ? -1 : Math.abs(term.value));
  if (!byOrder) numbered.sort((a, b) => size(b) - size(a));
  const shown = all ? numbered : numbered.slice(0, FEW);
  const isColumn = part.column !== undefined;
  const table = element("table", { class: "terms" });
  const head = [isColumn ? "row" : "", "from", "its value", "times", "which is", "adds"];
  const isFigure = [true, false, true, true, false, true];
  table.append(element("tr", {}, head.map((text, i) => element("th", { class: isFigure[i] ? "figure" : "" }, text))));
  for (const term of shown) table.append(termRow(term, isColumn));
  const rest = numbered.slice(shown.length);
  const restSum = rest.reduce((sum, term) => sum + (term.value || 0), 0);
  const order = isColumn ? "in the order of the im2col column" : "in their order";
  into.replaceChildren(
    numbered.length > 1
      ? element(
          "p",
          { class: "small" },
          `${count(numbered.length, "term", "terms")}, `,
          button(() => listTerms(part, into, all, !byOrder), { class: "link" }, byOrder ? "the largest first" : order),
        )
      : "",
    numbered.length ? table : "",
    rest.length
      ? element(
          "p",
          { class: "small" },
          `the other ${rest.length.toLocaleString("en")} together: ${short(restSum)} `,
          button(() => listTerms(part, into, true, byOrder), { class: "link" }, "show all"),
        )
      : "",
  );
}

function termRow(term, isColumn) {
  const isProduct = term.factor !== undefined && term.input !== undefined;
  const place = term.version
    ? linkTo(term.version, term.place, term.isDiff, `${term.isDiff ? "gradient of " : ""}${term.version.text(term.place)}`)
    : term.param && !term.input
      ? paramText(term)
      : term.text;
  const note = term.param && term.version ? paramText(term) : term.param && term.text === "padding" ? paramText(term) : term.text;
  return element(
    "tr",
    {},
    element("td", { class: "figure" }, isColumn && !term.isBias ? String(term.number) : ""),
    element("td", {}, term.text === "padding" ? "padding" : place),
    element("td", { class: "figure" }, term.input === undefined ? "" : short(term.input)),
    element("td", { class: "figure" }, isProduct ? short(term.factor) : ""),
    element("td", {}, note),
    element("td", { class: "figure" }, short(term.value)),
  );
}

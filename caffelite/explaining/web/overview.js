// The layers in their order, with small pictures of what they make.

const STRIP = 4; // planes of each blob

function strip(version, kind) {
  const layout = layoutOf(version);
  if (version[kind] === null) return element("span", { class: "small" }, "too large for this page");
  const colours = isPicture(version, kind) && layout.planes === 3;
  const planes = colours ? ["colours"] : layout.shown.slice(0, STRIP);
  return element(
    "span",
    { class: layout.rows * 4 < layout.columns ? "strip flat" : "strip" },
    planes.map((plane) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      paint(canvas, version, kind, 0, plane);
      canvas.style.aspectRatio = `${layout.columns} / ${layout.rows}`;
      return canvas;
    }),
    layout.planes > planes.length && !colours ? element("span", { class: "small" }, `+${layout.planes - planes.length}`) : "",
  );
}

function showOverview(kind) {
  const items = LAYERS.map((layer) => {
    const [first] = layer.tops;
    const above = LAYERS[layer.number - 1];
    const isNext = above && layer.bottoms.length === 1 && above.tops.includes(layer.bottoms[0]);
    const from = isNext || !layer.bottoms.length ? "" : `reads ${layer.bottoms.map((v) => v.name).join(", ")}`;
    return element(
      "li",
      { "data-layer": layer.number, class: isNext ? "next" : "" },
      button(
        () => first && go(first, middleOf(first, kind), kind),
        { disabled: !first },
        element("span", { class: "name" }, layer.name, " ", element("small", {}, layer.type)),
        element("span", { class: "small" }, layer.tops.map((v) => byShape(v.shape)).join(", ") || "makes nothing"),
        from ? element("span", { class: "small" }, from) : "",
        first ? strip(first, kind) : "",
      ),
    );
  });
  clear("overview", items);
}

function markOverview(layer) {
  for (const item of document.getElementById("overview").children) {
    const isOwn = Number(item.dataset.layer) === layer.number;
    item.classList.toggle("own", isOwn);
    const inside = item.querySelector("button");
    if (isOwn) inside.setAttribute("aria-current", "true");
    else inside.removeAttribute("aria-current");
    const box = item.getBoundingClientRect();
    const frame = document.querySelector("nav").getBoundingClientRect();
    if (isOwn && (box.top < frame.top || box.bottom > frame.bottom))
      document.querySelector("nav").scrollTop += box.top - frame.top - frame.height / 3;
  }
}

// Where one begins to look: the largest value of the first item that the page holds.
function middleOf(version, kind) {
  const known = `start_${kind}`;
  if (version[known] === undefined) {
    let [best, most] = [0, -1];
    const layout = layoutOf(version);
    const places = Math.min(version.count, layout.perItem);
    for (let place = 0; place < places; place++) {
      const size = Math.abs(version.at(place, kind) || 0);
      const plane = layout.cell(place).plane;
      if (size > most && version.at(place, kind) !== undefined && (layout.isVector || layout.shown.includes(plane)))
        [best, most] = [place, size];
    }
    version[known] = best;
  }
  return version[known];
}

function showLayer({ version, kind }) {
  const layer = version.writer;
  const links = (versions) =>
    versions.map((v, i) => [i ? ", " : "", linkToVersion(v, kind, v.name), ` ${byShape(v.shape)}`]);
  const readers = [...new Set(version.readers.map(([reader]) => reader))];
  clear(
    "layer",
    element("h2", {}, layer.name, " ", element("small", {}, layer.type)),
    element("p", { class: "formula" }, layer.formula),
    element(
      "p",
      { class: "small" },
      layer.bottoms.length ? ["reads ", links(layer.bottoms), "; "] : "",
      "makes ",
      links(layer.tops),
      readers.length
        ? ["; read by ", readers.map((r, i) => [i ? ", " : "", linkToLayer(r, kind)])]
        : "; no layer reads it",
      layer.params.length ? `; weights ${layer.params.map((p) => byShape(p.shape)).join(" and ")}` : "",
      layer.where ? `; ${layer.where}` : "",
    ),
  );
}

const linkToVersion = (version, kind, words) =>
  button(() => go(version, middleOf(version, kind), kind), { class: "link" }, words);

function linkToLayer(layer, kind) {
  const [first] = layer.tops;
  return first ? linkToVersion(first, kind, layer.name) : layer.name;
}

// What is shown, and the address of it behind #: forward or backward, version, index. The browser's back button works.

let shown = null; // { version, place, kind }
let address = null; // of what is shown

// Show a value (kind "data") or a gradient ("diff") of a version.
function go(version, place, kind) {
  const index = version.shape.length ? indexOf(place, version.shape).join(",") : "";
  address = `#${kind === "diff" ? "backward" : "forward"}/${version.number}/${index}`;
  show(version, place, kind);
  location.hash = address;
}

function show(version, place, kind) {
  const before = shown;
  const focused = ["maps", "value", "layer"].find((id) => document.getElementById(id).contains(document.activeElement));
  shown = { version, place, kind };
  document.getElementById("forward").setAttribute("aria-pressed", kind === "data");
  document.getElementById("backward").setAttribute("aria-pressed", kind === "diff");
  if (!before || before.kind !== kind) showOverview(kind);
  showLayer(shown);
  showMaps(shown);
  showValue(shown);
  markOverview(version.writer);
  // what had the focus was drawn anew: those who use keys go on from there
  if (focused) document.getElementById(focused === "value" ? "value" : "map").focus({ preventScroll: true });
}

// Show what the address says; the first layer that computes something if it says nothing that is here.
function follow() {
  if (location.hash === address) return; // `go` has shown it
  address = location.hash;
  const [, pass, number, index] = location.hash.match(/^#(forward|backward)\/(\d+)\/([\d,]*)$/) || [];
  const version = VERSIONS[Number(number)];
  const numbers = index ? index.split(",").map(Number) : [];
  const fits = version && numbers.length === version.shape.length && numbers.every((n, axis) => n < version.shape[axis]);
  const kind = pass === "backward" ? "diff" : "data";
  if (fits) {
    show(version, flatOf(numbers, version.shape), kind);
    return;
  }
  const first = LAYERS.find((layer) => layer.bottoms.length && layer.tops.length) || LAYERS.find((layer) => layer.tops.length);
  if (first) show(first.tops[0], middleOf(first.tops[0], kind), kind);
}

const LEFT_OUT = {
  items: "further items of the batch",
  channels: "pictures of channels that count little",
  positions: "values outside the dashed boxes",
  weights: "weights that count little",
};

function notes() {
  if (!CONTENT.left_out.length) return;
  const words = CONTENT.left_out.map((name) => LEFT_OUT[name]);
  const isCut = CONTENT.left_out.includes("positions");
  const exactly = `Its numbers are exact, as float32${isCut ? "; pictures of what was left out have 256 steps" : ""}.`;
  const sample = `The net is large, and this page holds a sample. Left out: ${words.join(", ")}. ${exactly}`;
  const paragraph = clear("notes", sample);
  paragraph.hidden = false;
}

function start() {
  const turn = (kind) => shown && go(shown.version, shown.place, kind);
  document.getElementById("forward").addEventListener("click", () => turn("data"));
  document.getElementById("backward").addEventListener("click", () => turn("diff"));
  document.getElementById("backward").append(element("small", {}, ` of ${CONTENT.differentiated}`));
  document.getElementById("skip").addEventListener("click", () => document.getElementById("value").focus());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    palette = null;
    const now = shown;
    shown = null;
    if (now) show(now.version, now.place, now.kind);
  });
  addEventListener("hashchange", follow);
  notes();
  follow();
}

start();

// Numbers as colours: red above zero, blue below, the page's own background at it; pictures as greys.

let scale = null; // [negative, zero, positive], each [red, green, blue], of the light or the dark page

function readColours() {
  const style = getComputedStyle(document.documentElement);
  scale = ["--negative", "--zero", "--positive"].map((name) =>
    style.getPropertyValue(name).trim().match(/\w\w/g).map((hex) => parseInt(hex, 16)),
  );
}

// [red, green, blue] of a value whose blob's largest size is `largest`.
function colourOf(value, largest) {
  if (!scale) readColours();
  if (!Number.isFinite(value)) return [255, 0, 255];
  const share = largest > 0 ? Math.min(1, Math.abs(value) / largest) ** 0.75 : 0; // small values are seen, too
  const end = value < 0 ? scale[0] : scale[2];
  return scale[1].map((zero, i) => Math.round(zero + (end[i] - zero) * share));
}

// Black or white, whichever can be read on a colour.
function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

function greyOf(value, low, high) {
  const grey = Math.round(((value - low) / (high - low || 1)) * 255);
  return [grey, grey, grey];
}

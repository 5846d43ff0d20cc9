// Numbers as colours: red above zero, blue below, the page's own background at it; pictures as greys.

const STEPS_OF_COLOUR = 255; // on either side of zero

let palette = null; // from the most negative to the most positive, [red, green, blue] one after the other

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const [negative, zero, positive] = ["--negative", "--zero", "--positive"].map((name) =>
    style.getPropertyValue(name).trim().match(/\w\w/g).map((hex) => parseInt(hex, 16)),
  );
  palette = new Uint8Array(3 * (2 * STEPS_OF_COLOUR + 1));
  for (let step = -STEPS_OF_COLOUR; step <= STEPS_OF_COLOUR; step++) {
    const share = (Math.abs(step) / STEPS_OF_COLOUR) ** 0.75; // small values are seen, too
    const end = step < 0 ? negative : positive;
    for (let i = 0; i < 3; i++)
      palette[3 * (step + STEPS_OF_COLOUR) + i] = Math.round(zero[i] + (end[i] - zero[i]) * share);
  }
}

// Where in the palette the colour of a value is, whose blob's largest size is `largest`; -1 for what is no number.
function colourAt(value, largest) {
  if (!palette) readPalette();
  if (value !== value) return -1;
  const share = largest > 0 ? Math.max(-1, Math.min(1, value / largest)) : 0;
  return 3 * (Math.round(share * STEPS_OF_COLOUR) + STEPS_OF_COLOUR);
}

const NO_NUMBER = [255, 0, 255];

function colourOf(value, largest) {
  const at = colourAt(value, largest);
  return at < 0 ? NO_NUMBER : Array.from(palette.subarray(at, at + 3));
}

// Black or white, whichever can be read on a colour.
function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

const greyOf = (value, low, high) => Math.round(((value - low) / (high - low || 1)) * 255);

// Convolution, deconvolution and im2col: windows of N spatial axes.

// All index vectors below `sizes`, the last axis fastest.
function* indices(sizes) {
  for (let flat = 0, all = product(sizes); flat < all; flat++) yield indexOf(flat, sizes);
}

// The taps of the window of a convolution at one place: its number, and the flat pixel under it, -1 in the padding.
function tapsOf(rule, at) {
  const taps = [];
  let number = 0;
  for (const tap of indices(rule.kernel)) {
    const pixel = tap.map((t, axis) => at[axis] * rule.stride[axis] - rule.pad[axis] + rule.dilation[axis] * t);
    const inside = pixel.every((p, axis) => p >= 0 && p < rule.image[axis]);
    taps.push({ tap: number++, pixel: inside ? flatOf(pixel, rule.image) : -1, position: pixel });
  }
  return taps;
}

// The windows that lie on a pixel, axis by axis: { sizes, windows: [{ tap, window, cell }] }; cells are counted in the
// order of the windows, so that the taps, which go the other way, appear turned by 180 degrees.
function windowsOn(rule, at) {
  const along = at.map((pixel, axis) => {
    const found = [];
    for (let tap = rule.kernel[axis] - 1; tap >= 0; tap--) {
      const from = pixel + rule.pad[axis] - rule.dilation[axis] * tap;
      const step = from / rule.stride[axis];
      if (Number.isInteger(step) && step >= 0 && step < rule.output[axis]) found.push({ tap, step });
    }
    return found;
  });
  const sizes = along.map((found) => found.length);
  const windows = [];
  let cell = 0;
  for (const index of indices(sizes)) {
    const chosen = index.map((i, axis) => along[axis][i]);
    windows.push({
      tap: flatOf(chosen.map((c) => c.tap), rule.kernel),
      window: flatOf(chosen.map((c) => c.step), rule.output),
      cell: cell++,
    });
  }
  return { sizes, windows };
}

// Item, channel, flat position and position of a place in a batch of (channels, ...spatial).
function splitPlace(place, channels, spatial) {
  const pixels = product(spatial);
  const inside = place % pixels;
  const channel = Math.floor(place / pixels) % channels;
  return { item: Math.floor(place / (pixels * channels)), channel, inside, at: indexOf(inside, spatial) };
}

// Rows and columns of a matrix in which `sizes` taps are written.
const matrixShape = (sizes) => ({
  rows: product(sizes.slice(0, -1)),
  columns: sizes.length ? sizes[sizes.length - 1] : 1,
});

// One output of a convolution: what it reads of the images. `term(place)` makes a term of a value of them.
function outputSum(at, place, term) {
  const rule = at.rule;
  const { item, channel, inside, at: position } = splitPlace(place, rule.outputs, rule.output);
  const inGroup = rule.channels / rule.group;
  const first = Math.floor(channel / (rule.outputs / rule.group)) * inGroup;
  const taps = tapsOf(rule, position);
  const kernel = product(rule.kernel);
  const pixels = product(rule.image);
  const terms = [];
  for (let c = 0; c < inGroup; c++)
    for (const { tap, pixel } of taps) {
      const weight = (channel * inGroup + c) * kernel + tap;
      const found =
        pixel < 0
          ? { input: 0, text: "padding" }
          : term((item * rule.channels + first + c) * pixels + pixel);
      terms.push({ ...at.weighted(found, 0, weight), plane: first + c, cell: tap });
    }
  return { terms, window: { position: inside, taps, first, inGroup, ...matrixShape(rule.kernel) } };
}

// One pixel of the images: what the outputs that read it send, or, in a deconvolution, add.
function imageSum(at, place, term) {
  const rule = at.rule;
  const { item, channel, at: position } = splitPlace(place, rule.channels, rule.image);
  const inGroup = rule.channels / rule.group;
  const outGroup = rule.outputs / rule.group;
  const first = Math.floor(channel / inGroup) * outGroup;
  const { sizes, windows } = windowsOn(rule, position);
  const kernel = product(rule.kernel);
  const pixels = product(rule.output);
  const terms = [];
  for (let k = first; k < first + outGroup; k++)
    for (const { tap, window, cell } of windows) {
      const weight = (k * inGroup + (channel % inGroup)) * kernel + tap;
      const found = term((item * rule.outputs + k) * pixels + window);
      terms.push({ ...at.weighted(found, 0, weight), plane: k, cell });
    }
  return { terms, covering: { windows, ...matrixShape(sizes) } };
}

function withBias(at, found, channel) {
  if (at.rule.bias) found.terms.push({ ...at.parameter(1, channel, "bias"), isBias: true });
  return found;
}

RULES.convolution = {
  value(at, top, place) {
    const found = outputSum(at, place, (p) => at.read(top, p));
    const { inside, channel } = splitPlace(place, at.rule.outputs, at.rule.output);
    const rows = (at.rule.channels / at.rule.group) * product(at.rule.kernel);
    const matrix = `${rows} x ${product(at.rule.output)}`;
    found.column = `Column ${inside} of the ${matrix} im2col matrix, times row ${channel} of the weights`;
    found.matrixNames = ["window", "weights", "products"];
    return withBias(at, found, channel);
  },
  gradient(at, bottom, place) {
    const found = imageSum(at, place, (p) => at.sent(bottom, p));
    const { windows } = found.covering;
    found.matrixNames = ["gradients of the windows", "weights, turned by 180°", "products"];
    found.words =
      `${windows.length} ${windows.length === 1 ? "window lies" : "windows lie"} on this pixel, in each of ` +
      `${at.rule.outputs / at.rule.group} output channels. The weight that a window has here, times the window's ` +
      "gradient, is what comes back; col2im adds over the windows.";
    return found;
  },
};

RULES.deconvolution = {
  value(at, top, place) {
    const found = imageSum(at, place, (p) => at.read(top, p));
    found.matrixNames = ["pixels whose windows lie here", "weights", "products"];
    found.words = "Each pixel of the bottom is spread over a window of the top; these windows lie on this place.";
    return withBias(at, found, splitPlace(place, at.rule.channels, at.rule.image).channel);
  },
  gradient(at, bottom, place) {
    const found = outputSum(at, place, (p) => at.sent(bottom, p));
    found.matrixNames = ["gradients of the window", "weights", "products"];
    return found;
  },
};

// Im2col: tap t of channel c of every window, as channel c * taps + t.

RULES.im2col = {
  value(at, top, place) {
    const { kernel, image, output, channels } = at.rule;
    const taps = product(kernel);
    const { item, channel: row, at: position } = splitPlace(place, channels * taps, output);
    const { pixel } = tapsOf(at.rule, position)[row % taps];
    if (pixel < 0) return { terms: [constant(0, "padding")] };
    const flat = (item * channels + Math.floor(row / taps)) * product(image) + pixel;
    return { terms: [at.read(0, flat, 1, `tap ${row % taps} of the window`)] };
  },
  gradient(at, bottom, place) {
    const { kernel, image, output, channels } = at.rule;
    const taps = product(kernel);
    const { item, channel, at: position } = splitPlace(place, channels, image);
    const { windows } = windowsOn(at.rule, position);
    const sent = ({ tap, window }) =>
      at.sent(0, ((item * channels + channel) * taps + tap) * product(output) + window, 1, `tap ${tap}`);
    return { terms: windows.map(sent), words: `It lies in ${count(windows.length, "window", "windows")}; col2im adds.` };
  },
};

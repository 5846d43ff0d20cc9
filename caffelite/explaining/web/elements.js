// Elements of the page. Texts are set as texts, so that a name with < or & in it stays a name.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const button = (onclick, attributes, ...children) => element("button", { type: "button", onclick, ...attributes }, ...children);

// A button that goes to a value or gradient.
function linkTo(version, place, isDiff, ...children) {
  const words = children.length ? children : [version.text(place)];
  return button(() => go(version, place, isDiff ? "diff" : "data"), { class: "link" }, ...words);
}

function clear(id, ...children) {
  const found = document.getElementById(id);
  found.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return found;
}

const count = (number, one, several) => `${number.toLocaleString("en")} ${number === 1 ? one : several}`;

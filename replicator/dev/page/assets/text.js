// Values as people read them, and elements that hold them. Keys may hold anything: they only ever become text.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text; // untouched, a selection survives
}

export function size(bytes) {
  if (bytes === undefined || bytes === null) return "–";
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  let value = bytes;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1023.95 && unit < units.length - 1);
  return `${value.toFixed(1)} ${units[unit]}`;
}

export function seconds(value) {
  if (value === undefined || value === null) return "–";
  return value < 0.995 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// A time that stays relative: see `tick`.
export function timeElement(date, className) {
  const made = element("time", { class: className });
  setTime(made, date);
  return made;
}

export function setTime(node, date) {
  node.dateTime = date.toISOString();
  node.title = date.toLocaleString();
  setText(node, ago(date));
}

export function tick() {
  for (const node of document.querySelectorAll("time")) setText(node, ago(new Date(node.dateTime)));
}

function ago(date) {
  const passed = (Date.now() - date.getTime()) / 1000;
  if (passed < 2) return "now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return date.toLocaleDateString();
}

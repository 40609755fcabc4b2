// What became of each event or call, the newest first.

import { element, plural, seconds, size, timeElement } from "/dev/text.js";

const SHOWN = 300;

const list = document.getElementById("outcomes");
const empty = document.getElementById("outcomes-empty");
const count = document.getElementById("outcomes-count");

// How often each source has failed since it last came to an end.
const failures = new Map();
let total = 0;

export function clear() {
  list.replaceChildren();
  failures.clear();
  total = 0;
  empty.hidden = false;
  count.textContent = "";
}

export function add(outcome) {
  list.prepend(line(outcome));
  if (list.childElementCount > SHOWN) list.lastElementChild.remove();
  total += 1;
  empty.hidden = true;
  count.textContent = plural(total, "outcome");
}

function line(outcome) {
  const result = outcome.result ?? "–";
  const object = outcome.source ? withoutScheme(outcome.source) : "not about one object";
  return element(
    "li",
    { class: result === "failed" ? "failed" : "" },
    element("span", { class: `badge ${known(result)}` }, result.replaceAll("_", " ")),
    element(
      "div",
      { class: "what" },
      element("span", { class: "object", title: titleOf(outcome) }, object),
      ...(outcome.elsewhere ? [element("span", { class: "elsewhere" }, `→ ${outcome.elsewhere}`)] : []),
      element("span", { class: "why" }, ...why(outcome)),
    ),
    fact("path", outcome.path ?? "–", "path"),
    fact("bytes", size(outcome.bytes)),
    fact("attempts", outcome.attempts === undefined ? "–" : String(outcome.attempts), outcome.attempts > 1 ? "number more" : "number"),
    fact("took", seconds(outcome.duration_seconds)),
    fact("lag", seconds(outcome.lag_seconds)),
    timeElement(new Date(outcome.at * 1000), "number"),
  );
}

// A class for the colour; results that this page has not heard of have none.
function known(result) {
  const results = ["created", "updated", "metadata_updated", "unchanged", "deleted", "kept", "ignored", "handed_over", "failed"];
  return results.includes(result) ? result : "";
}

function withoutScheme(source) {
  return source.replace(/^s3:\/\/[^/]*\//, "");
}

function titleOf(outcome) {
  return [outcome.source, outcome.destination].filter(Boolean).join("  →  ");
}

function why(outcome) {
  const parts = [];
  const again = repeated(outcome);
  if (again) parts.push(element("strong", {}, again), " ");
  if (outcome.copied !== undefined) parts.push(`${size(outcome.copied)} of ${size(outcome.size)}. `);
  if (outcome.explanation) parts.push(outcome.explanation, " ");
  if (outcome.reason) parts.push(element("code", {}, outcome.reason), " ");
  if (outcome.rule) parts.push(element("span", { class: "rule" }, `rule ${outcome.rule}`));
  return parts;
}

function repeated(outcome) {
  // What is handed over is at no end yet.
  if (!outcome.source || outcome.result === "handed_over") return "";
  const before = failures.get(outcome.source) ?? 0;
  if (outcome.result === "failed") {
    failures.set(outcome.source, before + 1);
    return before ? `Failed ${before + 1} times in a row.` : "";
  }
  failures.delete(outcome.source);
  return before ? `Got through after ${plural(before, "failure")}.` : "";
}

function fact(label, text, className = "number") {
  return element("span", { class: text === "–" ? `${className} none` : className }, element("span", { class: "label" }, `${label} `), text);
}

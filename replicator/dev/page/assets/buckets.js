// The two buckets, row by row beside one another: a replica stands next to its source, and a gap where one is missing.

import { element, plural, setText, setTime, size, timeElement } from "/dev/text.js";

const STATES = {
  in_sync: ["in sync", "The receipt names the state that the source has now."],
  behind: ["behind", "The receipt names an earlier state of the source."],
  source_gone: ["source gone", "The receipt names a source that does not exist any more."],
  no_receipt: ["no receipt", "Something else than this service has written it."],
};

const byId = (id) => document.getElementById(id);

export function show(source, replica, remove) {
  setText(byId("source-bucket"), source.bucket);
  setText(byId("replica-bucket"), replica.bucket);
  const pairs = paired(source.objects, replica.objects);
  fill(byId("source-rows"), pairs, "source", (row, object) => fillSource(row, object, remove), "not there");
  fill(byId("replica-rows"), pairs, "replica", fillReplica, "not there yet");
  setText(byId("source-count"), counted(source));
  setText(byId("replica-count"), counted(replica));
  const inSync = replica.objects.filter((object) => object.state === "in_sync").length;
  setText(byId("in-sync"), `${inSync} of ${source.objects.length}`);
  byId("in-sync").className = inSync === source.objects.length ? "good" : "waiting";
  byId("source-empty").hidden = byId("replica-empty").hidden = pairs.length > 0;
}

function counted(bucket) {
  return `${plural(bucket.objects.length, "object")}${bucket.more ? ", and more that are not shown" : ""}`;
}

// In the order of the keys. A source with several replicas has several rows; all but the first are without a source.
function paired(objects, replicas) {
  const pairs = objects.map((source) => ({ id: source.key, key: source.key, source }));
  const first = new Map(pairs.map((pair) => [pair.key, pair]));
  for (const replica of replicas) {
    const pair = first.get(replica.key);
    if (pair && !pair.replica) pair.replica = replica;
    else pairs.push({ id: `${replica.key}\n${replica.name}`, key: replica.key, replica, again: Boolean(pair) });
  }
  return pairs.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

// Rows are kept by their key, so that focus and selection stay where they are.
function fill(body, pairs, side, fillRow, gap) {
  const kept = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const focused = [...body.rows].findIndex((row) => row.contains(document.activeElement));
  let place = body.firstElementChild;
  for (const pair of pairs) {
    const object = pair[side];
    const id = `${object ? "object" : "gap"} ${pair.id}`;
    let row = kept.get(id);
    kept.delete(id);
    if (!row) {
      row = element("tr");
      row.dataset.id = id;
      if (!object) row.className = "gap";
    }
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
    if (object) fillRow(row, object);
    else if (!row.cells.length) row.append(...gapCells(body, pair.again ? "" : gap));
  }
  for (const row of kept.values()) row.remove();
  if (focused >= 0 && !body.contains(document.activeElement)) {
    const next = body.rows[Math.min(focused, body.rows.length - 1)]?.querySelector("button");
    (next ?? byId("choose")).focus();
  }
}

function nameCell(name) {
  return element("th", { scope: "row", class: "name", title: name }, element("span", {}, name));
}

function gapCells(body, text) {
  const columns = body.closest("table").tHead.rows[0].cells;
  return [...columns].map((column, number) => element("td", { class: column.className }, number ? "" : text));
}

function fillSource(row, object, remove) {
  if (!row.cells.length) {
    const button = element("button", { type: "button", "aria-label": `Delete ${object.key}`, title: "Delete" }, "Delete");
    button.addEventListener("click", () => remove(object.key, button));
    row.append(
      nameCell(object.key),
      element("td", { class: "number size" }),
      element("td", { class: "when" }, timeElement(new Date(object.last_modified), "")),
      element("td", { class: "action" }, button),
    );
  }
  setText(row.cells[1], size(object.size));
  setTime(row.cells[2].firstElementChild, new Date(object.last_modified));
}

function fillReplica(row, object) {
  if (!row.cells.length) {
    const name = nameCell(object.name);
    name.append(element("span", { class: "below" })); // where there is no room for the column
    row.append(
      name,
      element("td", { class: "number size" }),
      element("td", { class: "number generation" }),
      element("td", { class: "state" }, element("span", { class: "badge" })),
    );
  }
  setText(row.cells[1], size(object.size));
  setText(row.cells[2], object.generation);
  setText(row.cells[0].lastElementChild, `generation ${object.generation}`);
  const [text, explanation] = STATES[object.state];
  const badge = row.cells[3].firstElementChild;
  setText(badge, text);
  badge.title = explanation;
  badge.className = `badge ${object.state}`;
}

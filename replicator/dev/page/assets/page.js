// Keeps the page equal to the stack, and sends it what the person asks for.

import * as buckets from "/dev/buckets.js";
import * as outcomes from "/dev/outcomes.js";
import { element, plural, setText, size, tick } from "/dev/text.js";

const POLL_MS = 2000;
const byId = (id) => document.getElementById(id);
let maxUpload = Infinity;

// --- What the stack says ---------------------------------------------------------------------------------------------

let refreshing = false;
let refreshAgain = false;

// One request at a time; what is asked for meanwhile is one more after it.
async function refresh() {
  refreshAgain = true;
  if (refreshing) return;
  refreshing = true;
  try {
    while (refreshAgain) {
      refreshAgain = false;
      show(await ask("GET", "/dev/api/state"));
    }
  } catch {
    // The connection's own figure says so, and the next poll tries again.
  } finally {
    refreshing = false;
  }
}

function show(state) {
  maxUpload = state.max_upload_bytes;
  buckets.show(state.source, state.replica, remove);
  setText(byId("under-way"), String(state.under_way));
  byId("under-way").className = state.under_way ? "waiting" : "";
  setText(byId("dead-letters"), String(state.dead_letters));
  byId("dead-letters").className = state.dead_letters ? "bad" : "";
  byId("replay").hidden = !state.dead_letters;
  showSwitch(state.fault);
}

function listen() {
  const stream = new EventSource("/dev/api/outcomes");
  stream.addEventListener("open", () => connection("live", "good"));
  stream.addEventListener("error", () => connection("reconnecting", "bad"));
  stream.addEventListener("begin", outcomes.clear);
  stream.addEventListener("outcome", (event) => {
    outcomes.add(JSON.parse(event.data));
    refresh();
  });
}

function connection(text, className) {
  setText(byId("connection"), text);
  byId("connection").className = className;
}

async function ask(method, path, options = {}) {
  const response = await fetch(path, { method, ...options });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// --- The switch ------------------------------------------------------------------------------------------------------

function showSwitch(fault) {
  const positions = byId("positions");
  if (!positions.childElementCount) positions.append(...fault.positions.map(choice));
  for (const input of positions.querySelectorAll("input")) input.checked = input.value === fault.position;
  setText(byId("fault-explanation"), fault.positions.find((position) => position.name === fault.position).explanation);
  setText(byId("fault-struck"), fault.position === "off" ? "" : `Hit ${plural(fault.struck, "request")} so far.`);
  byId("switch").classList.toggle("on", fault.position !== "off");
}

function choice(position) {
  const input = element("input", { type: "radio", name: "fault", value: position.name });
  input.addEventListener("change", () => turn(position.name));
  return element("label", { title: position.explanation }, input, element("span", {}, position.title));
}

async function turn(position) {
  try {
    showSwitch(await ask("POST", "/dev/api/fault", { body: JSON.stringify({ position }) }));
  } catch (error) {
    status(`The switch did not turn: ${error.message}`, true);
    refresh();
  }
}

async function replay() {
  try {
    const { replayed } = await ask("POST", "/dev/api/dead-letters/replay");
    status(`Delivering ${plural(replayed, "dead letter")} again.`);
  } catch (error) {
    status(`Not delivered again: ${error.message}`, true);
  }
  refresh();
}

byId("replay").addEventListener("click", replay);

// --- The source ------------------------------------------------------------------------------------------------------

function status(text, isError = false) {
  setText(byId("upload-status"), text);
  byId("upload-status").classList.toggle("error", isError);
}

const objectPath = (key) => `/dev/api/object?key=${encodeURIComponent(key)}`;

async function upload(files) {
  const problems = [];
  let done = 0;
  for (const file of files) {
    status(`Uploading ${file.name} (${done + 1} of ${files.length})`);
    try {
      if (file.size > maxUpload) throw new Error(`this page takes at most ${size(maxUpload)}`);
      await ask("PUT", objectPath(file.name), {
        body: file,
        headers: { "Content-Type": file.type || "application/octet-stream" },
      });
    } catch (error) {
      problems.push(`${file.name}: ${error.message}`);
    }
    done += 1;
    refresh();
  }
  const uploaded = `Uploaded ${plural(files.length - problems.length, "file")}.`;
  status(problems.length ? `Not uploaded: ${problems.join("; ")}` : uploaded, problems.length > 0);
}

async function remove(key, button) {
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true"; // `disabled` itself would take the focus away
  try {
    await ask("DELETE", objectPath(key));
    status(`Deleted ${key}.`);
  } catch (error) {
    button.ariaDisabled = null;
    status(`Not deleted: ${key}: ${error.message}`, true);
  }
  refresh();
}

function takeDrops(panel) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  // Anywhere else a dropped file would replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => {
      const inside = panel.contains(event.target);
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = inside ? "copy" : "none";
      panel.classList.toggle("dropping", inside && name === "dragover");
      if (inside && name === "drop") upload([...event.dataTransfer.files]);
    });
  }
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) panel.classList.remove("dropping");
  });
}

const files = byId("files");
byId("choose").addEventListener("click", () => files.click());
files.addEventListener("change", async () => {
  await upload([...files.files]);
  files.value = ""; // the same file may be chosen again
});
takeDrops(byId("source"));

listen();
refresh();
setInterval(refresh, POLL_MS);
setInterval(tick, 1000);

// Selecting pictures: in ranges with Shift, all at once, by keys.
import { $, onKeys } from "./page.js";
import { ngettext } from "./texts.js";

const marks = [...document.querySelectorAll(".pick")];
let last = 0;

function mark(some, on) {
  for (const one of some) one.checked = on;
  const count = marks.filter((one) => one.checked).length;
  $("selected-count").textContent = count ? ngettext("1 selected", "{count} selected", count) : "";
  $("actions").disabled = !count;
}

function pick({ target, shiftKey }) {
  const at = marks.indexOf(target);
  mark(shiftKey ? marks.slice(Math.min(at, last), Math.max(at, last) + 1) : [], target.checked);
  last = at;
}

const all = () => mark(marks, marks.some((one) => !one.checked));

if (marks.length) {
  for (const one of marks) one.onclick = pick;
  $("select-all").onclick = all;
  onKeys({ a: all, Delete: () => $("delete").click() });
  mark([]);
}

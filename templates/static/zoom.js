// Zoom from fit to 1:1 and beyond, by button, wheel, pinch, key and click; and full window.
import { $ } from "./page.js";

const STEP = 1.25;
const SMALLEST = 0.05;
const LARGEST = 16;

const viewer = $("viewer");
const stage = $("stage");
const frame = $("frame");
const box = frame.querySelector(".box");
const width = Number(viewer.dataset.width);
let scale = null; // of the original's pixels; null: fit
let wanted = () => {};

const fitted = () => box.getBoundingClientRect().width / width;

/** Zoom to *next* (null: fit). The point *at* of the window stays where it is. */
function show(next, at = middle()) {
  const before = frame.getBoundingClientRect();
  const x = (at.x - before.left) / before.width;
  const y = (at.y - before.top) / before.height;
  scale = next === null ? null : Math.min(LARGEST, Math.max(SMALLEST, next));
  viewer.classList.toggle("zoomed", scale !== null);
  box.style.width = scale === null ? "" : `${width * scale}px`;
  const after = frame.getBoundingClientRect();
  stage.scrollLeft += after.left + x * after.width - at.x;
  stage.scrollTop += after.top + y * after.height - at.y;
  mark();
  if (scale !== null) wanted();
}

function middle() {
  const { left, top, width: across, height } = stage.getBoundingClientRect();
  return { x: left + across / 2, y: top + height / 2 };
}

function mark() {
  const pressed = { fit: scale === null, actual: scale === 1, full: viewer.classList.contains("filled") };
  for (const [name, value] of Object.entries(pressed)) {
    document.querySelector(`[data-zoom=${name}]`).setAttribute("aria-pressed", value);
  }
  viewer.classList.toggle("can-zoom", scale === null);
}

export const zoomBy = (factor, at) => show((scale ?? fitted()) * factor, at);
export const larger = () => zoomBy(STEP);
export const smaller = () => zoomBy(1 / STEP);
export const fit = () => show(null);
export const actual = () => show(1);

export function fill() {
  viewer.classList.toggle("filled");
  show(null);
  wanted();
}

/** Leave the full window, or else the zoom. Returns false if neither was on. */
export function leave() {
  if (viewer.classList.contains("filled")) fill();
  else if (scale !== null) fit();
  else return false;
}

/** Calls *original* when the zoom shows more than the medium has. */
export function startZoom(original) {
  wanted = original;
  const actions = { fit, actual, in: larger, out: smaller, full: fill };
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", actions[button.dataset.zoom]);
  frame.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab with the original
    event.preventDefault();
    if (dragged) return;
    if (scale === null) show(1, { x: event.clientX || middle().x, y: event.clientY || middle().y });
    else fit();
  });
  stage.addEventListener("wheel", onWheel, { passive: false });
  stage.addEventListener("pointerdown", onDown);
  stage.addEventListener("pointermove", onMove);
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
  mark();
}

/** The wheel scrolls the page until the picture is zoomed or fills the window; with Ctrl, and by pinch, it zooms. */
function onWheel(event) {
  if (!event.ctrlKey && scale === null && !viewer.classList.contains("filled")) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), { x: event.clientX, y: event.clientY });
}

const pointers = new Map();
let dragged = false;
let spread = 0;

const distance = ([one, other]) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);

function onDown(event) {
  pointers.set(event.pointerId, event);
  dragged = false;
  if (pointers.size === 2) spread = distance([...pointers.values()]);
}

function onMove(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) pinch();
  else if (event.pointerType === "mouse" && scale !== null) drag(event.clientX - before.clientX, event.clientY - before.clientY);
}

function pinch() {
  const [one, other] = pointers.values();
  const now = distance([one, other]);
  if (spread) zoomBy(now / spread, { x: (one.clientX + other.clientX) / 2, y: (one.clientY + other.clientY) / 2 });
  spread = now;
  dragged = true;
}

function drag(x, y) {
  if (x || y) dragged = true;
  stage.scrollLeft -= x;
  stage.scrollTop -= y;
}

// The keyboard: napari's keys where a page can have them, plain letters for the rest. The list of shortcuts is made from the same
// table that the keys are.

import { element } from "./dom.js";

const ZOOM = 1.1;
const PAGE = 10;

/**
 * Key, what it does, and how people read it. `with` names what is held as well: "ctrl", "alt", "shift", two joined
 * by "+", or "shift?" where a keyboard may need Shift for the key itself.
 */
function bindings(viewer, dims, plate, help) {
  return [
    { keys: ["ArrowRight"], label: "→", what: "next step of the focused axis", act: () => viewer.step(1) },
    { keys: ["ArrowLeft"], label: "←", what: "previous step", act: () => viewer.step(-1) },
    { keys: ["PageDown"], label: "Page ↓", what: `${PAGE} steps on`, act: () => viewer.step(PAGE) },
    { keys: ["PageUp"], label: "Page ↑", what: `${PAGE} steps back`, act: () => viewer.step(-PAGE) },
    { keys: ["ArrowUp"], label: "↑", what: "focus the slider above", act: () => viewer.focusNext(-1) },
    { keys: ["ArrowDown"], label: "↓", what: "focus the slider below", act: () => viewer.focusNext(1) },
    { keys: ["ArrowUp"], with: "alt", act: () => viewer.focusNext(-1) },
    { keys: ["ArrowDown"], with: "alt", act: () => viewer.focusNext(1) },
    { keys: ["p"], label: "P", what: "play or pause the focused axis", act: () => dims.togglePlay(viewer.focused) },
    { keys: ["+", "="], with: "shift?", label: "+", what: "nearer", act: () => viewer.zoom(1 / ZOOM) },
    { keys: ["-", "_"], with: "shift?", label: "−", what: "farther", act: () => viewer.zoom(ZOOM) },
    { keys: ["r", "Home", "0"], label: "R, Home", what: "fit the image", act: () => viewer.resetCamera() },
    { keys: ["r"], with: "ctrl", act: () => viewer.resetCamera() },
    { keys: ["d"], label: "D, Ctrl Y", what: "plane or volume", act: () => viewer.toggleMode() },
    { keys: ["y"], with: "ctrl", act: () => viewer.toggleMode() },
    { keys: ["w"], label: "W", what: "wells of the plate", act: () => plate.toggle() },
    { keys: ["v"], label: "V", what: "show or hide the selected layer", act: () => viewer.toggleVisible(viewer.selected) },
    { keys: ["v"], with: "shift", label: "Shift V", what: "show or hide the others", act: () => viewer.toggleOthers() },
    { keys: ["ArrowUp"], with: "ctrl", label: "Ctrl ↑", what: "select the layer above", act: () => viewer.selectNext(1) },
    { keys: ["ArrowDown"], with: "ctrl", label: "Ctrl ↓", what: "select the layer below", act: () => viewer.selectNext(-1) },
    { keys: ["?"], with: "shift?", label: "?", what: "this list", act: help },
    { keys: ["/"], with: "ctrl+alt", act: help },
  ];
}

const GESTURES = [
  ["drag", "move the plane, turn the volume"],
  ["Shift drag", "move the volume"],
  ["wheel", "zoom at the cursor"],
  ["Ctrl wheel", "step the focused axis"],
  ["double click", "nearer; with Alt farther"],
];

/** Listens to the keyboard and fills the dialog with the list. */
export function listenToKeys(viewer, dims, plate, dialog) {
  const help = () => (dialog.open ? dialog.close() : dialog.showModal());
  const table = bindings(viewer, dims, plate, help);
  const named = table.filter(({ what }) => what).map(({ label, what }) => [label, what]);
  dialog.querySelector("dl").replaceChildren(
    ...[...GESTURES, ...named].flatMap(([label, what]) => [element("dt", {}, element("kbd", {}, label)), element("dd", {}, what)]),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  window.addEventListener("keydown", (event) => {
    const held = heldWith(event);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const binding = table.find(({ keys, with: required = "" }) => keys.includes(key) && isHeld(required, held));
    if (!binding || (dialog.open && binding.act !== help)) return;
    if ((held === "" || held === "shift") && keptByControl(event)) return;
    event.preventDefault();
    binding.act();
  });
  return help;
}

function isHeld(required, held) {
  return required === "shift?" ? held === "" || held === "shift" : held === required;
}

function heldWith(event) {
  const held = [];
  if (event.ctrlKey || event.metaKey) held.push("ctrl");
  if (event.altKey) held.push("alt");
  if (event.shiftKey) held.push("shift");
  return held.join("+");
}

/** Whether a form control needs this key itself: text entry all of them, sliders the ones that move them. */
function keptByControl({ target, key }) {
  if (!target.matches("input, select, textarea")) return false;
  if (target.type !== "range") return true;
  return key.startsWith("Arrow") || key.startsWith("Page") || key === "Home" || key === "End";
}

// How the colormaps that napari knows look: control points, evenly spaced, enough of them for a swatch. The pictures are coloured
// by the server from the full tables. Sampled from napari 0.9.2 (`ensure_colormap`), vispy 0.17.0 and matplotlib.

const STOPS = new Map([
  ["gray", "000000 ffffff"],
  ["gray_r", "ffffff 000000"],
  ["blue", "000000 0000ff"],
  ["bop blue", "000000 20adf8"],
  ["bop orange", "000000 f8ad20"],
  ["bop purple", "000000 942094"],
  ["cyan", "000000 00ffff"],
  ["fire", "ffffff ffff00 ff0000"],
  ["gist_earth", "000000 0e2176 1c4e7a 2a737e 368770 409456 5da04b 87aa55 aab35c bdab62 cdab84 e5c7bb fdfbfb"],
  ["green", "000000 00ff00"],
  ["HiLo", "0000ff 050505 808080 fafafa ff0000"],
  ["hsv", "ff0000 ff7e00 fbf700 85ff00 08ff00 00ff76 00fff3 008dff 0010ff 6e00ff eb00ff ff0095 ff0018"],
  ["I Blue", "ffffff 0033cc"],
  ["I Bordeaux", "ffffff cc0033"],
  ["I Forest", "ffffff 009900"],
  ["I Orange", "ffffff ff7500"],
  ["I Purple", "ffffff 7500ff"],
  ["ice", "0000ff ffffff"],
  ["inferno", "000004 110a30 330a5e 57106d 781c6d 9a2865 bb3755 d84c3f ed6925 f98d0a fcb519 f4de52 fcffa4"],
  ["magenta", "000000 ff00ff"],
  ["magma", "000004 100c2d 2d1160 50127c 721f81 932b80 b63779 d7456c f1605d fb8761 feaf78 fed698 fcfdbf"],
  ["PiYG", "8e0152 bc1776 d6589e e796c4 f5c4e1 fce4f0 f7f7f7 e9f5d7 c7e89f 9ccf64 6eae36 478a20 276419"],
  ["plasma", "0d0887 4c02a1 7e03a8 a92396 cb4778 e66c5c f89441 fdc328 f0f921"],
  ["red", "000000 ff0000"],
  ["turbo", "30123b 434fbb 4686fa 29bbec 1ae4b6 56fb75 a3fd3c d8e436 faba39 fb8022 e4460b ba1f02 7a0403"],
  ["twilight", "e2d9e2 b3c6ce 7ba1c2 6275ba 5e43a5 4e186f 301437 581648 8e2c50 b25752 c6896d d4bcad e2d9e2"],
  ["twilight_shifted", "301437 4e186f 5e45a6 6276bb 7ca2c2 b3c6ce e2d9e2 d3bbab c6896c b25652 8d2c50 571647 2f1436"],
  ["viridis", "440154 481f71 443a83 3b528b 31688e 287c8e 21908c 20a486 35b779 5dc963 8fd744 c7e020 fde725"],
  ["yellow", "000000 ffff00"],
]);

/** The names to offer, in the order to offer them. */
export const COLORMAPS = [...STOPS.keys()];

/** Paints a swatch of a colormap, if it does not show it yet. */
export function paintSwatch(node, name) {
  if (node.dataset.colormap === name) return;
  node.dataset.colormap = name;
  node.style.background = gradient(name);
}

/** A name that is a colour (`#ff8040`) runs from black to it, as napari's does. */
function gradient(name) {
  const stops = STOPS.get(name) ?? (/^#[0-9a-f]{6}$/i.test(name) ? `000000 ${name.slice(1)}` : "000000 ffffff");
  return `linear-gradient(to right, ${stops.split(" ").map((stop) => `#${stop}`).join(", ")})`;
}

/** Paints a strip of the colours that labels go around in. */
export function paintLabelsSwatch(node) {
  if (node.dataset.colormap === "labels") return;
  node.dataset.colormap = "labels";
  const colors = ["#782506", "#5bd5f8", "#9289e8", "#6c02c1", "#abec8a", "#fef71c"];
  const stops = colors.flatMap((color, n) => [`${color} ${(100 * n) / colors.length}%`, `${color} ${(100 * (n + 1)) / colors.length}%`]);
  node.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
}

// An image that is written while it is looked at: what is new must come into reach by itself.

import { cpSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { slider, timeLapse, untilPlane } from "./checks.mjs";

const WRITTEN = 21;

/** Metadata documents below a folder. */
function documents(folder) {
  const all = readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name));
  return all.filter((file) => path.basename(file) === "zarr.json");
}

/** The document as it is while only so many time points are written. */
function cut(text, times) {
  const shorter = (key, value) => (key === "shape" && value[0] === WRITTEN ? [times, ...value.slice(1)] : value);
  return JSON.stringify(JSON.parse(text, shorter));
}

/** Writes what a reader must never see half of. */
function replace(file, text) {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

export const growing = {
  image: "growing",
  /** A time lapse of which one time point is written. */
  async make(_binary, folder, data) {
    const place = path.join(folder, "growing.ome.zarr");
    cpSync(path.join(data.data, timeLapse.image), place, { recursive: true });
    for (const file of documents(place)) writeFileSync(file, cut(readFileSync(file), 1));
    return place;
  },
  checks: {
    "what is not written is out of reach": async ({ viewer }) => {
      await untilPlane(viewer, 0, 8);
      const t = slider(viewer, "t");
      const last = (await t.count()) === 0 ? "0" : await t.getAttribute("max");
      if (last !== "0") throw new Error(`t goes to ${last}`);
    },
    "a time point that is written comes into reach, and is shown": async ({ viewer, data, served }) => {
      const whole = path.join(data.data, timeLapse.image);
      // Arrays before the group that speaks for them, as a writer does.
      for (const file of documents(whole).reverse()) replace(path.join(served, path.relative(whole, file)), readFileSync(file));
      await slider(viewer, "t").and(viewer.page.locator(`[max="${WRITTEN - 1}"]`)).waitFor();
      // The slider that has come takes of the picture's height.
      await viewer.layOut();
      await untilPlane(viewer, 0, 8);
      await slider(viewer, "t").fill("1");
      await slider(viewer, "z").fill("3");
      await untilPlane(viewer, 1, 3);
      await viewer.screenshot("growing");
    },
  },
};

// Labels over an image: a layer in the list like others, with controls of its own.

import { expect } from "./checks.mjs";

/** Pixels that are no gray. */
function colourful({ data }) {
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const pixel = [data[at], data[at + 1], data[at + 2]];
    if (Math.max(...pixel) - Math.min(...pixel) > 40) count += 1;
  }
  return count;
}

const LABELS = "layer-1";
const row = ({ page }, part) => page.locator(`[data-layer="${LABELS}"] ${part}`);
const control = ({ page }, key, value) =>
  page.waitForFunction(([id, name, wanted]) => window.__viewer.view.layers.find((layer) => layer.id === id).controls[name] === wanted, [LABELS, key, value]);

export const labels = {
  image: "cells3d_labels_v05.ome.zarr",
  folder: "data",
  checks: {
    "labels lie over the image in colours": async ({ viewer }) => {
      const layers = (await viewer.view()).layers.map(({ name, isLabels }) => [name, isLabels]);
      expect(JSON.stringify(layers) === JSON.stringify([["nuclei", false], ["cells", true]]), JSON.stringify(layers));
      await viewer.untilPicture((shown) => (colourful(shown) > 20_000 ? null : `${colourful(shown)} pixels have a colour`));
      await viewer.screenshot("labels");
    },
    "they have a contour, and neither contrast nor gamma nor colormap": async ({ viewer }) => {
      const { page } = viewer;
      await row(viewer, ".select").click();
      await page.getByLabel("contour").waitFor();
      for (const name of ["gamma", "colormap", "upper contrast limit"]) expect(await page.getByLabel(name).isHidden(), `${name} is shown`);
      await page.getByLabel("contour").fill("2");
      await control(viewer, "contour", 2);
      await page.getByLabel("contour").fill("0");
      await control(viewer, "contour", 0);
      await page.locator('[data-layer="layer-0"] .select').click();
      await page.getByLabel("gamma").waitFor();
      expect(await page.getByLabel("contour").isHidden(), "an image has no contour");
    },
    "blending is theirs to choose": async ({ viewer }) => {
      await row(viewer, ".select").click();
      await viewer.page.getByLabel("blending").selectOption("additive");
      await control(viewer, "blending", "additive");
      await viewer.page.getByLabel("blending").selectOption("translucent");
      await control(viewer, "blending", "translucent");
    },
    "hidden, they leave the image gray": async ({ viewer }) => {
      await row(viewer, ".eye").click();
      await viewer.untilPicture((shown) => (colourful(shown) < 50 ? null : `${colourful(shown)} pixels have a colour`));
      await row(viewer, ".eye").click();
      await viewer.untilPicture((shown) => (colourful(shown) > 20_000 ? null : "they do not come back"));
    },
  },
};

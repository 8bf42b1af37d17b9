// Takes the picture of the README: the viewer on an image, once its picture has come to rest.
//
//   npm ci --prefix scripts/browser
//   node scripts/browser/screenshot.mjs --binary target/release/napari-cuda --out docs/viewer.png \
//     --data golden/data/fish4c_u16_v05_sharded_blosc.ome.zarr
//
// --chromium names the browser. Without --data the demo is served.

import { parseArgs } from "node:util";
import { ViewerPage, launch } from "./page.mjs";
import { serve } from "./server.mjs";

const SIZE = { width: 1400, height: 850 };

const { values: options } = parseArgs({
  options: {
    binary: { type: "string" },
    data: { type: "string", default: "--demo" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!options.binary || !options.out) {
  console.error("usage: screenshot.mjs --binary NAPARI-CUDA --out FILE.png [--data IMAGE] [--chromium PATH]");
  process.exit(2);
}

const server = await serve(options.binary, options.data);
const browser = await launch(options.chromium);
try {
  const viewer = await ViewerPage.open(browser, server.url);
  await viewer.page.setViewportSize(SIZE);
  await viewer.restingPicture();
  // Thumbnails come one after another, at most two a second, once the scene is at rest.
  await viewer.page.waitForTimeout(3000);
  await viewer.page.screenshot({ path: options.out });
} finally {
  await browser.close();
  await server.stop();
}

// Opens the viewer in headless Chromium on real images and compares the pixels that arrive with the data.
//
//   npm ci --prefix scripts/browser
//   node scripts/browser/test.mjs --binary target/release/napari-cuda --data golden --out /tmp/browser
//
// --data holds data/ and reference/data/; --out takes screenshots and is made if it is missing; --chromium names the browser;
// --only F_yx does the images whose name holds that, --only roles who may do what.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { channels, letter, photograph, plate, timeLapse } from "./checks.mjs";
import { growing } from "./growing.mjs";
import { labels } from "./labels.mjs";
import { ViewerPage, launch } from "./page.mjs";
import { watchersWatch } from "./roles.mjs";
import { serve } from "./server.mjs";

const { values: options } = parseArgs({
  options: {
    binary: { type: "string" },
    data: { type: "string", default: "golden" },
    out: { type: "string" },
    only: { type: "string", default: "" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!options.binary) {
  console.error("usage: test.mjs --binary NAPARI-CUDA [--data golden] [--out FOLDER] [--only IMAGE] [--chromium PATH]");
  process.exit(2);
}
if (options.out) mkdirSync(options.out, { recursive: true });

const data = { data: path.join(options.data, "data"), reference: path.join(options.data, "reference", "data") };
const results = { passed: 0, failed: 0 };

async function check(name, body) {
  const started = performance.now();
  try {
    await body();
    results.passed += 1;
    console.log(`ok   ${name} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    results.failed += 1;
    console.log(`FAIL ${name}\n     ${String(error.message).replaceAll("\n", "\n     ")}`);
  }
}

/** Serves one image, opens the page on it, and does its checks in order. */
async function suite(browser, { image, folder, make, checks }) {
  const served = make ? await make(options.binary, made, data) : path.join(data[folder], image);
  const context = { binary: options.binary, browser, data, served, server: await serve(options.binary, served), viewer: null };
  context.restart = async () => {
    context.server = await serve(options.binary, served, context.server.port);
  };
  try {
    await check(`${image}: the page opens and shows a picture`, async () => {
      context.viewer = await ViewerPage.open(browser, context.server.url, options.out);
    });
    if (!context.viewer) return;
    for (const [name, body] of Object.entries(checks)) await check(`${image}: ${name}`, () => body(context));
    await check(`${image}: no errors on the console`, () => {
      if (context.viewer.errors.length > 0) throw new Error(context.viewer.errors.join("\n"));
    });
    await context.viewer.close();
  } finally {
    await context.server.stop();
  }
}

// What is made for a check, and goes with it.
const made = mkdtempSync(path.join(tmpdir(), "napari-cuda-"));
const browser = await launch(options.chromium);
try {
  for (const one of [letter, photograph, timeLapse, growing, channels, labels, plate].filter(({ image }) => image.includes(options.only))) {
    await suite(browser, one).catch((error) => check(`${one.image}: serve`, () => Promise.reject(error)));
  }
  if ("roles".includes(options.only)) {
    const image = path.join(data[photograph.folder], photograph.image);
    await check("roles: a watcher watches, whoever has the token drives", () => watchersWatch({ binary: options.binary, browser, image, out: options.out }));
  }
} finally {
  await browser.close();
  rmSync(made, { recursive: true, force: true });
}
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed === 0 ? 0 : 1;

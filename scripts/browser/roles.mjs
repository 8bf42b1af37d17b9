// Who may move the view: a page without the token watches, a page with it drives.

import { ViewerPage } from "./page.mjs";
import { VIDEO, serve } from "./server.mjs";

const TOKEN = "a&b=c%";

/** Drags the picture a little to the right. */
async function drag(viewer) {
  const { mouse } = viewer.page;
  await mouse.move(...(await viewer.at(400, 300)));
  await mouse.down();
  await mouse.move(...(await viewer.at(460, 300)), { steps: 4 });
  await mouse.up();
}

const rectOf = async (viewer) => JSON.stringify((await viewer.view()).camera.rect);

/** One check: two pages on one server. */
export async function watchersWatch({ binary, browser, image, out }) {
  const server = await serve(binary, image, 0, ["--drive", "token", "--drive-token", TOKEN]);
  try {
    const watcher = await ViewerPage.open(browser, server.url, out);
    const driver = await ViewerPage.open(browser, `${server.url}#${new URLSearchParams({ token: TOKEN })}`, out);
    await watcher.page.waitForFunction(() => document.body.dataset.role === "observer");
    await driver.page.waitForFunction(() => document.body.dataset.role === "driver");
    for (const [viewer, inert] of [[watcher, true], [driver, false]]) {
      const found = await viewer.page.evaluate(() => ["controls", "layers", "dims", "mode", "fit"].map((id) => document.getElementById(id).inert));
      if (found.some((one) => one !== inert)) throw new Error(`inert is ${found}, not ${inert}`);
    }
    const before = await rectOf(watcher);
    await drag(watcher);
    // The driver's move is told after whatever the watcher could have sent.
    await drag(driver);
    await watcher.page.waitForFunction((rect) => JSON.stringify(window.__viewer.view.camera.rect) !== rect, before);
    const [left, , width, height] = JSON.parse(before);
    await watcher.restingPicture();
    const moved = (left - JSON.parse(await rectOf(watcher))[0]) / Math.max(width / VIDEO.width, height / VIDEO.height);
    if (Math.abs(moved - 60) > 2) throw new Error(`the view moved by ${moved.toFixed(1)} pixels, not by the driver's 60`);
    const refused = await watcher.page.locator("#warnings").textContent();
    if (refused) throw new Error(`the watcher was told: ${refused}`);
    await watcher.screenshot("watching");
    await watcher.close();
    await driver.close();
  } finally {
    await server.stop();
  }
}

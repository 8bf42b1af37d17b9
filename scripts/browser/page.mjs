// The viewer in a headless browser, as the checks see it.

import { chromium } from "playwright-core";
import path from "node:path";
import { colourAt, difference } from "./picture.mjs";
import { VIDEO } from "./server.mjs";

const WHOLE = { left: 0, top: 0, right: VIDEO.width, bottom: VIDEO.height };
const PATIENCE_MS = 15_000;
/** Host name that leads to this machine but is no secure context. */
export const PLAIN_HOST = "viewer.test";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
];

/** Starts the browser with an empty profile. */
export function launch(executablePath) {
  return chromium.launch({ executablePath, args: FLAGS });
}

export class ViewerPage {
  /** Errors on the console and uncaught ones, and requests that the page's policy refused. */
  errors = [];

  constructor(page, out) {
    this.page = page;
    this.out = out;
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
    page.on("pageerror", (error) => this.errors.push(error.stack ?? String(error)));
  }

  /** Opens the viewer and waits for a painted picture, laid out so that a CSS pixel is a video pixel. */
  static async open(browser, url, out) {
    const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    const viewer = new ViewerPage(page, out);
    await page.goto(url);
    await page.waitForFunction(() => window.__viewer.frames > 0);
    await viewer.layOut();
    return viewer;
  }

  /** Makes the window as large as it takes for the picture to have the usual size, whatever stands beside it. */
  async layOut() {
    const [window, box] = [this.page.viewportSize(), await this.box()];
    await this.page.setViewportSize({ width: window.width + VIDEO.width - box.width, height: window.height + VIDEO.height - box.height });
    const { width, height } = await this.box();
    if (width !== VIDEO.width || height !== VIDEO.height) throw new Error(`the canvas is ${width} x ${height} CSS pixels`);
    await this.untilSized(VIDEO.width, VIDEO.height);
  }

  /** Waits until pictures of that size are shown, and no other size is asked for. */
  async untilSized(width, height) {
    await this.page.waitForFunction(
      ([width, height]) => !window.__viewer.resizing && window.__viewer.canvas.width === width && window.__viewer.canvas.height === height,
      [width, height],
    );
  }

  box() {
    return this.page.locator("#picture").boundingBox();
  }

  /** What the canvas shows. */
  async picture() {
    const { width, height, text } = await this.page.evaluate(() => {
      const { canvas } = window.__viewer;
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let bytes = "";
      for (let at = 0; at < data.length; at += 0x8000) bytes += String.fromCharCode(...data.subarray(at, at + 0x8000));
      return { width: canvas.width, height: canvas.height, text: btoa(bytes) };
    });
    return { width, height, data: Buffer.from(text, "base64") };
  }

  /** The page's view of the server. */
  view() {
    return this.page.evaluate(() => window.__viewer.view);
  }

  /**
   * Looks at every new picture until `check` returns nothing to complain about; gives up with its last complaint.
   * @param {(picture: object) => string | null | Promise<string | null>} check
   */
  async untilPicture(check) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const frames = await this.page.evaluate(() => window.__viewer.frames);
      const picture = await this.picture();
      const complaint = await check(picture);
      if (!complaint) return picture;
      if (Date.now() > deadline) throw new Error(complaint);
      await this.page
        .waitForFunction((seen) => window.__viewer.frames > seen, frames)
        .catch(() => Promise.reject(new Error(`${complaint}, and no other picture came`)));
    }
  }

  /** A picture once it has come to rest: two in a row that differ by no more than the encoder's last touches. */
  restingPicture() {
    let last = null;
    return this.untilPicture((picture) => {
      const same = last !== null && difference(picture, WHOLE, (x, y) => colourAt(last, x, y)).mean < 0.5;
      last = picture;
      return same ? null : "the picture does not come to rest";
    });
  }

  /** A point of the video as page coordinates. */
  async at(x, y) {
    const box = await this.box();
    return [box.x + x, box.y + y];
  }

  async screenshot(name) {
    if (this.out) await this.page.screenshot({ path: path.join(this.out, `${name}.png`) });
  }

  close() {
    return this.page.close();
  }
}

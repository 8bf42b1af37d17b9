// The checks: what a person would do on each image, and what must then be on the canvas.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { PLAIN_HOST, ViewerPage } from "./page.mjs";
import { TURNS, bestMatch, blockDifference, colourAt, difference, drawn, fitted } from "./picture.mjs";
import { VIDEO, serve } from "./server.mjs";

const run = promisify(execFile);
const truth = JSON.parse(readFileSync(new URL("truth.json", import.meta.url)));
const bytes = (text) => Buffer.from(text, "base64");
const grid = ({ count, rgb }) => ({ count, rgb: bytes(rgb) });
const gray = (value) => [value, value, value];

/** Largest mean difference, in steps of 1/255, of a picture that went through the encoder and is right. */
const RIGHT = 2;
const WHOLE = { left: 0, top: 0, right: VIDEO.width, bottom: VIDEO.height };
/** Least mean difference of a picture that is wrong. */
const WRONG = 8;

export function expect(claim, complaint) {
  if (!claim) throw new Error(complaint);
}

/** The F image is stored plain, so its truth is its one chunk. */
function letterF(data) {
  const folder = path.join(data, "F_yx_u8.ome.zarr", "0");
  const [height, width] = JSON.parse(readFileSync(path.join(folder, "zarr.json"))).shape;
  return { width, height, data: readFileSync(path.join(folder, "c", "0", "0")) };
}

function windowed([low, high]) {
  return (value) => gray(255 * Math.min(Math.max((value - low) / (high - low), 0), 1));
}

async function controlsOf(viewer, layer = 0) {
  return (await viewer.view()).layers[layer].controls;
}

// ---- an asymmetric picture

export const letter = {
  image: "F_yx_u8.ome.zarr",
  folder: "reference",
  checks: {
    "the letter F arrives upright, every pixel": async ({ viewer, data }) => {
      const plane = letterF(data.reference);
      const place = fitted(VIDEO, plane.width, plane.height);
      const { interpolation, contrast_limits: limits } = await controlsOf(viewer);
      const picture = await viewer.untilPicture((shown) => {
        const { mean, off } = difference(shown, place, drawn(plane, place, interpolation, windowed(limits)));
        return mean < RIGHT && off < 0.01 ? null : `mean difference ${mean.toFixed(2)}, ${(100 * off).toFixed(1)} % of pixels off`;
      });
      for (const [name, turn] of Object.entries(TURNS)) {
        const turned = turn(plane);
        const elsewhere = fitted(VIDEO, turned.width, turned.height);
        const { mean } = difference(picture, elsewhere, drawn(turned, elsewhere, interpolation, windowed(limits)));
        expect(mean > WRONG, `the picture would also pass as ${name}: mean difference ${mean.toFixed(2)}`);
      }
      await viewer.screenshot("letter");
    },
    "nothing is drawn beside the image": async ({ viewer, data }) => {
      const plane = letterF(data.reference);
      const { left, right } = fitted(VIDEO, plane.width, plane.height);
      await viewer.untilPicture((shown) => {
        for (const area of [{ left: 0, right: left - 2 }, { left: right + 2, right: VIDEO.width }]) {
          const { mean } = difference(shown, { ...area, top: 0, bottom: VIDEO.height }, () => [0, 0, 0]);
          if (mean > 1) return `mean ${mean.toFixed(2)} beside the image`;
        }
        return null;
      });
    },
    "the thumbnail is upright": async ({ viewer, data }) => {
      const plane = letterF(data.reference);
      const colour = windowed((await controlsOf(viewer)).contrast_limits);
      await viewer.page.waitForFunction(() => {
        const canvas = document.querySelector(".thumbnail");
        return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((byte, i) => i % 4 < 3 && byte > 0);
      });
      const picture = await viewer.page.evaluate(() => {
        const { width, height } = document.querySelector(".thumbnail");
        const image = document.querySelector(".thumbnail").getContext("2d").getImageData(0, 0, width, height);
        return { width, height, data: [...image.data] };
      });
      const against = (turned) => {
        const place = fitted(picture, turned.width, turned.height);
        return difference(picture, place, drawn(turned, place, "nearest", colour)).mean;
      };
      const upright = against(plane);
      for (const [name, turn] of Object.entries(TURNS)) {
        const turned = against(turn(plane));
        expect(upright < turned, `upright differs by ${upright.toFixed(1)}, ${name} by ${turned.toFixed(1)}`);
      }
    },
    "a place without WebCodecs gets told what to do": async ({ browser, server, viewer }) => {
      const page = await browser.newPage();
      await page.goto(`http://${PLAIN_HOST}:${server.port}/`);
      await page.getByText(`ssh -L ${server.port}:localhost:${server.port} ${PLAIN_HOST}`).waitFor();
      if (viewer.out) await page.screenshot({ path: path.join(viewer.out, "insecure.png") });
      await page.close();
      const old = await browser.newPage();
      await old.addInitScript(() => delete window.VideoDecoder);
      await old.goto(server.url);
      await old.getByText("no WebCodecs video decoder").waitFor();
      await old.close();
    },
    "a server without an image says how to open one": async ({ binary, browser, viewer }) => {
      const idle = await serve(binary, null);
      try {
        const page = await browser.newPage();
        await page.goto(idle.url);
        await page.getByText("No image is open").waitFor();
        if (viewer.out) await page.screenshot({ path: path.join(viewer.out, "idle.png") });
        await page.close();
      } finally {
        await idle.stop();
      }
    },
  },
};

// ---- a photograph in three channels: moving about

const photo = () => fitted(VIDEO, 512, 512);

async function untilPhotoFits(viewer) {
  return viewer.untilPicture((shown) => {
    const { mean, worst } = blockDifference(shown, photo(), grid(truth.ihc));
    return mean < RIGHT && worst < 16 ? null : `mean difference of blocks ${mean.toFixed(2)}, worst ${worst.toFixed(1)}`;
  });
}

export const photograph = {
  image: "ihc_rgb_v05_zstd.ome.zarr",
  folder: "data",
  checks: {
    "three channels add up to the right colours": async ({ viewer }) => {
      const picture = await untilPhotoFits(viewer);
      const last = truth.ihc.count - 1;
      const turns = {
        flipped: (row, column) => [last - row, column],
        mirrored: (row, column) => [row, last - column],
        transposed: (row, column) => [column, row],
      };
      for (const [name, turn] of Object.entries(turns)) {
        const { mean } = blockDifference(picture, photo(), grid(truth.ihc), turn);
        expect(mean > WRONG, `the picture would also pass as ${name}: ${mean.toFixed(2)}`);
      }
      await viewer.screenshot("photograph");
    },
    "the picture follows a drag, pixel for pixel": async ({ viewer }) => {
      const before = await viewer.restingPicture();
      const [dx, dy] = [97, -61];
      const [x, y] = await viewer.at(600, 400);
      await viewer.page.mouse.move(x, y);
      await viewer.page.mouse.down();
      await viewer.page.mouse.move(x + dx, y + dy, { steps: 9 });
      await viewer.page.mouse.up();
      const area = { left: 400, top: 100, right: 900, bottom: 600 };
      await viewer.untilPicture((after) => {
        const match = bestMatch(before, after, area, (u, v) => [u - dx, v - dy], 2);
        const stayed = bestMatch(before, after, area, (u, v) => [u, v], 0);
        if (match.dx === 0 && match.dy === 0 && match.mean < 4 && stayed.mean > WRONG) return null;
        return `moved by ${dx - match.dx}, ${dy - match.dy}, mean difference ${match.mean.toFixed(2)}`;
      });
      await viewer.screenshot("dragged");
    },
    "R brings the fitted image back": async ({ viewer }) => {
      await viewer.page.keyboard.press("r");
      await untilPhotoFits(viewer);
    },
    "the wheel zooms, and what is under the cursor stays": async ({ viewer }) => {
      const before = await viewer.restingPicture();
      const cursor = { x: 780, y: 250 };
      await viewer.page.mouse.move(...(await viewer.at(cursor.x, cursor.y)));
      const notches = 4;
      for (let n = 0; n < notches; n += 1) await viewer.page.mouse.wheel(0, -100);
      const factor = 1.1 ** -notches;
      const area = { left: cursor.x - 150, top: cursor.y - 150, right: cursor.x + 150, bottom: cursor.y + 150 };
      const source = (u, v) => [
        cursor.x + (u + 0.5 - cursor.x) * factor - 0.5,
        cursor.y + (v + 0.5 - cursor.y) * factor - 0.5,
      ];
      await viewer.untilPicture((after) => {
        const match = bestMatch(before, after, area, source, 3);
        if (match.dx === 0 && match.dy === 0 && match.mean < WRONG) return null;
        return `the cursor's point moved by ${-match.dx}, ${-match.dy}, mean difference ${match.mean.toFixed(2)}`;
      });
      await viewer.screenshot("zoomed");
    },
    "a double click with and without Alt goes in and out again": async ({ viewer }) => {
      const before = await viewer.restingPicture();
      const [x, y] = await viewer.at(500, 450);
      await viewer.page.mouse.dblclick(x, y);
      const area = { left: 400, top: 350, right: 600, bottom: 550 };
      await viewer.untilPicture((after) => {
        const match = bestMatch(before, after, area, (u, v) => [(u + 0.5 + 500) / 2 - 0.5, (v + 0.5 + 450) / 2 - 0.5], 2);
        return match.dx === 0 && match.dy === 0 && match.mean < WRONG ? null : `mean difference ${match.mean.toFixed(2)} after going in`;
      });
      await viewer.page.keyboard.down("Alt");
      await viewer.page.mouse.dblclick(x, y);
      await viewer.page.keyboard.up("Alt");
      await viewer.untilPicture((after) => {
        const match = bestMatch(before, after, area, (u, v) => [u, v], 2);
        return match.dx === 0 && match.dy === 0 && match.mean < 4 ? null : `mean difference ${match.mean.toFixed(2)} after going out`;
      });
    },
    "the fit button brings it back": async ({ viewer }) => {
      await viewer.page.locator("#fit").click();
      await untilPhotoFits(viewer);
    },
  },
};

// ---- a time lapse of stacks: sliders and the layer's controls

export async function untilPlane(viewer, t, z, colour = null) {
  const [height, width] = truth.droplet.shape;
  const plane = { width, height, data: bytes(truth.droplet.planes[`${t},${z}`]) };
  const place = fitted(VIDEO, width, height);
  return viewer.untilPicture(async (shown) => {
    const { interpolation, contrast_limits: limits } = await controlsOf(viewer);
    const { mean } = difference(shown, place, drawn(plane, place, interpolation, colour ?? windowed(limits)));
    return mean < RIGHT ? null : `t ${t}, z ${z}: mean difference ${mean.toFixed(2)}`;
  });
}

export const slider = (viewer, label) => viewer.page.getByLabel(`index along ${label}`, { exact: true });

export const timeLapse = {
  image: "droplet_tzyx_v05_ngffzarr.ome.zarr",
  folder: "data",
  checks: {
    "the first plane is the middle one of the first stack": async ({ viewer }) => {
      await untilPlane(viewer, 0, 8);
      await viewer.screenshot("time-lapse");
    },
    "the right arrow shows the next plane": async ({ viewer }) => {
      await viewer.page.keyboard.press("ArrowRight");
      const next = await untilPlane(viewer, 0, 9);
      const [height, width] = truth.droplet.shape;
      const place = fitted(VIDEO, width, height);
      const old = { width, height, data: bytes(truth.droplet.planes["0,8"]) };
      const { interpolation, contrast_limits: limits } = await controlsOf(viewer);
      const { mean } = difference(next, place, drawn(old, place, interpolation, windowed(limits)));
      expect(mean > WRONG, `the new plane would also pass as the old one: ${mean.toFixed(2)}`);
    },
    "a slider shows the plane it is put on": async ({ viewer }) => {
      await slider(viewer, "z").fill("3");
      await untilPlane(viewer, 0, 3);
    },
    "the up arrow focuses t, Ctrl and wheel step it": async ({ viewer }) => {
      await viewer.page.locator("#picture").hover();
      await viewer.page.evaluate(() => document.activeElement.blur());
      await viewer.page.keyboard.press("ArrowUp");
      await viewer.page.locator(".axis.focused", { hasText: "t" }).waitFor();
      await viewer.page.keyboard.down("Control");
      await viewer.page.mouse.wheel(0, 100);
      await viewer.page.keyboard.up("Control");
      await untilPlane(viewer, 1, 3);
    },
    "play goes through the axis and comes round": async ({ viewer }) => {
      await slider(viewer, "t").fill("18");
      await viewer.page.getByLabel("frames per second along t").fill("60");
      await viewer.page.getByRole("button", { name: "play t" }).click();
      await viewer.page.waitForFunction(() => window.__viewer.view.dims.step[0] === 20);
      await viewer.page.waitForFunction(() => window.__viewer.view.dims.step[0] < 10);
      await viewer.page.getByRole("button", { name: "pause t" }).click();
      await slider(viewer, "t").fill("0");
      await untilPlane(viewer, 0, 3);
    },
    "the 3D button shows the volume, a drag turns it, and 2D comes back as it was": async ({ viewer }) => {
      const plane = await viewer.restingPicture();
      const pose = (await viewer.view()).camera;
      const mode = viewer.page.locator("#mode");
      expect(await viewer.page.getByLabel("rendering").isHidden(), "a plane has no rendering");
      await mode.click();
      await viewer.page.waitForFunction(() => window.__viewer.view.dims.ndisplay === 3 && window.__viewer.view.camera.angles);
      // A volume has a slider less beside it.
      await viewer.layOut();
      const volume = await viewer.untilPicture((shown) => {
        const { mean } = difference(shown, WHOLE, (x, y) => colourAt(plane, x, y));
        return mean > WRONG / 4 ? null : "the picture is still that of the plane";
      });
      expect((await mode.textContent()) === "3D", "the button says 3D");
      await viewer.page.getByLabel("rendering").selectOption("iso");
      await viewer.page.getByLabel("iso_threshold").waitFor();
      await viewer.page.waitForFunction(() => window.__viewer.view.layers[0].controls.rendering === "iso");
      const [azimuth, elevation] = (await viewer.view()).camera.angles;
      await viewer.page.mouse.move(...(await viewer.at(VIDEO.width / 2, VIDEO.height / 2)));
      await viewer.page.mouse.down();
      await viewer.page.mouse.move(...(await viewer.at(VIDEO.width / 2 + 100, VIDEO.height / 2 + 50)), { steps: 5 });
      await viewer.page.mouse.up();
      await viewer.page.waitForFunction(
        ([az, el]) => {
          const [turned, raised] = window.__viewer.view.camera.angles;
          return Math.abs(turned - az + 20) < 1e-6 && Math.abs(raised - el - 10) < 1e-6;
        },
        [azimuth, elevation],
      );
      await viewer.untilPicture((shown) => {
        const { mean } = difference(shown, WHOLE, (x, y) => colourAt(volume, x, y));
        return mean > 0.5 ? null : "the volume has not turned";
      });
      await viewer.screenshot("volume");
      await viewer.page.keyboard.press("d");
      await viewer.page.waitForFunction(() => window.__viewer.view.dims.ndisplay === 2);
      await viewer.layOut();
      await viewer.untilPicture((shown) => {
        const { mean } = difference(shown, WHOLE, (x, y) => colourAt(plane, x, y));
        return mean < RIGHT ? null : `the plane came back otherwise: ${mean.toFixed(2)}`;
      });
      await viewer.page.waitForFunction((rect) => String(window.__viewer.view.camera.rect) === String(rect), pose.rect);
    },
    "contrast limits typed in change the picture": async ({ viewer }) => {
      await viewer.page.getByLabel("upper contrast limit").fill("120");
      await viewer.page.getByLabel("upper contrast limit").press("Enter");
      await viewer.page.getByLabel("lower contrast limit").fill("20");
      await viewer.page.getByLabel("lower contrast limit").press("Enter");
      await untilPlane(viewer, 0, 3, windowed([20, 120]));
    },
    "a dragged thumb of the contrast slider does too": async ({ viewer }) => {
      await viewer.page.getByLabel("upper limit of contrast").focus();
      for (let n = 0; n < 10; n += 1) await viewer.page.keyboard.press("ArrowRight");
      await untilPlane(viewer, 0, 3, windowed([20, 130]));
    },
    "gamma, opacity and colormap apply": async ({ viewer }) => {
      const share = (value) => Math.min(Math.max((value - 20) / 110, 0), 1);
      await viewer.page.getByLabel("gamma").fill("0.5");
      await untilPlane(viewer, 0, 3, (value) => gray(255 * Math.sqrt(share(value))));
      await viewer.page.getByLabel("opacity").fill("0.6");
      await untilPlane(viewer, 0, 3, (value) => gray(153 * Math.sqrt(share(value))));
      await viewer.page.getByLabel("colormap").selectOption("green");
      await untilPlane(viewer, 0, 3, (value) => [0, 153 * Math.sqrt(share(value)), 0]);
      await viewer.screenshot("controls");
    },
    "the status line tells rate and latency": async ({ viewer }) => {
      await viewer.page.waitForFunction(() => /^[\d.]+ ms$/.test(document.getElementById("latency").textContent));
      const { latencyMs } = await viewer.page.evaluate(() => window.__viewer.stats);
      expect(latencyMs > 0 && latencyMs < 5000, `latency ${latencyMs}`);
    },
    "a phone gets the picture and the sliders": async ({ viewer }) => {
      const size = viewer.page.viewportSize();
      await viewer.page.setViewportSize({ width: 390, height: 780 });
      const within = await viewer.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
      expect(within, "the page is wider than the phone");
      await slider(viewer, "z").waitFor({ state: "visible" });
      const { width, height } = await viewer.box();
      await viewer.untilSized(2 * Math.floor(width / 2), 2 * Math.floor(height / 2));
      await viewer.screenshot("phone");
      await viewer.page.setViewportSize(size);
      await viewer.untilSized(VIDEO.width, VIDEO.height);
      await untilPlane(viewer, 0, 3, (value) => [0, 153 * Math.sqrt(Math.min(Math.max((value - 20) / 110, 0), 1)), 0]);
    },
  },
};

// ---- four channels: layers; then a server that dies

const cells = () => fitted(VIDEO, 1024, 1024);

async function untilBlocks(viewer, expected, description) {
  return viewer.untilPicture((shown) => {
    const { mean, worst } = blockDifference(shown, cells(), expected);
    return mean < RIGHT && worst < 24 ? null : `${description}: mean difference ${mean.toFixed(2)}, worst ${worst.toFixed(1)}`;
  });
}

const eye = (viewer, id) => viewer.page.locator(`[data-layer="${id}"] .eye`);

export const channels = {
  image: "fish4c_u16_v05_sharded_blosc.ome.zarr",
  folder: "data",
  checks: {
    "four channels come in their colours": async ({ viewer }) => {
      await untilBlocks(viewer, grid(truth.fish), "all channels");
      await viewer.screenshot("channels");
    },
    "a click on an eye hides a layer": async ({ viewer }) => {
      for (const id of ["layer-1", "layer-2", "layer-3"]) await eye(viewer, id).click();
      const picture = await untilBlocks(viewer, grid(truth.fish_ch0), "the first channel alone");
      const { mean } = blockDifference(picture, cells(), grid(truth.fish));
      expect(mean > RIGHT, "hiding three layers made no difference");
    },
    "V hides the selected layer and shows it again": async ({ viewer }) => {
      await viewer.page.locator('[data-layer="layer-0"] .select').click();
      await viewer.page.keyboard.press("v");
      const dark = { count: 32, rgb: new Uint8Array(3 * 32 * 32) };
      await untilBlocks(viewer, dark, "no layer");
      await viewer.page.keyboard.press("v");
      await untilBlocks(viewer, grid(truth.fish_ch0), "the first channel again");
    },
    "the page comes back by itself when the server does": async (context) => {
      const { viewer, restart, server } = context;
      await server.stop();
      await viewer.page.locator("#notice").filter({ hasText: "Not connected" }).waitFor();
      await viewer.screenshot("disconnected");
      await restart();
      await viewer.page.waitForFunction(() => window.__viewer.connected);
      await viewer.page.locator("#notice").waitFor({ state: "hidden" });
      await untilBlocks(viewer, grid(truth.fish), "all channels after the restart");
      // A refused connection is an error on the console; that is the browser's to say, and only this.
      viewer.errors = viewer.errors.filter((text) => !/^WebSocket connection to .*ERR_CONNECTION_REFUSED/.test(text));
    },
  },
};

// ---- a plate: a grid of wells

const ROWS = 3;
const COLUMNS = 4;
const well = (viewer, path) => viewer.page.locator(`.well[data-well="${path}"]`);

async function untilShown(viewer, path, field) {
  await viewer.page.waitForFunction(
    ([path, field]) => {
      const { plate } = window.__viewer.view;
      return plate?.well === path && plate.field === field;
    },
    [path, field],
  );
  await viewer.page.locator(`.well.lit[data-well="${path}"]`).waitFor();
}

export const plate = {
  image: "plate",
  /** Writes a plate of small fields into a folder. */
  async make(binary, folder) {
    const place = path.join(folder, "screen.ome.zarr");
    const shape = ["--shape", "2,4,192,192", "--chunk", "4,96,96", "--plate", `${ROWS},${COLUMNS},2`];
    await run(binary, ["demo", "write", place, ...shape]);
    return place;
  },
  checks: {
    "every well is there, with its picture, and the first is lit": async ({ viewer }) => {
      await untilShown(viewer, "A/1", 0);
      expect((await viewer.page.locator(".well").count()) === ROWS * COLUMNS, "the grid has another size");
      await viewer.page.waitForFunction((count) => document.querySelectorAll(".well.pictured").length === count, ROWS * COLUMNS);
      const seen = await viewer.page.evaluate(() => {
        const means = [...document.querySelectorAll(".well img")].map((picture) => {
          const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
          const context = canvas.getContext("2d");
          context.drawImage(picture, 0, 0);
          const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
          return data.reduce((sum, byte, i) => (i % 4 < 3 ? sum + byte : sum), 0) / data.length;
        });
        return { means, width: document.querySelector(".well img").naturalWidth };
      });
      expect(seen.width > 32, `pictures are ${seen.width} pixels wide`);
      expect(new Set(seen.means.map((mean) => mean.toFixed(3))).size > ROWS * COLUMNS - 2, "wells look alike");
      await viewer.screenshot("plate");
    },
    "a click opens a well for everyone": async ({ browser, server, viewer }) => {
      const before = await viewer.restingPicture();
      await well(viewer, "C/2").click();
      await untilShown(viewer, "C/2", 0);
      await viewer.untilPicture((shown) =>
        difference(shown, WHOLE, (x, y) => colourAt(before, x, y)).mean > 1 ? null : "the picture is still that of the first well");
      const other = await ViewerPage.open(browser, server.url);
      await untilShown(other, "C/2", 0);
      await other.close();
    },
    "the next field of a well is a click away, and another well keeps it": async ({ viewer }) => {
      await viewer.page.getByLabel("next field").click();
      await untilShown(viewer, "C/2", 1);
      await viewer.page.getByText("field 2 of 2").waitFor();
      expect(await viewer.page.getByLabel("next field").isDisabled(), "there is no third field");
      await well(viewer, "A/3").click();
      await untilShown(viewer, "A/3", 1);
    },
    "W hides the grid and shows it again": async ({ viewer }) => {
      await viewer.page.keyboard.press("w");
      await viewer.page.locator("#plate").waitFor({ state: "hidden" });
      await viewer.page.keyboard.press("w");
      await viewer.page.locator("#plate").waitFor({ state: "visible" });
    },
    "who only watches sees the wells and cannot open them": async ({ binary, browser, viewer, served }) => {
      const watched = await serve(binary, served, 0, ["--drive", "first"]);
      try {
        const driver = await ViewerPage.open(browser, watched.url);
        const watcher = await ViewerPage.open(browser, watched.url);
        await untilShown(watcher, "A/1", 0);
        expect(await well(watcher, "B/1").isDisabled(), "a watcher may click");
        expect(await well(driver, "B/1").isEnabled(), "the driver may not click");
        await driver.close();
        await watcher.close();
      } finally {
        await watched.stop();
      }
      await viewer.page.bringToFront();
    },
    "only cells that can be seen are asked for": async ({ browser, server, viewer }) => {
      const page = await browser.newPage({ viewport: { width: 900, height: 260 } });
      const asked = new Set();
      page.on("request", (request) => {
        if (request.url().includes("/plate/thumb")) asked.add(request.url());
      });
      await page.goto(server.url);
      await page.locator(".well.pictured").first().waitFor();
      await page.waitForFunction(() => window.__viewer.frames > 0);
      expect(asked.size < ROWS * COLUMNS, `all ${asked.size} pictures were asked for`);
      await page.locator(".well").last().scrollIntoViewIfNeeded();
      await page.locator(".well").last().and(page.locator(".pictured")).waitFor();
      await page.close();
      await viewer.page.bringToFront();
    },
  },
};

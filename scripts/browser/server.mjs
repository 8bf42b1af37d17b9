// Starts and stops the server under test.

import { spawn } from "node:child_process";
import { once } from "node:events";

const START_MS = 20_000;
const LINK = /http:\/\/127\.0\.0\.1:(\d+)\//;

/** Video size that the tests ask for; the page is laid out so that one video pixel is one CSS pixel. */
export const VIDEO = { width: 1280, height: 720 };

/**
 * Serves an image, or with null none, and waits for the printed link.
 * @param {string} binary
 * @param {string | null} data
 * @param {number} port of the viewer; 0 takes a free one
 * @param {string[]} more flags
 * @returns {Promise<{url: string, port: number, stop: () => Promise<void>}>}
 */
export async function serve(binary, data, port = 0, more = []) {
  const flags = ["--state-port", 0, "--pixel-port", 0, "--http-port", port, "--width", VIDEO.width, "--height", VIDEO.height, ...more];
  const child = spawn(binary, ["serve", ...(data === null ? [] : [data]), ...flags.map(String)], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let printed = "";
  const link = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no link within ${START_MS} ms; printed:\n${printed}`)), START_MS);
    const read = (chunk) => {
      printed += chunk;
      const found = LINK.exec(printed);
      if (found) {
        clearTimeout(timer);
        resolve({ url: found[0], port: Number(found[1]) });
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with code ${code}; printed:\n${printed}`));
    });
  });
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    return { ...(await link), stop };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

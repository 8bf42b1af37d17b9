"""Decodes the streams on standard input with PyAV and with Chromium and prints the colour errors.

Run by scripts/measure-color. The input is what the example `color_patches` of nc-gpu writes.
"""

import http.server
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

import av
import numpy as np

# Decodes each stream with WebCodecs, draws the last picture and posts its pixels.
PAGE = """<!doctype html><script type="module">
const bytes = hex => Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16));
async function shown(stream) {
  let last = null, failure = null;
  const decoder = new VideoDecoder({
    output: frame => { last?.close(); last = frame; },
    error: error => { failure = error; },
  });
  decoder.configure({ codec: stream.codec, description: bytes(stream.record), optimizeForLatency: true });
  stream.units.forEach((unit, index) => decoder.decode(new EncodedVideoChunk({
    type: index ? 'delta' : 'key', timestamp: index * 33333, data: bytes(unit),
  })));
  await decoder.flush();
  if (failure) throw failure;
  const width = last.displayWidth, height = last.displayHeight;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(last, 0, 0);
  const pixels = Array.from(context.getImageData(0, 0, width, height).data);
  return { width, height, pixels, space: last.colorSpace.toJSON() };
}
let result;
try {
  const streams = await (await fetch('streams')).json();
  result = { agent: navigator.userAgent, pictures: [] };
  for (const stream of streams) result.pictures.push(await shown(stream));
} catch (error) {
  result = { error: String(error) };
}
await fetch('result', { method: 'POST', body: JSON.stringify(result) });
</script>"""


def with_chromium(chromium, streams):
    """Its user agent, and per stream the picture as (height, width, 3) and its colour space."""
    results = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, kind, body):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self):
            if self.path == "/streams":
                self.answer("application/json", json.dumps(streams))
            else:
                self.answer("text/html", PAGE)

        def do_POST(self):
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer("text/plain", "")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        # WebCodecs needs a secure context, which localhost is.
        url = f"http://localhost:{server.server_port}/"
        browser = subprocess.Popen([chromium, *flags, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            result = results.get(timeout=60)
        except queue.Empty:
            raise SystemExit("the browser did not answer within 60 s") from None
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    if "error" in result:
        raise SystemExit(f"the browser failed: {result['error']}")
    pictures = [
        (np.array(shown["pixels"], np.uint8).reshape(shown["height"], shown["width"], 4)[..., :3], shown["space"])
        for shown in result["pictures"]
    ]
    return result["agent"], pictures


def with_pyav(stream):
    """The last picture as (height, width, 3), converted as the Python client does."""
    context = av.CodecContext.create("h264", "r")
    context.extradata = bytes.fromhex(stream["record"])
    frames = [frame for unit in stream["units"] for frame in context.decode(av.Packet(bytes.fromhex(unit)))]
    frames += context.decode(None)
    return frames[-1].to_ndarray(format="rgb24")


def errors(stream, picture):
    """|shown - intended| of the middle pixels of every patch, as (pixels, 3). Towards the edges the codec has a say as well."""
    patch, columns = stream["patch"], stream["columns"]
    found = []
    for index, color in enumerate(stream["colors"]):
        y, x = index // columns * patch, index % columns * patch
        middle = picture[y + patch // 2 - 2 : y + patch // 2 + 2, x + patch // 2 - 2 : x + patch // 2 + 2]
        found.append(np.abs(middle.astype(int) - color).reshape(-1, 3))
    return np.concatenate(found)


def print_row(name, decoder, error):
    worst, mean = error.max(axis=0), error.mean(axis=0)
    cells = "".join(f"{worst[channel]:>7}{mean[channel]:>6.2f}" for channel in range(3))
    print(f"{name:<9}{decoder:<20}{cells}{error.max():>6}{error.mean():>7.2f}")


def main():
    streams = json.load(sys.stdin)
    chromium = shutil.which(sys.argv[1]) or sys.argv[1]
    agent, pictures = with_chromium(chromium, streams)
    print(f"PyAV {av.__version__}; {agent}")
    print(f"{'range':<9}{'decoder':<20}" + "".join(f"{c + ' max':>7}{'mean':>6}" for c in "rgb") + f"{'max':>6}{'mean':>7}")
    for stream, (picture, space) in zip(streams, pictures):
        print_row(stream["range"], "exact arithmetic", np.abs(np.array(stream["exact"]) - stream["colors"]))
        print_row(stream["range"], "Chromium", errors(stream, picture))
        print_row(stream["range"], "PyAV", errors(stream, with_pyav(stream)))
        print(f"{'':<9}Chromium takes it for {space}")


main()

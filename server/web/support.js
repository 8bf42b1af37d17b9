// Whether this browser, in this place, can show the stream at all, and what to tell the person if not.

/** A message for `Notices.message`, or null where everything is there. */
export function unsupported() {
  if ("VideoDecoder" in globalThis) return null;
  const port = location.port || (location.protocol === "https:" ? "443" : "80");
  if (!globalThis.isSecureContext) {
    return {
      heading: "Open this page through localhost",
      lines: [
        "Browsers decode video only on pages from localhost or over https. On your own computer, start a tunnel:",
        { code: `ssh -L ${port}:localhost:${port} ${location.hostname}` },
        "and open",
        { code: `http://localhost:${port}${location.pathname}` },
      ],
    };
  }
  return {
    heading: "This browser cannot decode the stream",
    lines: ["It has no WebCodecs video decoder. Chrome or Edge from 94, Safari from 16.4 and Firefox from 130 on the desktop have one."],
  };
}

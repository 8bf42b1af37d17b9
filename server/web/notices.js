// What the page tells the person: one quiet notice about the connection, one message in place of the picture, short-lived warnings.

import { element, setText } from "./dom.js";

const WARNING_MS = 8000;

export class Notices {
  #notice;
  #message;
  #warnings;
  #shown = new Map();

  constructor({ notice, message, warnings }) {
    this.#notice = notice;
    this.#message = message;
    this.#warnings = warnings;
  }

  /** Says something about the connection; an empty text takes it away. */
  notice(text) {
    setText(this.#notice, text);
    this.#notice.hidden = text === "";
  }

  /** Puts a heading and paragraphs in place of the picture; null takes them away. A line of code is `{code}`. */
  message(content) {
    this.#message.hidden = content === null;
    if (!content || content.heading === this.#message.dataset.heading) return;
    this.#message.dataset.heading = content.heading;
    const lines = content.lines.map((line) => (line.code ? element("pre", {}, element("code", {}, line.code)) : element("p", {}, line)));
    this.#message.replaceChildren(element("h2", {}, content.heading), ...lines);
  }

  /** Shows a warning for a while. The same again counts up instead of piling up. */
  warn({ domain, code, message, severity }) {
    const name = `${domain} ${code}`;
    const known = this.#shown.get(name);
    if (known) {
      known.count += 1;
      setText(known.times, `${known.count} times`);
      setText(known.text, message);
      clearTimeout(known.timer);
      known.timer = setTimeout(known.close, WARNING_MS);
      return;
    }
    const close = () => {
      clearTimeout(shown.timer);
      shown.box.remove();
      this.#shown.delete(name);
    };
    const text = element("span", {}, message);
    const times = element("span", { class: "times" });
    const box = element("button", { class: `warning ${severity}`, type: "button", title: "dismiss", on: { click: close } }, text, times);
    const shown = { box, text, times, close, count: 1, timer: setTimeout(close, WARNING_MS) };
    this.#shown.set(name, shown);
    this.#warnings.append(box);
  }
}

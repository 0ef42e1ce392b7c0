// Answers questions about the page's pure modules: JSON in by standard input, JSON out. Run by test_modules.py.
import { doubtsOf, nextDoubt } from "./core/doubt.js";
import { outlines } from "./core/contour.js";
import { readBulk } from "./core/message.js";
import { bytesOf, bytesOfText, extent, raster, runsOf, runsOfRaster, textOfBytes } from "./core/rle.js";
import { fitted, toPicture, toScreen, zoomed } from "./core/view.js";
import { createOutbox } from "./net/outbox.js";
import { changedFrames } from "./act/sync.js";
import { isNews } from "./act/tracking.js";
import { createAttention } from "./project/attention.js";
import { makeReviewCommands } from "./project/commands.js";
import { caps, makeCommands } from "./ui/commands.js";

const signed = (points) => {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y, u, v] = [points[i], points[i + 1], points[(i + 2) % points.length], points[(i + 3) % points.length]];
    sum += x * v - u * y;
  }
  return sum / 2;
};

const answers = {
  masks: (masks) =>
    masks.map(({ counts, height, width }) => {
      const runs = runsOf(bytesOfText(counts));
      const pixels = raster(runs, height, [0, 0, width, height]);
      const { area, box } = extent(runs, height);
      const again = textOfBytes(bytesOf(runsOfRaster(pixels, width, height)));
      const cut = box && Array.from(raster(runs, height, box));
      const polygons = outlines(pixels, width, height);
      return { pixels: Array.from(pixels), area, box, again, cut, outlined: polygons.reduce((sum, one) => sum + signed(one), 0) };
    }),
  outlines: ({ pixels, width, height }) => outlines(Uint8Array.from(pixels), width, height, 10, 20),
  bulk(base64) {
    const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
    return [...readBulk(bytes.buffer)].map((one) => ({ ...one, records: one.records.map((r) => ({ ...r, counts: r.counts && textOfBytes(r.counts) })) }));
  },
  doubts: ({ lane, from }) => {
    const places = doubtsOf(lane);
    return { places, next: nextDoubt(new Map([[1, places]]), from), before: nextDoubt(new Map([[1, places]]), from, true) };
  },
  view() {
    const video = { width: 1280, height: 720 };
    const view = fitted(video, 800, 600);
    const near = zoomed(view, 3, 200, 150, 0.01);
    return { before: toPicture(view, 200, 150), after: toPicture(near, 200, 150), there: toScreen(near, ...toPicture(near, 7, 9)) };
  },
  async outbox() {
    const lost = () => Object.assign(new Error("away"), { offline: true });
    const made = [];
    let tries = 0;
    const box = createOutbox({ onChange: () => {}, onError: (error) => made.push(`refused ${error.message}`) });
    const wake = setInterval(() => box.retry(), 5);
    const first = box.add(async () => {
      if (tries++ < 2) throw lost();
      made.push("first");
      return "first";
    });
    const second = box.add(async () => made.push("second"));
    // Its attempt arrived although no answer came: it must not be sent again.
    let sent = 0;
    const third = box.add(async () => { sent++; throw lost(); }, { done: async () => "arrived" });
    const refused = box.add(async () => { throw Object.assign(new Error("no"), { code: "prompt" }); });
    const answers = [await first, await second, await third, await refused];
    clearInterval(wake);
    return { made, tries, sent, answers };
  },
  changed: ({ old, now }) => [...changedFrames({ prompts: old }, { prompts: now })],
  runs: (pairs) => pairs.map(([before, run]) => isNews(before, run)),
  keys() {
    globalThis.navigator ??= { platform: "" };
    const act = new Proxy({}, { get: (_, name) => () => name });
    const page = { act, store: { state: {}, set() {} }, view: act };
    const told = (commands) => [...commands.values()].map(({ name, label, keys }) => ({ name, label, keys, caps: keys.map(caps) }));
    return [told(makeCommands(page)), told(makeReviewCommands(page, page))];
  },
  attention(moments) {
    let now = 0;
    const attention = createAttention(() => now);
    attention.begin();
    for (const moment of moments) {
      now = Number(`${moment}`.replace("skip ", ""));
      if (now === moment) attention.note();
      else attention.skip();
    }
    return attention.seconds();
  },
};

let input = "";
for await (const part of process.stdin) input += part;
const questions = JSON.parse(input);
const told = {};
for (const [name, question] of Object.entries(questions)) told[name] = await answers[name](question);
process.stdout.write(JSON.stringify(told));

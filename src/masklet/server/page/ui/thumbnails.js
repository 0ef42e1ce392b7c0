// An object's small picture: its piece of the frame it was first prompted on, or of the frame that is shown.

import { outlineOf } from "../core/masks.js";

export function paintThumbnail(app, canvas, id) {
  const { session, video, frame } = app.store.state;
  if (!session || !app.book) return;
  const prompted = session.prompts.filter((prompt) => prompt.object === id).map((prompt) => prompt.frame);
  const isUsable = (one) => app.frames.has(one) && app.book.at(one)?.get(id)?.box;
  // A thumbnail stays as it is when its frame is out of sight, unless there is none yet.
  const usable = prompted.find(isUsable) ?? (canvas.dataset.mark || !isUsable(frame) ? undefined : frame);
  if (usable === undefined) return;
  const record = app.book.at(usable).get(id);
  const mark = `${usable}:${record.area}:${record.box}:${session.objects.find((one) => one.id === id)?.colour}`;
  if (canvas.dataset.mark === mark) return;
  canvas.dataset.mark = mark;
  const [x0, y0, x1, y1] = record.box;
  const side = Math.max(x1 - x0, y1 - y0, 8) * 1.2;
  const scale = canvas.width / side;
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(scale, 0, 0, scale, canvas.width / 2 - ((x0 + x1) / 2) * scale, canvas.height / 2 - ((y0 + y1) / 2) * scale);
  pen.drawImage(app.frames.get(usable), 0, 0, video.width, video.height);
  pen.fillStyle = "rgb(8 10 14 / .62)";
  pen.fillRect(0, 0, video.width, video.height);
  const path = outlineOf(record, video.height);
  if (!path) return;
  pen.save(); // or what is drawn next would be clipped by this outline too
  pen.clip(path, "evenodd");
  pen.drawImage(app.frames.get(usable), 0, 0, video.width, video.height);
  pen.restore();
}

// The binary mask message: one frame's masks and scores, little endian.

const HEAD = 20;
const RECORD = 32;

/** Read one message out of a DataView; counts are views, not copies. */
export function readMessage(view) {
  if (view.getUint8(0) !== 1 || view.getUint8(1) !== 1) throw new Error("this page is older than its server: reload it");
  const number = view.getUint16(2, true);
  const message = {
    frame: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    width: view.getUint32(12, true),
    height: view.getUint32(16, true),
    records: [],
  };
  for (let n = 0, at = HEAD; n < number; n++) {
    const length = view.getUint32(at + 28, true);
    const flags = view.getUint32(at + 24, true);
    const area = view.getUint32(at + 12, true);
    const box = [16, 18, 20, 22].map((offset) => view.getUint16(at + offset, true));
    message.records.push({
      object: view.getUint32(at, true),
      iou: view.getFloat32(at + 4, true),
      occlusion: view.getFloat32(at + 8, true),
      area,
      box: area ? box : null,
      prompted: Boolean(flags & 1),
      outdated: Boolean(flags & 2),
      counts: length ? new Uint8Array(view.buffer, view.byteOffset + at + RECORD, length).slice() : null,
    });
    at += RECORD + Math.ceil(length / 4) * 4;
  }
  return message;
}

/** A bulk answer: messages, each after its length. */
export function* readBulk(buffer) {
  const view = new DataView(buffer);
  for (let at = 0; at + 4 <= view.byteLength; ) {
    const length = view.getUint32(at, true);
    yield readMessage(new DataView(buffer, at + 4, length));
    at += 4 + length;
  }
}

// Notes in the studio's page when masks come and when they are on the canvas. Times are the page's, in ms.
(() => {
  const notes = { pressed: 0, answers: 0, pictures: [], arrived: [], drawn: [] };
  window.measured = notes;
  addEventListener("pointerdown", (event) => (notes.pressed = event.timeStamp), true);

  const seen = new WeakSet();
  const playhead = () => Number(document.querySelector(".clock input")?.value ?? -1);

  // A message comes after the turn of the page that draws: by then the frame is painted.
  function whenPainted(list) {
    const frame = playhead();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => list.push({ frame, at: performance.now() });
    port2.postMessage(null);
  }

  function isNew(pen, thing) {
    if (pen.canvas.id !== "stage" || seen.has(thing)) return false;
    seen.add(thing);
    return true;
  }

  const { fill, drawImage } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fill = function (path, ...rest) {
    // A mask is filled with its object's colour, #rrggbb; the outline under the pointer with a faint white.
    if (path instanceof Path2D && this.fillStyle.startsWith?.("#") && isNew(this, path)) whenPainted(notes.drawn);
    return fill.call(this, path, ...rest);
  };
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {
    if (image instanceof ImageBitmap && isNew(this, image)) whenPainted(notes.pictures);
    return drawImage.call(this, image, ...rest);
  };

  const ask = window.fetch;
  window.fetch = async (address, ...rest) => {
    const answer = await ask(address, ...rest);
    if (/\/prompts$/.test(address)) notes.answers++;
    return answer;
  };

  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string") return;
        notes.arrived.push({ frame: new DataView(data).getUint32(4, true), at: performance.now() });
      });
    }
  };
})();

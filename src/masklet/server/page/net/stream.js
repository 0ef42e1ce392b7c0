// The session's socket: it reconnects by itself, and frames of masks are acknowledged when taken.

import { stream as address } from "./api.js";
import { readMessage } from "../core/message.js";

const FIRST_WAIT = 400;
const LONGEST_WAIT = 6000;
const HEARTBEAT = 15000;
const WINDOW = 16; // masks that may be under way
const ACKNOWLEDGED = 4; // of them, by one answer

/**
 * Open a stream. `on` has: state(connected), session(session), masks(message), run(run), export(job),
 * gone(reason). Returns close().
 */
export function openStream(sid, on) {
  let socket = null;
  let wait = FIRST_WAIT;
  let timer = 0;
  let beat = 0;
  let answered = true;
  let closed = false;

  function connect() {
    clearTimeout(timer);
    socket = new WebSocket(address(sid, WINDOW));
    socket.binaryType = "arraybuffer";
    socket.onmessage = receive;
    socket.onclose = (event) => lost(event.code);
  }

  function receive({ data }) {
    answered = true;
    if (typeof data !== "string") {
      const message = readMessage(new DataView(data));
      on.masks(message);
      // One for several: each costs both sides, and the server waits for none before its window is full.
      if (message.sequence % ACKNOWLEDGED === 0) socket.send(JSON.stringify({ type: "ack", sequence: message.sequence }));
      return;
    }
    const told = JSON.parse(data);
    if (told.type === "hello") {
      wait = FIRST_WAIT;
      on.state(true);
      on.session(told.session, true);
      clearInterval(beat);
      beat = setInterval(knock, HEARTBEAT);
    } else if (told.type === "session") on.session(told.session, false);
    else if (told.type === "run") on.run(told.run);
    else if (told.type === "export") on.export(told.export);
    else if (told.type === "bye" && told.reason === "deleted") stop(() => on.gone("This work was deleted."));
  }

  // A connection can die without a word: no answer to a knock means it is gone.
  function knock() {
    if (!answered) return socket.close();
    answered = false;
    socket.send(JSON.stringify({ type: "ping" }));
  }

  function lost(code) {
    clearInterval(beat);
    if (closed) return;
    if (code === 4404) return stop(() => on.gone("This work is not on the server any more."));
    if (code === 4401) return stop(() => on.gone("token"));
    on.state(false);
    timer = setTimeout(connect, wait * (0.7 + Math.random() * 0.6));
    wait = Math.min(LONGEST_WAIT, wait * 1.7);
  }

  function stop(then) {
    closed = true;
    clearTimeout(timer);
    clearInterval(beat);
    removeEventListener("online", connectNow);
    socket?.close();
    then?.();
  }

  const connectNow = () => socket.readyState > WebSocket.OPEN && !closed && connect();
  addEventListener("online", connectNow);
  connect();
  return stop;
}

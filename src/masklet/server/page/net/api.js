// The only module that knows the server's addresses.

/** A refusal by the server: code and message are its own. `offline` when no answer came at all. */
export class ApiError extends Error {
  constructor(code, message, status) {
    super(message);
    Object.assign(this, { code, status });
  }
  get offline() {
    return this.code === "offline";
  }
}

async function ask(method, path, { json, body, signal, answer = "json", keepalive = false } = {}) {
  const headers = json === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method, headers, signal, keepalive, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("offline", "The server does not answer", 0);
  }
  if (!response.ok) throw await refusal(response);
  if (response.status === 204) return null;
  return answer === "json" ? response.json() : response.arrayBuffer();
}

async function refusal(response) {
  const told = await response.json().catch(() => null);
  const { code, message } = told?.error ?? {};
  return new ApiError(code ?? "internal", message ?? `The server answered ${response.status}`, response.status);
}

const at = (sid) => `/api/sessions/${encodeURIComponent(sid)}`;
const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const info = () => ask("GET", "/api/info");
export const gallery = () => ask("GET", "/api/gallery");
export const galleryPicture = (key) => `/api/gallery/${encodeURIComponent(key)}/thumbnail`;
export const openGallery = (key) => ask("POST", `/api/gallery/${encodeURIComponent(key)}/open`);
export const sessions = () => ask("GET", "/api/sessions");
export const videos = () => ask("GET", "/api/videos");
export const times = (vid) => ask("GET", `/api/videos/${vid}/times`);
export const frameAddress = (vid, frame, height) => `/api/videos/${vid}/frames/${frame}${query({ height })}`;
export const videoFile = (vid) => `/api/videos/${vid}/file`;

export const createSession = (video, name) => ask("POST", "/api/sessions", { json: { video, name } });
export const session = (sid) => ask("GET", at(sid));
/** Name and look of a work; and its effects. Both arrive although the page is being left. */
export const changeSession = (sid, patch, keepalive = false) => ask("PATCH", at(sid), { json: patch, keepalive });
export const setEffects = (sid, effects, keepalive = false) => ask("PUT", `${at(sid)}/effects`, { json: effects, keepalive });
/** Delete work; an uploaded video goes with the last work on it, or nothing would lead to it any more. */
export const deleteSession = (sid) => ask("DELETE", `${at(sid)}?upload=true`);
export const workFile = (sid) => `${at(sid)}/file`;
export const restore = (video, file, name) => ask("POST", `/api/sessions/restore${query({ video, name })}`, { body: file });

export const changeObject = (sid, object, patch) => ask("PATCH", `${at(sid)}/objects/${object}`, { json: patch });
export const deleteObject = (sid, object) => ask("DELETE", `${at(sid)}/objects/${object}`);
export const prompt = (sid, body) => ask("POST", `${at(sid)}/prompts`, { json: body });
export const preview = (sid, body, signal) => ask("POST", `${at(sid)}/preview`, { json: body, signal });
export const choose = (sid, body) => ask("POST", `${at(sid)}/choose`, { json: body });
export const pin = (sid, body) => ask("POST", `${at(sid)}/pin`, { json: body });
export const clear = (sid, body) => ask("POST", `${at(sid)}/clear`, { json: body });
export const undo = (sid) => ask("POST", `${at(sid)}/undo`);
export const redo = (sid) => ask("POST", `${at(sid)}/redo`);
export const importMasks = (sid, frame, object, file) => ask("POST", `${at(sid)}/masks${query({ frame, object })}`, { body: file });

export const masks = (sid, start, stop) => ask("GET", `${at(sid)}/masks${query({ start, stop })}`, { answer: "bytes" });
export const scores = (sid, start, stop) => ask("GET", `${at(sid)}/masks${query({ start, stop, counts: 0 })}`, { answer: "bytes" });

export const track = (sid, run) => ask("POST", `${at(sid)}/track`, { json: run });
export const steer = (sid, verb) => ask("POST", `${at(sid)}/track/${verb}`);
export const stream = (sid, window) => `${location.origin.replace(/^http/, "ws")}${at(sid)}/stream${query({ window })}`;

export const createExport = (sid, job) => ask("POST", `${at(sid)}/exports`, { json: job });
export const exports = (sid) => ask("GET", `${at(sid)}/exports`);
export const exportFile = (id) => `/api/exports/${id}/file`;
export const dropExport = (id) => ask("DELETE", `/api/exports/${id}`);

const projectAt = (key) => `/api/projects/${encodeURIComponent(key)}`;
const task = (key, masklet, verb) => `${projectAt(key)}/tasks/${masklet}/${verb}`;
export const projects = () => ask("GET", "/api/projects");
export const project = (key) => ask("GET", `${projectAt(key)}${query({ ahead: -new Date().getTimezoneOffset() })}`);
export const projectPicture = (key, video) => `${projectAt(key)}/videos/${video}/thumbnail`;
export const claimTask = (key, wanted) => ask("POST", `${projectAt(key)}/tasks`, { json: wanted });
export const addMasklet = (key, person, video) => ask("POST", `${projectAt(key)}/masklets`, { json: { person, video } });
export const renewTask = (key, masklet, person, duty = "verify") => ask("POST", task(key, masklet, "renew"), { json: { person, duty } });
// These arrive although the page is being left.
export const releaseTask = (key, masklet, person) => ask("POST", task(key, masklet, "release"), { json: { person }, keepalive: true });
export const judge = (key, masklet, verdict) => ask("POST", task(key, masklet, "verdict"), { json: verdict, keepalive: true });
export const submitTask = (key, masklet, round) => ask("POST", task(key, masklet, "submit"), { json: round, keepalive: true });
export const maskletMasks = (key, masklet, range) => ask("GET", `${projectAt(key)}/masklets/${masklet}/masks${query(range)}`, { answer: "bytes" });

/** Send a file as a new video; `onProgress` gets 0…1. Aborts with `signal`. */
export function upload(file, onProgress, signal) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/videos${query({ name: file.name })}`);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => fail(new ApiError("offline", "The upload broke off: the server does not answer. Try again.", 0));
    request.onabort = () => fail(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      let told = null;
      try {
        told = JSON.parse(request.responseText);
      } catch {
        // An answer that is not JSON is told by its status below.
      }
      if (request.status < 300 && told) done(told);
      else fail(new ApiError(told?.error?.code ?? "internal", told?.error?.message ?? `The server answered ${request.status}`, request.status));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

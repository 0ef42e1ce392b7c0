// What a person did, on its way to the server: in order, one at a time, and kept while there is no answer.

const WAITS = [400, 800, 1500, 3000, 5000];

/**
 * send()      does it, and gives the answer
 * done(at)    asks whether an attempt without an answer did arrive after all; gives that answer or null
 */
export function createOutbox({ onChange, onError }) {
  const waiting = [];
  let busy = false;
  let wake = null;

  const pause = (milliseconds) =>
    new Promise((go) => {
      wake = go;
      setTimeout(go, milliseconds);
    });

  async function deliver(job) {
    for (let attempt = 0; ; attempt++) {
      try {
        const already = attempt > 0 && job.done ? await job.done() : null;
        return already ?? (await job.send());
      } catch (error) {
        const later = error.offline || error.code === "rate" || error.code === "busy" || error.code === "draining";
        if (!later || job.dropped) throw error;
        onChange({ waiting: waiting.length, lost: Boolean(error.offline) });
        await pause(WAITS[Math.min(attempt, WAITS.length - 1)]);
      }
    }
  }

  async function work() {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      const job = waiting[0];
      onChange({ waiting: waiting.length, lost: false });
      try {
        job.resolve(await deliver(job));
      } catch (error) {
        onError(error, job);
        job.resolve(null);
      }
      waiting.shift();
    }
    busy = false;
    onChange({ waiting: 0, lost: false });
  }

  return {
    /** Resolves with the answer, or null when the server refused (onError was told then). */
    add(send, { done = null, what = "" } = {}) {
      return new Promise((resolve) => {
        waiting.push({ send, done, what, resolve });
        work();
      });
    },
    get length() {
      return waiting.length;
    },
    retry: () => wake?.(),
    drop() {
      waiting.forEach((job) => (job.dropped = true));
      wake?.();
    },
  };
}

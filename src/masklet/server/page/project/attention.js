// How long a person has been at it: pauses count up to a limit, whoever is away for longer is away.

const MOST = 120; // seconds that a pause counts at most, as everywhere in the data engine

export function createAttention(now = () => performance.now() / 1000) {
  let spent = 0;
  let last = now();
  const note = () => {
    const at = now();
    spent += Math.min(at - last, MOST);
    last = at;
  };
  return {
    /** A sign of life. */
    note,
    /** What passed since the last sign was not theirs. */
    skip() {
      last = now();
    },
    begin(already = 0) {
      spent = already;
      last = now();
    },
    seconds() {
      note();
      return spent;
    },
    idle: () => now() - last,
  };
}

// What masklets may be, in the words and the order of the page.

export const STATUSES = [
  { name: "satisfactory", label: "Satisfactory", about: "verified" },
  { name: "submitted", label: "To review", about: "handed in" },
  { name: "unsatisfactory", label: "To refine", about: "sent back" },
  { name: "open", label: "Open", about: "begun" },
  { name: "rejected", label: "Rejected", about: "never asked about again" },
];

export const total = (statuses) => STATUSES.reduce((sum, { name }) => sum + (statuses[name] ?? 0), 0);

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const share = (part, digits = 0) => (part === null || part === undefined ? "–" : `${(100 * part).toFixed(digits)} %`);

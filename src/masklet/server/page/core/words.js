// Numbers, and what the server says of itself, as people read them.

export function clock(seconds) {
  const whole = Math.max(0, seconds);
  const minutes = Math.floor(whole / 60);
  const rest = (whole - minutes * 60).toFixed(2).padStart(5, "0");
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function bytes(number) {
  const unit = ["B", "KB", "MB", "GB"];
  let place = 0;
  for (; number >= 1000 && place < 3; place++) number /= 1000;
  return `${number.toFixed(place && number < 10 ? 1 : 0)} ${unit[place]}`;
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

export function ago(iso) {
  const minutes = (Date.now() - new Date(iso).getTime()) / 60000;
  if (!(minutes >= 1)) return "just now";
  if (minutes < 60) return `${Math.floor(minutes)} min ago`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** Who answers the clicks. */
export const modelOf = ({ model, device }) => (model ? `Model: ${model}, on ${device}` : "The model is being opened …");

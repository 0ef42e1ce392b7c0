// COCO run-length encoding: runs alternate background and object, column by column.

const CODE = 48;

/** Compressed bytes → run lengths. */
export function runsOf(bytes) {
  const runs = [];
  let place = 0;
  while (place < bytes.length) {
    let value = 0;
    let shift = 0;
    let digit;
    do {
      digit = bytes[place++] - CODE;
      value |= (digit & 31) << shift;
      shift += 5;
    } while (digit & 32 && place < bytes.length);
    if (digit & 16 && shift < 32) value |= -1 << shift;
    // From the fourth run on, the code holds the difference to the run two before.
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

/** Run lengths → compressed bytes. */
export function bytesOf(runs) {
  const bytes = [];
  runs.forEach((run, place) => {
    let value = place > 2 ? run - runs[place - 2] : run;
    for (let more = true; more; ) {
      const digit = value & 31;
      value >>= 5;
      more = digit & 16 ? value !== -1 : value !== 0;
      bytes.push(digit + (more ? 32 : 0) + CODE);
    }
  });
  return Uint8Array.from(bytes);
}

/** What lies in [x0, y0, x1, y1) as 0/1, row by row. */
export function raster(runs, height, [x0, y0, x1, y1]) {
  const width = x1 - x0;
  const pixels = new Uint8Array(width * (y1 - y0));
  let at = 0;
  runs.forEach((run, place) => {
    const end = at + run;
    if (place % 2 && run) {
      for (let n = at; n < end; ) {
        const x = Math.floor(n / height);
        const stop = Math.min(end, (x + 1) * height);
        if (x >= x0 && x < x1) {
          const from = Math.max(n - x * height, y0);
          const to = Math.min(stop - x * height, y1);
          for (let y = from, p = (from - y0) * width + x - x0; y < to; y++, p += width) pixels[p] = 1;
        }
        n = stop;
      }
    }
    at = end;
  });
  return pixels;
}

/** 0/1 pixels of a whole frame, row by row → run lengths. */
export function runsOfRaster(pixels, width, height) {
  const runs = [];
  let value = 0;
  let length = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0, p = x; y < height; y++, p += width) {
      if (pixels[p] === value) length++;
      else {
        runs.push(length);
        value = pixels[p];
        length = 1;
      }
    }
  }
  runs.push(length);
  return runs;
}

/** Box [x0, y0, x1, y1) and area of run lengths; box null when empty. */
export function extent(runs, height) {
  let [x0, y0, x1, y1, area, at] = [Infinity, Infinity, -1, -1, 0, 0];
  runs.forEach((run, place) => {
    if (place % 2 && run) {
      area += run;
      const first = Math.floor(at / height);
      const last = Math.floor((at + run - 1) / height);
      x0 = Math.min(x0, first);
      x1 = Math.max(x1, last + 1);
      y0 = first === last ? Math.min(y0, at - first * height) : 0;
      y1 = first === last ? Math.max(y1, at + run - first * height) : height;
    }
    at += run;
  });
  return { area, box: area ? [x0, y0, x1, y1] : null };
}

export const bytesOfText = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
export const textOfBytes = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

// Zoom and pan as a value { scale, x, y }: a picture's point p is drawn at p × scale + (x, y).

export const NEAREST = 32; // screen pixels a picture's pixel at most

/** The whole picture, in the middle, with a margin. */
export function fitted(video, width, height, margin = 20) {
  const scale = Math.max(0.01, Math.min((width - 2 * margin) / video.width, (height - 2 * margin) / video.height));
  return { scale, x: (width - video.width * scale) / 2, y: (height - video.height * scale) / 2 };
}

/** Zoom so that the point under (px, py) stays where it is. */
export function zoomed(view, factor, px, py, least) {
  const scale = Math.min(NEAREST, Math.max(least, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio };
}

/** Keep some of the picture in sight. */
export function held(view, video, width, height, rest = 60) {
  return {
    scale: view.scale,
    x: Math.min(width - rest, Math.max(rest - video.width * view.scale, view.x)),
    y: Math.min(height - rest, Math.max(rest - video.height * view.scale, view.y)),
  };
}

export const toPicture = (view, px, py) => [(px - view.x) / view.scale, (py - view.y) / view.scale];
export const toScreen = (view, x, y) => [x * view.scale + view.x, y * view.scale + view.y];

/** Put a point inside the frame: whole pixels count from their top-left corner. */
export function inside(video, [x, y]) {
  return [Math.min(video.width - 0.01, Math.max(0, x)), Math.min(video.height - 0.01, Math.max(0, y))];
}

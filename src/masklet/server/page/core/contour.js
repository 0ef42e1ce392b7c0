// From a raster to smooth outlines: so masks stay crisp at every zoom, and clip any effect.

const STEP_X = [1, 0, -1, 0];
const STEP_Y = [0, 1, 0, -1];

/**
 * Closed polygons around the set pixels, object on the right of the way, holes the other way round.
 * The corners are the middles of pixel edges, which turns stairs into slopes; straight runs are left out.
 */
export function outlines(pixels, width, height, left = 0, top = 0) {
  const is = (x, y) => x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x] === 1;
  const walked = new Uint8Array(width * height);
  const polygons = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (pixels[at] && !walked[at] && !(y > 0 && pixels[at - width])) {
        polygons.push(follow(is, walked, width, x, y, left, top));
      }
    }
  }
  return polygons;
}

function follow(is, walked, width, startX, startY, left, top) {
  const points = [];
  let [x, y, way, before] = [startX, startY, 0, -1];
  do {
    if (way === 0) walked[y * width + x] = 1;
    const next = turn(is, x + STEP_X[way], y + STEP_Y[way], way);
    if (way !== before || next !== way) {
      points.push(left + x + STEP_X[way] / 2, top + y + STEP_Y[way] / 2);
    }
    x += STEP_X[way];
    y += STEP_Y[way];
    before = way;
    way = next;
  } while (x !== startX || y !== startY || way !== 0);
  return points;
}

/** Which way to go on from a corner: two pixels that touch by a corner only are two pieces. */
function turn(is, x, y, way) {
  const right = is(x - (way === 1 || way === 2), y - (way === 2 || way === 3));
  const ahead = is(x - (way === 2 || way === 3), y - (way === 0 || way === 3));
  if (!right) return (way + 1) % 4;
  return ahead ? (way + 3) % 4 : way;
}

/** Polygons → one Path2D, to be filled by the even-odd rule. */
export function pathOf(polygons) {
  const path = new Path2D();
  for (const points of polygons) {
    path.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) path.lineTo(points[i], points[i + 1]);
    path.closePath();
  }
  return path;
}

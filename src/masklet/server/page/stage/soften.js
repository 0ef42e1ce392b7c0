// Canvases made from a frame's picture: blurred, in blocks, or with objects filled from around them.

function sheet(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  return [canvas, pen];
}

/** Draw smaller in halves: each pixel becomes a true mean. */
function shrunk(image, width, height) {
  let [w, h, from] = [image.width, image.height, image];
  while (w / 2 >= width && h / 2 >= height) {
    [w, h] = [w / 2, h / 2];
    const [half, pen] = sheet(w, h);
    pen.drawImage(from, 0, 0, half.width, half.height);
    from = half;
  }
  const [small, pen] = sheet(width, height);
  pen.drawImage(from, 0, 0, small.width, small.height);
  return small;
}

/** Blurred by a Gaussian of `sigma` pixels of the video; may be smaller than the video. */
export function blurred(image, video, sigma) {
  const shrink = Math.max(video.width / image.width, sigma / 5, 1);
  const small = shrunk(image, video.width / shrink, video.height / shrink);
  const [soft, pen] = sheet(small.width, small.height);
  const radius = sigma / shrink;
  if ("filter" in pen) {
    // The edge is drawn three times its size first, or the blur would fade into nothing there.
    pen.filter = `blur(${radius}px)`;
    pen.drawImage(small, -radius * 2, -radius * 2, small.width + radius * 4, small.height + radius * 4);
    pen.drawImage(small, 0, 0);
    return soft;
  }
  const smaller = shrunk(small, small.width / (radius + 1), small.height / (radius + 1));
  pen.drawImage(smaller, 0, 0, soft.width, soft.height);
  return soft;
}

/** One pixel for each block of `side` pixels of the video, blocks counted from the top-left corner. */
export function blocks(image, video, side) {
  const [columns, rows] = [Math.ceil(video.width / side), Math.ceil(video.height / side)];
  const scale = image.width / video.width;
  const [padded, pen] = sheet(columns * side * scale, rows * side * scale);
  pen.drawImage(image, 0, 0);
  return shrunk(padded, columns, rows);
}

/** The frame with the path's inside filled smoothly from what surrounds it. */
export function filled(image, video, path) {
  const scale = Math.min(1, 480 / Math.max(video.width, video.height));
  const [hollow, pen] = sheet(video.width * scale, video.height * scale);
  pen.drawImage(image, 0, 0, hollow.width, hollow.height);
  pen.globalCompositeOperation = "destination-out";
  pen.scale(scale, scale);
  pen.fill(path, "evenodd");
  // A wider rim, so that the object's own edge does not bleed into the filling.
  pen.lineWidth = 6 / scale;
  pen.stroke(path);
  const levels = [hollow];
  while (levels.at(-1).width > 2 && levels.at(-1).height > 2) {
    const last = levels.at(-1);
    const [next, draw] = sheet(last.width / 2, last.height / 2);
    draw.drawImage(last, 0, 0, next.width, next.height);
    levels.push(next);
  }
  return levels.reverse().reduce((coarse, fine) => {
    const [merged, draw] = sheet(fine.width, fine.height);
    draw.drawImage(coarse, 0, 0, merged.width, merged.height);
    draw.drawImage(fine, 0, 0);
    return merged;
  });
}

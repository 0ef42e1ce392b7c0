// Runs in the page: controls without a name, and text whose contrast with its ground is below 4.5 to 1.
(() => {
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const nameOf = (element) =>
    element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent.trim() || element.title;
  const controls = [...document.querySelectorAll("button, input:not(#file), select, [role=slider]")].filter(seen);
  const nameless = controls.filter((one) => !nameOf(one)).map((one) => one.outerHTML.slice(0, 120));
  const numbers = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a / 255 };
  };
  const light = (rgb) =>
    rgb
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = numbers(getComputedStyle(at).backgroundColor);
      if (alpha > 0.85) return rgb;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter(
    (one) => seen(one) && !one.disabled && !one.closest(":disabled, .unseen, .skip") && [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()),
  );
  const faint = texts
    .map((one) => {
      const [a, b] = [light(numbers(getComputedStyle(one).color).rgb), light(ground(one))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), one.textContent.trim().slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
  return { nameless, faint, seen: texts.length + controls.length };
})();

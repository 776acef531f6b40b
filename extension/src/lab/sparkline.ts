/** A loss as a line of a few pixels. */

const WIDTH = 72;
const HEIGHT = 20;
const MARGIN = 2;

/** Return the path of a curve, `M` where it begins anew after a gap. */
export function pathOf(curve: readonly (number | null)[], width = WIDTH, height = HEIGHT): string {
  const known = curve.filter((value): value is number => value !== null);
  if (!known.length) return "";
  const low = Math.min(...known);
  const high = Math.max(...known);
  const x = (i: number): number => MARGIN + (i / Math.max(curve.length - 1, 1)) * (width - 2 * MARGIN);
  const y = (value: number): number => MARGIN + (1 - (value - low) / (high - low || 1)) * (height - 2 * MARGIN);
  let joined = false;
  return curve
    .map((value, i) => {
      const letter = joined ? "L" : "M";
      joined = value !== null;
      return value === null ? "" : `${letter}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join("");
}

/** Make the drawing of a curve, which `draw` fills again. */
export function sparkline(): { element: SVGSVGElement; draw: (curve: readonly (number | null)[], words: string) => void } {
  const space = "http://www.w3.org/2000/svg";
  const element = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  element.setAttribute("class", "maasnb-spark");
  element.setAttribute("role", "img");
  element.append(line);
  return {
    element,
    draw: (curve, words) => {
      const path = pathOf(curve);
      if (line.getAttribute("d") !== path) line.setAttribute("d", path);
      element.setAttribute("aria-label", words);
    },
  };
}

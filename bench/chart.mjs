// Draws the ratios of all cases as an SVG chart.

import { BASELINE } from './contenders.mjs';
import { figuresOf } from './figures.mjs';

const WIDTH = 880;
const LABEL_WIDTH = 286;
const VALUE_WIDTH = 60;
const BAR_HEIGHT = 13;
const BAR_GAP = 3;
const GROUP_GAP = 16;
const HEADER_HEIGHT = 104;
const FOOTER_HEIGHT = 62;

/** @typedef {{ title: string, ratios: Map<string, number> }} Group */

/**
 * Draws a run.
 *
 * @param {object} run What was measured
 * @param {import('./cases.mjs').Case[]} run.cases The cases
 * @param {{ id: string, name: string }[]} run.contenders The contenders
 * @param {Map<string, Map<string, import('./figures.mjs').Summary>>} run.summaries By case and
 *   contender
 * @param {string} run.caption The line below the chart
 * @param {'light' | 'dark'} [run.theme] Its colours; if not given, those of the reader's system
 * @return {string | undefined} An SVG document; `undefined` where there is nothing to compare
 */
export function drawChart({ cases, contenders, summaries, caption, theme }) {
  const shown = contenders.filter(({ id }) => id !== BASELINE);
  /** @type {Group[]} */
  const groups = cases.map((which) => {
    const [{ key }] = figuresOf(which);
    const ratios = new Map();
    for (const { id } of shown) {
      const ratio = summaries.get(which.id)?.get(id)?.ratios[key]?.median;
      if (ratio > 0) ratios.set(id, ratio);
    }
    return { title: which.title, ratios };
  });
  const all = groups.flatMap(({ ratios }) => [...ratios.values()]);
  if (all.length === 0) return undefined;

  const scale = logarithmicScale(Math.min(...all), Math.max(...all));
  let bottom = HEADER_HEIGHT;
  const drawn = groups.map((group) => {
    const top = bottom;
    bottom += group.ratios.size * (BAR_HEIGHT + BAR_GAP) + GROUP_GAP;
    return drawGroup(group, scale, top);
  });
  const parts = [
    drawHeader(shown.filter(({ id }) => groups.some(({ ratios }) => ratios.has(id)))),
    drawGrid(scale, bottom),
    ...drawn,
    text(24, bottom + 44, caption, 'note')
  ];
  return document(bottom + FOOTER_HEIGHT, parts, theme);
}

/**
 * @typedef {object} Scale
 * @property {(ratio: number) => number} x Where a ratio lies
 * @property {number[]} ticks Powers of two
 */

/**
 * A scale on which twice as good and half as good are equally far from 1.
 *
 * @param {number} min The smallest ratio
 * @param {number} max The largest
 * @return {Scale} The scale
 */
function logarithmicScale(min, max) {
  const first = Math.min(-1, Math.floor(Math.log2(min)));
  const last = Math.max(1, Math.ceil(Math.log2(max)));
  const left = LABEL_WIDTH + VALUE_WIDTH;
  const step = (WIDTH - VALUE_WIDTH - left) / (last - first);
  return {
    x: (ratio) => left + (Math.log2(ratio) - first) * step,
    ticks: Array.from({ length: last - first + 1 }, (_, index) => 2 ** (first + index))
  };
}

/**
 * Title and legend.
 *
 * @param {{ id: string, name: string }[]} shown The contenders with bars
 * @return {string} SVG
 */
function drawHeader(shown) {
  const parts = [
    text(24, 34, 'WebSocket servers, compared with ws + bufferutil', 'title'),
    text(
      24,
      56,
      'Throughput by case; memory in the case of idle connections. Right is better.',
      'note'
    )
  ];
  let x = 24;
  for (const { id, name } of shown) {
    parts.push(
      `<rect class="${className(id)}" x="${x}" y="70" width="12" height="12" rx="2"/>`,
      text(x + 18, 80, name, 'legend')
    );
    x += 42 + name.length * 7;
  }
  return parts.join('\n');
}

/**
 * Lines for the powers of two.
 *
 * @param {Scale} scale The scale
 * @param {number} bottom Where they end
 * @return {string} SVG
 */
function drawGrid(scale, bottom) {
  return scale.ticks
    .map((ratio) => {
      const x = round(scale.x(ratio));
      const label = ratio < 1 ? `1/${1 / ratio}` : `${ratio}`;
      const kind = ratio === 1 ? 'base' : 'grid';
      return (
        `<line class="${kind}" x1="${x}" x2="${x}" y1="${HEADER_HEIGHT - 6}" y2="${bottom}"/>\n` +
        text(x, bottom + 16, `${label}×`, 'tick')
      );
    })
    .join('\n');
}

/**
 * The bars of a case.
 *
 * @param {Group} group The case
 * @param {Scale} scale The scale
 * @param {number} top Where it begins
 * @return {string} SVG
 */
function drawGroup(group, scale, top) {
  const middle = top + (group.ratios.size * (BAR_HEIGHT + BAR_GAP)) / 2;
  const parts = wrap(group.title).map((line, index, lines) =>
    text(LABEL_WIDTH, middle + 3 + (index - (lines.length - 1) / 2) * 15, line, 'label')
  );
  const base = scale.x(1);
  [...group.ratios].forEach(([id, ratio], index) => {
    const y = top + index * (BAR_HEIGHT + BAR_GAP);
    const end = scale.x(ratio);
    const x = round(Math.min(base, end));
    const width = round(Math.max(1, Math.abs(end - base)));
    parts.push(
      `<rect class="${className(id)}" x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
      ratio < 1
        ? text(end - 5, y + 10.5, `${ratio.toFixed(2)}×`, 'value below')
        : text(end + 5, y + 10.5, `${ratio.toFixed(2)}×`, 'value')
    );
  });
  return parts.join('\n');
}

/**
 * Breaks a title into lines that fit the column of labels.
 *
 * @param {string} title The title
 * @return {string[]} Lines
 */
function wrap(title) {
  const lines = [''];
  for (const word of title.split(' ')) {
    const line = lines[lines.length - 1];
    if (line.length + word.length > 42) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}

/**
 * @param {number} x Where it begins, or as its class aligns it
 * @param {number} y Its base line
 * @param {string} content What it says
 * @param {string} classes Its classes
 * @return {string} SVG
 */
function text(x, y, content, classes) {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${classes}" x="${round(x)}" y="${round(y)}">${escaped}</text>`;
}

/**
 * @param {string} id A contender
 * @return {string} The class of its bars
 */
function className(id) {
  return `bar ${id.replace(/\W/g, '-')}`;
}

/**
 * @param {number} value A coordinate
 * @return {number} The same, short
 */
function round(value) {
  return Math.round(value * 10) / 10;
}

const LIGHT = `svg { --paper: #ffffff; --ink: #1f2328; --soft: #656d76; --line: #d8dee4;
  --ws: #8c959f; --oxws: #c2410c; --against: #e0a370; --bun: #0e7490; }`;
const DARK = `svg { --paper: #0d1117; --ink: #e6edf3; --soft: #8d96a0; --line: #30363d;
  --ws: #6e7681; --oxws: #f9844a; --against: #8a5a3a; --bun: #3bb3c9; }`;

/**
 * Frames the parts.
 *
 * @param {number} height The height
 * @param {string[]} parts SVG
 * @param {'light' | 'dark'} [theme] The colours; if not given, those of the reader's system
 * @return {string} The document
 */
function document(height, parts, theme) {
  const both = `${LIGHT}\n@media (prefers-color-scheme: dark) {\n${DARK}\n}`;
  const colours = theme === undefined ? both : { light: LIGHT, dark: DARK }[theme];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>WebSocket servers, compared with ws + bufferutil</title>
<style>
${colours}
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--ink); }
.title { font-size: 18px; font-weight: 600; }
.note, .tick { fill: var(--soft); }
.tick { text-anchor: middle; }
.label, .below { text-anchor: end; }
.value { font-size: 11px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.base { stroke: var(--soft); stroke-width: 1.5; }
.ws { fill: var(--ws); }
.oxws { fill: var(--oxws); }
.against { fill: var(--against); }
.bun, .bun-ws { fill: var(--bun); }
.oxws-loop, .oxws-tokio { fill: var(--oxws); }
.bun-ws, .oxws-tokio { opacity: 0.6; }
</style>
<rect width="100%" height="100%" fill="var(--paper)"/>
${parts.join('\n')}
</svg>
`;
}

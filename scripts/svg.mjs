/** The screen of a terminal as SVG: one text per run of equal looks, blocks and rules as shapes so that they join. */

const [WIDTH, HEIGHT, SIZE, PAD] = [8.4, 18, 14, 14];
const BASELINE = 13.5;
const BACK = '#15191f';
const FORE = '#d3d7de';
const PALETTE = [
  ...['#3b4252', '#ff6b6b', '#7bd88f', '#ffd166', '#6ea8fe', '#d59bf6', '#5fd7e5', '#d3d7de'],
  ...['#6b7486', '#ff8f8f', '#a0ecae', '#ffe08f', '#96c2ff', '#e5bdff', '#8ceaf5', '#ffffff'],
];
const FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** The active buffer of an xterm terminal; `title` is what a screen reader says. */
export function svgOf(terminal, title) {
  const { cols, rows } = terminal;
  const shapes = [];
  const texts = [];
  for (let y = 0; y < rows; y += 1) {
    for (const run of runsOf(terminal, y)) {
      if (run.back !== undefined) shapes.push(rect(run.x, y, run.width, 0, 1, run.back));
      if (run.underline) shapes.push(rect(run.x, y, run.width, 0.94, 0.06, run.fore));
      draw(run, y, shapes, texts);
    }
  }
  const [width, height] = [cols * WIDTH + 2 * PAD, rows * HEIGHT + 2 * PAD].map(short);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(title)}</title>`,
    `<style>text{font:${SIZE}px ${FONT};white-space:pre}.b{font-weight:bold}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACK}"/>`,
    `<g transform="translate(${PAD} ${PAD})" fill="${FORE}">`,
    ...shapes,
    ...texts,
    '</g>',
    '</svg>',
  ].join('\n')}\n`;
}

/** Cells of equal looks that touch. */
function runsOf(terminal, y) {
  const line = terminal.buffer.active.getLine(terminal.buffer.active.baseY + y);
  const runs = [];
  for (let x = 0; x < terminal.cols; x += 1) {
    const cell = line?.getCell(x);
    if (cell === undefined || cell.getWidth() === 0) continue;
    const look = lookOf(cell);
    const chars = cell.getChars() || ' ';
    const last = runs.at(-1);
    if (last?.id === look.id && last.wide === false && cell.getWidth() === 1) {
      last.text += chars;
      last.width += 1;
    } else runs.push({ ...look, x, text: chars, width: cell.getWidth(), wide: cell.getWidth() > 1 });
  }
  return runs;
}

function lookOf(cell) {
  let fore = cell.isFgDefault() ? FORE : colour(cell.getFgColor(), cell.isFgRGB());
  let back = cell.isBgDefault() ? undefined : colour(cell.getBgColor(), cell.isBgRGB());
  if (cell.isInverse()) [fore, back] = [back ?? BACK, fore];
  const bold = cell.isBold() !== 0;
  if (bold && fore === FORE) fore = '#ffffff';
  if (cell.isDim()) fore = mixed(fore, back ?? BACK);
  const underline = cell.isUnderline() !== 0;
  return { fore, back, bold, underline, id: `${fore} ${back} ${bold} ${underline}` };
}

function colour(value, rgb) {
  if (rgb) return `#${value.toString(16).padStart(6, '0')}`;
  if (value < 16) return PALETTE[value];
  if (value >= 232) return hex([0, 0, 0].fill(8 + 10 * (value - 232)));
  const levels = [0, 95, 135, 175, 215, 255];
  return hex([36, 6, 1].map((step) => levels[Math.floor((value - 16) / step) % 6]));
}

const hex = (parts) => `#${parts.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
const channels = (text) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));

/** Dim: three fifths of the way from the background. */
function mixed(fore, back) {
  const under = channels(back);
  return hex(channels(fore).map((part, i) => 0.6 * part + 0.4 * under[i]));
}

/** A run as text, its block characters and rules as shapes. */
function draw(run, y, shapes, texts) {
  if (run.wide) {
    texts.push(textOf(run, run.x, run.text, 2, y));
    return;
  }
  for (const { 0: part, index } of run.text.matchAll(/([─━])\1*|█+|[▀-▟]|[^─━▀-▟]+/gu)) {
    const [x, cells] = [run.x + index, part.length];
    if (/^[─━]/.test(part)) shapes.push(rect(x, y, cells, 0.5, part[0] === '━' ? 0.1 : 0.06, run.fore));
    else if (!/^[▀-▟]/.test(part) || block(part, x, y, cells, run.fore, shapes) === false) {
      const bare = part.trim();
      if (bare === '') continue;
      texts.push(textOf(run, x + part.length - part.trimStart().length, bare, bare.length, y));
    }
  }
}

/** Lower and left eighths, full block; false for the others, which stay text. */
function block(part, x, y, cells, fill, shapes) {
  const code = part.codePointAt(0);
  if (code >= 0x2581 && code <= 0x2588) {
    const high = (code - 0x2580) / 8;
    shapes.push(rect(x, y, cells, 1 - high, high, fill));
    return true;
  }
  if (code >= 0x2589 && code <= 0x258f) {
    shapes.push(rect(x, y, (0x2590 - code) / 8, 0, 1, fill));
    return true;
  }
  return false;
}

/** `top` and `high` in cells. */
function rect(x, y, cells, top, high, fill) {
  const [left, up] = [x * WIDTH, (y + top) * HEIGHT].map(short);
  return `<rect x="${left}" y="${up}" width="${short(cells * WIDTH)}" height="${short(high * HEIGHT)}" fill="${fill}"/>`;
}

function textOf({ fore, bold }, x, text, cells, y) {
  const attributes = [
    `x="${short(x * WIDTH)}" y="${short(y * HEIGHT + BASELINE)}"`,
    // Holds the grid whatever the font.
    `textLength="${short(cells * WIDTH)}"`,
    ...(bold ? ['class="b"'] : []),
    ...(fore === FORE ? [] : [`fill="${fore}"`]),
  ];
  return `<text ${attributes.join(' ')} xml:space="preserve">${escaped(text)}</text>`;
}

const short = (value) => Number(value.toFixed(2));
const escaped = (text) => text.replace(/[&<>"]/g, (char) => ESCAPES[char]);

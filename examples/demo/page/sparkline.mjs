// A line that shows how a figure went during the last minute.

const POINTS = 120;

/** Draws one figure on a canvas, in the text colour of the canvas. */
export class Sparkline {
  #canvas;
  #floor;
  #values = [];

  /**
   * @param {HTMLCanvasElement} canvas Where to draw
   * @param {number} floor The value that the top of the chart stands for at least
   */
  constructor(canvas, floor) {
    this.#canvas = canvas;
    this.#floor = floor;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /**
   * Adds a value and draws.
   *
   * @param {number} value The newest value
   */
  push(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    this.#draw();
  }

  /** The largest value on the chart. */
  get peak() {
    return Math.max(0, ...this.#values);
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = devicePixelRatio;
    this.#canvas.width = width * ratio;
    this.#canvas.height = height * ratio;
    const context = this.#canvas.getContext('2d');
    if (this.#values.length < 2 || width === 0) return;

    const top = Math.max(this.peak, this.#floor);
    const step = width / (POINTS - 1);
    const start = width - step * (this.#values.length - 1);
    const y = (value) => height - 2 - (value / top) * (height - 6);

    context.scale(ratio, ratio);
    context.strokeStyle = context.fillStyle = getComputedStyle(this.#canvas).color;
    context.lineWidth = 1.75;
    context.lineJoin = 'round';
    context.beginPath();
    this.#values.forEach((value, i) => {
      context.lineTo(start + i * step, y(value));
    });
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(start, height);
    context.globalAlpha = 0.14;
    context.fill();
  }
}

'use strict';
// A histogram of A's values and a scatter of A against B. A rectangle that is drawn over them, with the mouse or a finger,
// filters the examples, and so do the numbers below, which the keyboard reaches.

const BINS = 32;
const EDGE = { left: 38, right: 8, top: 8, bottom: 18 }; // pixels around a plot, for the numbers of its axes
const LEAST_DRAWN = 4; // pixels; less is a click, which takes the rectangle away

class Plots {
  constructor(parent, changed) {
    Object.assign(this, { parent, changed, shown: null });
    this.histogram = this.plot('histogram', ['a', null]);
    this.scatter = this.plot('scatter', ['a', 'b']);
    this.inputs = {};
    parent.replaceChildren(this.histogram.figure, this.scatter.figure, el('div', { className: 'ends' }, this.ends('a'), this.ends('b')));
    new ResizeObserver(() => this.draw()).observe(parent);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  plot(name, [x, y]) {
    const canvas = el('canvas', { role: 'img' });
    const brush = el('div', { className: 'brush', hidden: true });
    const area = el('div', { className: `plot-area ${name}` }, canvas, brush);
    const title = el('figcaption', {}, '');
    const plot = { name, x, y, canvas, brush, area, title, figure: el('figure', { className: 'values' }, title, area) };
    area.addEventListener('pointerdown', (event) => this.drag(plot, event));
    return plot;
  }

  ends(side) {
    const input = (end, label) => {
      const field = el('input', { type: 'number', step: 'any', id: `range-${side}-${end}`, 'aria-label': `${side.toUpperCase()} ${label}` });
      field.addEventListener('change', () => this.typed(side));
      return field;
    };
    this.inputs[side] = [input('low', 'at least'), input('high', 'at most')];
    return el('div', { className: `side-${side}` }, `${side.toUpperCase()} from `, this.inputs[side][0], ' to ', this.inputs[side][1]);
  }

  // `values` has A's and B's values by position, or null for B; `range` the chosen ranges.
  show(shown) {
    this.shown = shown;
    for (const side of ['a', 'b']) {
      for (const [end, field] of this.inputs[side].entries()) {
        const value = shown.range[side]?.[end];
        if (field !== document.activeElement) field.value = Number.isFinite(value) ? `${Number(value.toPrecision(6))}` : '';
      }
    }
    this.inputs.b[0].parentElement.hidden = !shown.b;
    this.scatter.figure.hidden = !shown.b;
    this.draw();
  }

  typed(side) {
    const [low, high] = this.inputs[side].map(({ value }) => (value === '' ? null : Number(value)));
    this.changed({ [side]: low === null && high === null ? null : [low ?? -Infinity, high ?? Infinity] });
  }

  // ------------------------------------------------------------ drawing

  draw() {
    if (!this.shown || !this.parent.clientWidth) return;
    const { a, b, metric, names } = this.shown;
    const values = [...a, ...(b ?? [])].filter((value) => !Number.isNaN(value));
    const [low, high] = values.length ? [values.reduce((x, y) => Math.min(x, y)), values.reduce((x, y) => Math.max(x, y))] : [0, 1];
    const pad = (high - low) * 0.03 || Math.abs(high) * 0.05 || 0.5;
    this.domain = [low - pad, high + pad];
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.drawHistogram(a, b, metric, names);
    if (b) this.drawScatter(a, b, metric, names);
    for (const plot of [this.histogram, this.scatter]) this.placeBrush(plot);
  }

  begin(plot) {
    const { clientWidth: width, clientHeight: height } = plot.area;
    const ratio = devicePixelRatio || 1;
    Object.assign(plot.canvas, { width: width * ratio, height: height * ratio });
    Object.assign(plot, { left: EDGE.left, right: width - EDGE.right, top: EDGE.top, bottom: height - EDGE.bottom });
    const context = plot.canvas.getContext('2d');
    context.scale(ratio, ratio);
    context.font = '11px system-ui, sans-serif';
    context.fillStyle = this.colour('soft');
    context.strokeStyle = this.colour('line');
    context.strokeRect(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top);
    const [low, high] = this.domain;
    context.textAlign = 'left';
    context.fillText(short(low), plot.left, height - 5);
    context.textAlign = 'right';
    context.fillText(short(high), plot.right, height - 5);
    return context;
  }

  across(plot, value) { return plot.left + (value - this.domain[0]) / (this.domain[1] - this.domain[0]) * (plot.right - plot.left); }

  up(plot, value) { return plot.bottom - (value - this.domain[0]) / (this.domain[1] - this.domain[0]) * (plot.bottom - plot.top); }

  drawHistogram(a, b, metric, names) {
    const plot = this.histogram;
    if (!plot.area.clientWidth) return;
    const context = this.begin(plot);
    const [low, high] = this.domain;
    const count = (values) => {
      const bins = new Array(BINS).fill(0);
      for (const value of values) if (!Number.isNaN(value)) bins[Math.min(BINS - 1, Math.floor((value - low) / (high - low) * BINS))] += 1;
      return bins;
    };
    const [own, other] = [count(a), b ? count(b) : null];
    const most = Math.max(1, ...own, ...(other ?? []));
    context.textAlign = 'right';
    context.fillText(`${most}`, plot.left - 4, plot.top + 9);
    const width = (plot.right - plot.left) / BINS;
    const height = (bin) => bin / most * (plot.bottom - plot.top - 4);
    context.fillStyle = this.colour('a');
    for (const [at, bin] of own.entries()) context.fillRect(plot.left + at * width + 0.5, plot.bottom - height(bin), width - 1, height(bin));
    if (other) {
      context.strokeStyle = this.colour('b');
      context.lineWidth = 1.5;
      context.beginPath();
      for (const [at, bin] of other.entries()) {
        context.lineTo(plot.left + at * width, plot.bottom - height(bin));
        context.lineTo(plot.left + (at + 1) * width, plot.bottom - height(bin));
      }
      context.stroke();
    }
    plot.title.textContent = `${metric}: examples by value${b ? ' (bars: A, line: B)' : ''}`;
    const values = [...a].filter((value) => !Number.isNaN(value)).sort((x, y) => x - y);
    plot.canvas.setAttribute('aria-label', `Histogram of ${metric} of ${names.a}: ${values.length} examples, from ${digits(values[0] ?? 0)} to `
      + `${digits(values.at(-1) ?? 0)}, median ${digits(values[Math.floor(values.length / 2)] ?? 0)}`);
  }

  drawScatter(a, b, metric, names) {
    const plot = this.scatter;
    if (!plot.area.clientWidth) return;
    const context = this.begin(plot);
    context.textAlign = 'right';
    context.fillText(short(this.domain[1]), plot.left - 4, plot.top + 9);
    context.beginPath();
    context.moveTo(plot.left, plot.bottom);
    context.lineTo(plot.right, plot.top);
    context.stroke();
    let [above, below] = [0, 0];
    context.globalAlpha = a.length > 1000 ? 0.4 : 0.8;
    for (let at = 0; at < a.length; at += 1) {
      if (Number.isNaN(a[at] - b[at])) continue;
      if (a[at] > b[at]) below += 1; else if (a[at] < b[at]) above += 1;
      context.fillStyle = this.colour(a[at] >= b[at] ? 'a' : 'b');
      context.beginPath();
      context.arc(this.across(plot, a[at]), this.up(plot, b[at]), a.length > 1000 ? 1.6 : 3, 0, 2 * Math.PI);
      context.fill();
    }
    plot.title.textContent = `${metric}: A (across) against B (up)`;
    plot.canvas.setAttribute('aria-label', `Scatter of ${metric}: ${names.a} across, ${names.b} up; A is above B in ${below} examples, below in ${above}`);
  }

  // ------------------------------------------------------------ the rectangle

  placeBrush(plot) {
    const { range } = this.shown;
    const [x, y] = [range.a, plot.y ? range.b : null];
    plot.brush.hidden = !x && !y;
    if (plot.brush.hidden) return;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    const ends = x ? x.map((value) => within(this.across(plot, value), plot.left, plot.right)) : [plot.left, plot.right];
    const sides = y ? y.map((value) => within(this.up(plot, value), plot.top, plot.bottom)).reverse() : [plot.top, plot.bottom];
    this.box(plot, [ends[0], sides[0]], [ends[1], sides[1]]);
  }

  box(plot, [left, top], [right, bottom]) {
    Object.assign(plot.brush.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    plot.brush.hidden = false;
  }

  drag(plot, event) {
    if (event.button !== 0 || !this.domain) return;
    event.preventDefault();
    const box = plot.area.getBoundingClientRect();
    const point = (each) => [Math.min(plot.right, Math.max(plot.left, each.clientX - box.left)),
      plot.y ? Math.min(plot.bottom, Math.max(plot.top, each.clientY - box.top)) : plot.top];
    const start = point(event);
    const corners = (each) => {
      const [x, y] = point(each);
      return [[Math.min(x, start[0]), plot.y ? Math.min(y, start[1]) : plot.top], [Math.max(x, start[0]), plot.y ? Math.max(y, start[1]) : plot.bottom]];
    };
    const move = (each) => this.box(plot, ...corners(each));
    const end = (each) => {
      plot.area.removeEventListener('pointermove', move);
      plot.area.removeEventListener('pointerup', end);
      plot.area.removeEventListener('pointercancel', end);
      const [[left, top], [right, bottom]] = corners(each);
      const [low, high] = this.domain;
      const value = (part) => low + part * (high - low);
      const width = plot.right - plot.left;
      const height = plot.bottom - plot.top;
      const none = right - left < LEAST_DRAWN || each.type === 'pointercancel';
      const range = { a: none ? null : [value((left - plot.left) / width), value((right - plot.left) / width)] };
      if (plot.y) range.b = none ? null : [value((plot.bottom - bottom) / height), value((plot.bottom - top) / height)];
      this.changed(range);
    };
    plot.area.setPointerCapture(event.pointerId);
    plot.area.addEventListener('pointermove', move);
    plot.area.addEventListener('pointerup', end);
    plot.area.addEventListener('pointercancel', end);
  }
}

const short = (value) => `${Number(value.toPrecision(3))}`;

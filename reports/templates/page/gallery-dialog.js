'use strict';
// One example in a dialog: the chosen picture in full size, B's of the same seed beside it, the truth, and the context.

const ZOOMS = [1, 2, 4, 8];
const CLICK_ZOOM = 4;

class ExampleDialog {
  constructor(gallery, dialog) {
    Object.assign(this, { gallery, dialog, data: gallery.data, zoom: 1, token: 0 });
    closeOutside(dialog);
    dialog.addEventListener('keydown', (event) => this.key(event));
    dialog.addEventListener('close', () => this.closed());
  }

  get view() { return this.gallery.view; }

  // Show a cell of an example: a model's output, the truth, or a picture of the context.
  async show(at, cell) {
    const token = ++this.token;
    const { view, data } = this;
    this.at = at;
    this.cell = cell ?? [view.a.model, view.a.context, view.shownSeed];
    const context = this.cell.length === 3 && data.context(this.cell[1]) ? this.cell[1] : view.a.context;
    const item = await data.item(context, at) ?? await data.item(view.a.context, at);
    if (!item) {
      this.gallery.say(`${data.ids[at]} is not among the examples of ${data.label(context)}.`);
      return;
    }
    const figures = await this.figures(item, context);
    const strip = await this.strip(item, context);
    if (token !== this.token) return;
    [this.item, this.context] = [item, context];
    this.dialog.replaceChildren(this.bar(), el('div', { className: 'pair' }, ...figures), strip);
    this.zoomTo(this.zoom);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.dialog.querySelector('.close').focus({ preventScroll: true });
    Object.assign(view, { example: data.ids[at], cell: this.cell });
    this.gallery.remember();
  }

  closed() {
    Object.assign(this.view, { example: null, cell: null });
    this.gallery.remember();
    this.zoom = 1;
    this.gallery.focus(this.at, this.cell);
  }

  // ------------------------------------------------------------ what is in it

  bar() {
    const { data, gallery, at } = this;
    const { order } = gallery.list;
    const index = order.indexOf(at);
    const step = (label, by) => el('button', { type: 'button', className: 'quiet', disabled: index < 0 || !(index + by in order),
      on: { click: () => this.go(by) } }, label);
    this.level = el('output', {}, '');
    return el('div', { className: 'dialog-bar' },
      el('h2', { id: 'viewer-title' }, data.ids[at]),
      el('span', { className: 'hint' }, index < 0 ? 'not among the examples that are shown' : `${index + 1} of ${order.length}`),
      step('‹ Previous', -1), step('Next ›', 1),
      el('span', { className: 'zoom', role: 'group', 'aria-label': 'Zoom' },
        el('button', { type: 'button', className: 'quiet', 'aria-label': 'Zoom out', on: { click: () => this.zoomBy(-1) } }, '−'), this.level,
        el('button', { type: 'button', className: 'quiet', 'aria-label': 'Zoom in', on: { click: () => this.zoomBy(1) } }, '+')),
      el('button', { type: 'button', className: 'quiet', on: { click: (event) => gallery.copyLink(event.currentTarget, at, this.cell) } }, 'Copy link'),
      el('button', { type: 'button', className: 'quiet close', on: { click: () => this.dialog.close() } }, 'Close'));
  }

  // The chosen picture first; beside an output the other side's output of the same seed; the truth always.
  async figures(item, context) {
    const { view, cell, data } = this;
    const seed = cell.length === 3 ? cell[2] : view.shownSeed;
    const given = cell[0] === 'given' && cell.length === 2;
    const output = ({ model, context: name }) => this.output(model, name, seed);
    const chosen = cell.length === 3 ? { model: cell[0], context } : null;
    const list = [];
    if (given) list.push(await this.given(item, Number(cell[1])));
    if (chosen) list.push(await output(chosen));
    const rivals = [view.a, view.b].filter((side) => side && !(chosen && side.model === chosen.model && side.context === chosen.context));
    const beside = chosen ? rivals.slice(-1) : given ? [] : rivals;
    const others = await Promise.all(beside.map(output));
    const truth = item.target ? await this.truth(item) : null;
    list.push(...(cell[0] === 'truth' && cell.length === 1 ? [truth, ...others] : [...others, truth]));
    if (item.answers.length) list.push(el('figure', {}, references(item.answers)));
    return list.filter(Boolean).map((figure) => this.synchronise(figure, data));
  }

  async given(item, number) {
    const picture = item.prompt.filter((part) => typeof part !== 'string')[number];
    return picture ? this.photo(picture, `Picture ${number + 1} of the context`) : null;
  }

  truth(item) { return this.photo(item.target, 'Truth'); }

  async photo(picture, title) {
    const source = await this.data.photo(picture.at);
    const original = picture.at === null ? null : await this.data.original(picture.at);
    return this.figure(source, original, title, [el('strong', {}, title), el('span', {}, picture.id)], `${picture.id}`);
  }

  async output(model, context, seed) {
    const { data, view, at } = this;
    const item = await data.item(context, at);
    const side = view.side(model, context);
    const name = [el('strong', { className: side ? `badge ${side}` : null }, `${side ? `${side.toUpperCase()} ` : ''}${data.title(model)}`),
      el('span', {}, `${data.label(context)}, seed ${seed}`)];
    const loss = lossOf(item, model, seed);
    const output = outputOf(item, model, seed);
    if (output?.marks) name.push(el('span', { className: 'marks' }, output.marks.join(', ')));
    name.push(await this.scores(model, context, seed));
    if (output && (output.at !== undefined || output.gone)) {
      const source = output.gone ? null : await data.output(context, output.at);
      const file = [data.ids[at], model, context, seed].join('-').replace(/[^\w.-]+/g, '_');
      return this.figure(source, output.full ?? null, `${data.title(model)}, ${data.label(context)}`, name, file);
    }
    const words = loss ? [el('p', { className: 'worse' }, loss.outcome), el('p', {}, loss.reason)]
      : output ? outputWords(output.text ?? 'kept as numbers', item.facts) : [el('p', { className: 'hint' }, 'no output is stored')];
    return el('figure', {}, el('div', { className: `words${loss ? ' lost' : ''}` }, ...words), el('figcaption', {}, ...name));
  }

  async scores(model, context, seed) {
    const entry = this.data.context(context);
    const list = el('dl', { className: 'numbers' });
    const tables = await Promise.all(entry.metrics.map(({ values }) => load(values)));
    for (const [number, { name }] of entry.metrics.entries()) {
      const value = this.data.value(tables[number], context, model, seed, this.at);
      if (value !== null) list.append(el('div', {}, el('dt', {}, name), el('dd', {}, digits(value))));
    }
    return list.childElementCount ? list : null;
  }

  figure(thumbnail, full, title, name, file) {
    const source = thumbnail && (full ?? thumbnail); // without a thumbnail the file is no picture
    if (!source) return el('figure', {}, el('div', { className: 'hole' }, 'no picture'), el('figcaption', {}, ...name.filter(Boolean)));
    const picture = image(source, `${title} of ${this.data.ids[this.at]}`);
    const size = el('span', { className: 'hint' });
    picture.addEventListener('load', () => { size.textContent = `${picture.naturalWidth} × ${picture.naturalHeight}`; });
    picture.addEventListener('click', (event) => this.click(event));
    // A thumbnail that is the whole picture is offered as a file of its own.
    const link = el('a', full ? { href: full, target: '_blank', rel: 'noopener' } : { href: source, download: `${file}.${suffixOf(source)}` },
      full ? 'Original file' : 'Save the picture');
    return el('figure', {}, el('div', { className: 'lens', tabIndex: 0, role: 'region', 'aria-label': `${title}, enlarged` }, picture),
      el('figcaption', {}, ...name.filter(Boolean), el('span', { className: 'file' }, size, ' ', link)));
  }

  async strip(item, context) {
    const cards = new Cards(this.data, this.view, (_, cell) => this.show(this.at, cell));
    const strip = await cards.strip({ ...item, answers: [] }, this.data.ids[this.at]);
    for (const button of strip.querySelectorAll('button.shot')) {
      button.tabIndex = 0;
      if (button.cell.join('/') === this.cell.join('/')) button.setAttribute('aria-current', 'true');
    }
    return el('section', { className: 'given' }, el('h3', {}, `The context: ${this.data.label(context)}`), strip,
      el('p', { className: 'hint' }, 'Arrow keys: left and right go through the pictures of this example, up and down to other examples; + and − zoom; Escape closes.'));
  }

  // ------------------------------------------------------------ zoom and keys

  synchronise(figure) {
    const lens = figure.querySelector('.lens');
    lens?.addEventListener('scroll', () => {
      for (const other of this.dialog.querySelectorAll('.lens')) {
        if (other === lens) continue;
        other.scrollLeft = lens.scrollLeft;
        other.scrollTop = lens.scrollTop;
      }
    });
    return figure;
  }

  zoomBy(step) { this.zoomTo(ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(this.zoom) + step))]); }

  zoomTo(zoom, [x, y] = [0.5, 0.5]) {
    this.zoom = zoom;
    this.dialog.style.setProperty('--zoom', zoom);
    this.dialog.classList.toggle('zoomed', zoom > 1);
    this.level.textContent = `${zoom}×`;
    for (const lens of this.dialog.querySelectorAll('.lens')) {
      lens.scrollLeft = lens.scrollWidth * x - lens.clientWidth / 2;
      lens.scrollTop = lens.scrollHeight * y - lens.clientHeight / 2;
    }
  }

  click(event) {
    const box = event.currentTarget.getBoundingClientRect();
    this.zoomTo(this.zoom > 1 ? 1 : CLICK_ZOOM, [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const moves = { ArrowLeft: () => this.turn(-1), ArrowRight: () => this.turn(1), ArrowUp: () => this.go(-1), ArrowDown: () => this.go(1),
      '+': () => this.zoomBy(1), '=': () => this.zoomBy(1), '-': () => this.zoomBy(-1) };
    const move = moves[event.key];
    if (!move || (event.key.startsWith('Arrow') && this.zoom > 1 && event.target.matches('.lens'))) return;
    event.preventDefault();
    move();
  }

  // The cell before or after in this example: the context's pictures, the truth, then the outputs row by row.
  async turn(by) {
    const { view, item } = this;
    const own = await this.data.item(view.a.context, this.at) ?? item;
    const pictures = own.prompt.filter((part) => typeof part !== 'string').map((_, number) => ['given', `${number}`]);
    const outputs = view.rows().flatMap((model) => view.columns().filter(({ context }) => this.data.context(context).models.includes(model))
      .map(({ context, seed }) => [model, context, seed]));
    const cells = [...pictures, ...(own.target ? [['truth']] : []), ...outputs];
    const now = cells.findIndex((cell) => cell.join('/') === this.cell.join('/'));
    await this.show(this.at, cells[Math.min(cells.length - 1, Math.max(0, now + by))]);
  }

  async go(by) {
    const { order } = this.gallery.list;
    const to = order[order.indexOf(this.at) + by];
    if (to !== undefined && order.includes(this.at)) await this.show(to, this.cell);
  }
}

const suffixOf = (uri) => ({ 'image/png': 'png', 'image/gif': 'gif' })[uri.slice(5, uri.indexOf(';'))] ?? 'jpg';

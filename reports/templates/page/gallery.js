'use strict';
// The gallery of a task: brings data, view, list, plots and dialog together. Its files are plain scripts, because
// browsers refuse modules to pages that are opened from disk; they share one scope.

class Gallery {
  constructor(manifest) {
    this.data = new GalleryData(manifest);
    this.token = 0;
    this.parts = Object.fromEntries(['note', 'duel', 'test', 'gains', 'plots', 'draw', 'status', 'clear', 'empty', 'link', 'csv', 'zip', 'heads', 'list',
      'viewer', 'controls'].map((id) => [id, document.getElementById(id)]));
  }

  async start() {
    const { data, parts } = this;
    await data.open();
    this.view = new View(data);
    this.controls = new Controls(data, () => this.changed());
    this.cards = new Cards(data, this.view, (at, cell) => this.dialog.show(at, cell), (button, at) => this.copyLink(button, at, null));
    this.list = new LongList(parts.list, (...card) => this.cards.build(...card));
    this.plots = new Plots(parts.plots, (range) => { Object.assign(this.view.range, range); this.changed(); });
    this.dialog = new ExampleDialog(this, parts.viewer);
    parts.list.addEventListener('keydown', (event) => move(event, this.list));
    for (const button of document.querySelectorAll('[data-clear]')) button.addEventListener('click', () => { this.view.clear(); this.changed(); });
    parts.link.addEventListener('click', () => this.copyLink(parts.link));
    parts.draw.addEventListener('click', () => this.showPlots(parts.plots.hidden));
    parts.csv.addEventListener('click', () => this.download('csv', csvOf));
    parts.zip.addEventListener('click', () => this.download('zip', zipOf));
    new ResizeObserver(() => { document.documentElement.style.setProperty('--bar', `${parts.controls.offsetHeight}px`); }).observe(parts.controls);
    addEventListener('resize', () => this.arrange());
    addEventListener('hashchange', () => { if (location.hash !== this.hash) this.arrive(); });
    await this.arrive();
  }

  title({ model, context }) {
    return `${this.data.title(model)}${this.data.contexts.length > 1 ? `, ${this.data.label(context)}` : ''}`;
  }

  // The address holds every choice, so that a table's number can link to its samples and a view can be passed on.
  async arrive() {
    const { view, data } = this;
    view.read(location.hash);
    const { example, cell } = view;
    if (view.range.a || view.range.b) this.showPlots(true);
    await this.refresh();
    if (example === null) return;
    const at = data.positions.get(example);
    if (at === undefined) { this.say(`No example is called ${example}.`); return; }
    const index = this.list.order.indexOf(at);
    if (index >= 0) this.list.scrollTo(index);
    await this.dialog.show(at, cell);
  }

  async changed() {
    if (this.view.sort !== 'order' && !this.view.b && !this.view.sort.startsWith('a-')) this.view.sort = 'order';
    await this.refresh();
    const top = this.parts.list.getBoundingClientRect().top;
    if (top < 0) this.list.scrollTo(0);
  }

  remember() {
    this.hash = this.view.address();
    try {
      if (location.hash !== this.hash) history.replaceState(null, '', this.hash);
    } catch {
      // Some browsers refuse it after a hundred times in a short while: the address then stays behind.
    }
  }

  say(text) { this.parts.status.textContent = text; }

  async copyLink(button, at = null, cell = null) {
    const address = this.view.address(at === null ? { example: null } : { example: this.data.ids[at], cell });
    await copyText(button, location.href.split('#')[0] + address);
  }

  // ------------------------------------------------------------ from choices to a list

  async refresh() {
    const token = ++this.token;
    const { view, data, parts } = this;
    this.remember();
    try {
      const [a, b, outcomes] = await Promise.all([data.means(view.a, view.metric, view.off),
        view.b ? data.means(view.b, view.metric, view.off) : null, this.outcomes()]);
      if (token !== this.token) return;
      this.entry = data.context(view.a.context);
      this.metric = this.entry.metrics.find(({ name }) => name === view.metric) ?? null;
      const sign = this.metric && !this.metric.higher ? -1 : 1;
      this.means = this.metric ? { a, b } : null;
      await this.controls.show(view, outcomes.counts);
      const order = sorted(await this.chosen(this.means, sign, outcomes), this.means ? view.sort : 'order', { a, b }, sign);
      if (token !== this.token) return;
      Object.assign(this.cards, { means: this.means, sign });
      this.arrange();
      this.drawDuel(sign);
      this.drawGains();
      parts.draw.hidden = !this.metric;
      if (!this.metric) this.showPlots(false);
      if (this.metric) this.plots.show({ a, b, metric: view.metric, range: view.range, names: { a: this.title(view.a), b: view.b ? this.title(view.b) : '' } });
      parts.note.textContent = this.entry.note;
      parts.note.hidden = !this.entry.note;
      this.list.show(order);
      this.drawStatus(order.length);
    } catch (error) {
      if (token === this.token) this.say(error.message);
    }
  }

  // The examples that lack outputs, by outcome, in the contexts and models that are shown; and those with marks.
  async outcomes() {
    const { view, data } = this;
    const by = { marked: new Set(), lost: new Set() };
    for (const context of new Set([view.a.context, ...view.columns().map((column) => column.context)])) {
      const { lost, marked } = await data.index(context);
      const at = new Map([...data.places.get(context).entries()].map(([position, place]) => [place, position]));
      for (const place of marked) by.marked.add(at.get(place));
      for (const [model, items] of Object.entries(lost)) {
        if (!view.models.has(model)) continue;
        for (const [place, outcome, seeds] of items) {
          if (seeds.length && seeds.every((seed) => view.off.has(`${seed}`))) continue;
          by.lost.add(at.get(place));
          (by[outcome] ??= new Set()).add(at.get(place));
        }
      }
    }
    return { by, counts: Object.fromEntries(Object.entries(by).map(([name, set]) => [name, set.size])) };
  }

  async chosen(means, sign, { by }) {
    const { view, data } = this;
    let chosen = data.ids.map((_, at) => at);
    const { facts } = await data.index(view.a.context);
    for (const [name, value] of view.facts) {
      const number = facts[name]?.values.indexOf(value) ?? -1;
      if (number >= 0) chosen = chosen.filter((at) => facts[name].at[data.place(view.a.context, at)] === number);
    }
    if (['a', 'b', 'tie'].includes(view.show)) {
      const wins = { a: (d) => d > 0, b: (d) => d < 0, tie: (d) => d === 0 }[view.show];
      if (means?.b) chosen = chosen.filter((at) => wins(sign * apart(means.a[at], means.b[at])));
    } else if (view.show !== 'all') chosen = chosen.filter((at) => by[view.show]?.has(at));
    for (const side of ['a', 'b']) {
      const range = view.range[side];
      if (range && means?.[side]) chosen = chosen.filter((at) => means[side][at] >= range[0] && means[side][at] <= range[1]);
    }
    const words = view.query.trim().toLowerCase();
    if (!words) return chosen;
    this.say('Searching');
    const items = await Promise.all(chosen.map((at) => data.item(view.a.context, at)));
    return chosen.filter((at, index) => (items[index] ? matches(items[index], data.ids[at], words) : data.ids[at].toLowerCase().includes(words)));
  }

  // ------------------------------------------------------------ above the list

  drawStatus(count) {
    const { parts, view, data } = this;
    const all = data.ids.length;
    const models = data.models().length;
    const hidden = models - view.models.size;
    this.say(`${count === all ? `${all} examples` : count ? `${count} of ${all} examples` : `None of the ${all} examples is like this`}`
      + `${count ? `, ${SORTS.find(([name]) => name === view.sort)[1]}` : ''}${hidden > 0 ? `; ${view.models.size} of ${models} models` : ''}.`);
    parts.clear.hidden = !view.filters() || !count;
    parts.empty.hidden = count > 0;
    parts.list.hidden = !count; // a feed without articles is none
    for (const button of [parts.csv, parts.zip]) button.disabled = !count;
  }

  drawGains() {
    const { view, data, parts } = this;
    const pairs = this.metric ? data.gains() : [];
    parts.gains.hidden = !pairs.length;
    const same = (x, y) => x?.model === y?.model && x?.context === y?.context;
    parts.gains.replaceChildren(el('span', {}, 'Most gained by '), ...pairs.map(({ a, b, title }) => el('button', { type: 'button', className: 'chip-button',
      'aria-pressed': `${view.sort === 'a-over-b' && same(view.a, a) && same(view.b, b)}`,
      on: { click: () => { Object.assign(view, { a, b, sort: 'a-over-b' }); view.settle(); this.changed(); } } }, title)));
  }

  drawDuel(sign) {
    const { parts, view, data } = this;
    parts.duel.hidden = !this.means?.b;
    parts.test.hidden = parts.duel.hidden;
    if (parts.duel.hidden) return;
    const { a, b } = this.means;
    let [wins, ties, losses, sum] = [0, 0, 0, 0];
    for (let at = 0; at < a.length; at += 1) {
      const difference = apart(a[at], b[at]);
      if (Number.isNaN(difference)) continue;
      sum += difference;
      if (sign * difference > 0) wins += 1; else if (difference === 0) ties += 1; else losses += 1;
    }
    const n = wins + ties + losses;
    const share = (className, count) => {
      const bar = el('i', { className });
      bar.style.setProperty('--n', count);
      return bar;
    };
    const test = view.a.context === view.b.context && this.entry.tests.find(({ metric, models }) => metric === view.metric
      && models.includes(view.a.model) && models.includes(view.b.model));
    const line = test && testLine(test, view.a.model, data.titles);
    parts.duel.replaceChildren(
      el('strong', { className: 'badge a' }, `A ${this.title(view.a)} wins ${wins}`),
      el('div', { className: 'shares', role: 'img', 'aria-label': `A wins ${wins}, ties ${ties}, B wins ${losses}` },
        share('a', wins), share('t', ties), share('b', losses)),
      el('strong', { className: 'badge b' }, `B ${this.title(view.b)} wins ${losses}`),
    );
    parts.test.replaceChildren(n ? `A − B ${signed(sum / n)} in ${n} examples that both have, ${ties} ties (${sign > 0 ? 'higher' : 'lower'} is better)`
      + `${view.off.size ? ', of the seeds that are shown' : ''}. ` : 'No example has values of both.',
    ...(line ? [`All seeds, ${line.title}: ${line.difference}, p (Holm) ${line.p}, ${line.n}: `, el('span', { className: line.className }, line.verdict)] : []));
  }

  // ------------------------------------------------------------ sizes and the headings of columns

  arrange() {
    const { parts, view, data } = this;
    const columns = view.columns();
    const rows = Math.max(1, view.rows().length);
    const wide = matchMedia('(min-width: 64rem)').matches;
    const style = parts.list.parentElement.style;
    const room = parts.list.clientWidth - (wide ? STRIP + GAP : 0) - MODEL;
    const most = Math.min(LARGEST, Math.max(SMALLEST, (ROOM_FOR_ROWS / rows) - LINE));
    const cell = Math.floor(Math.min(most, Math.max(SMALLEST, room / Math.max(1, columns.length) - COLUMN_GAP)));
    // What the table leaves over goes to the strip.
    const strip = Math.min(WIDEST_STRIP, STRIP + Math.max(0, room - (cell + COLUMN_GAP) * columns.length - GAP));
    style.setProperty('--strip', `${strip}px`);
    // Words need columns of their own width.
    const pictures = columns.some(({ context }) => data.indexes.get(context)?.packs.length);
    const fits = wide && pictures && (cell + COLUMN_GAP) * columns.length <= room;
    style.setProperty('--cell', `${cell}px`);
    parts.list.classList.toggle('fits', fits);
    parts.heads.hidden = !fits || columns.length < 2;
    const side = (context) => ['a', 'b'].filter((name) => view[name]?.context === context && view.by === 'context');
    const seed = view.by === 'context' && view.seeds.length > 1 ? `seed ${view.shownSeed}` : '';
    parts.heads.replaceChildren(el('span', {}, `Context: ${data.label(view.a.context)}`), el('span', {}, seed),
      ...columns.map(({ label, context }) => el('span', { className: side(context).map((name) => `of-${name}`).join(' ') || null }, label.replaceAll(', ', ',\n'))));
  }

  showPlots(shown) {
    this.parts.plots.hidden = !shown;
    this.parts.draw.setAttribute('aria-expanded', `${shown}`);
  }

  async download(kind, make) {
    const button = this.parts[kind];
    const label = button.textContent;
    button.disabled = true;
    button.textContent = 'Preparing';
    try {
      save(await make(this.data, this.view, this.list.order), `${this.data.manifest.task}-samples.${kind}`);
    } catch (error) {
      this.say(error.message);
    } finally {
      button.disabled = false;
      button.textContent = label;
    }
  }

  // Return the focus to the picture of a cell, or to its example.
  async focus(at, cell) {
    const card = await this.list.reach(this.list.order.indexOf(at));
    if (!card) return;
    const shots = [...card.querySelectorAll('button.shot')];
    focusOn(shots.find((shot) => shot.cell.join('/') === cell?.join('/')) ?? shots[0] ?? card.querySelector('button'));
  }
}

// Pixels: the strip and the table stand side by side on a wide window, the table as large as the rows allow.
const [STRIP, GAP, MODEL, COLUMN_GAP, LINE] = [416, 28, 112, 8, 24];
const WIDEST_STRIP = 664;
const [SMALLEST, LARGEST, ROOM_FOR_ROWS] = [60, 148, 264];

function matches(item, id, words) {
  const texts = [id, ...item.prompt.map((part) => (typeof part === 'string' ? part : part.id)), item.target?.id ?? '',
    ...item.answers, ...Object.values(item.facts), ...Object.values(item.out).flat().map((output) => output.text ?? ''),
    ...Object.values(item.lost ?? {}).flat().map((loss) => `${loss.outcome} ${loss.reason}`)];
  const all = texts.join('\n').toLowerCase();
  return words.split(/\s+/).every((word) => all.includes(word));
}

async function copyText(button, text) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Some browsers refuse the clipboard to pages on disk, but copy the selected text.
    const field = el('textarea', { className: 'unseen', 'aria-hidden': 'true' });
    field.value = text;
    button.after(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    button.focus();
  }
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = label; }, 1500);
}

begin((manifest) => new Gallery(manifest).start());

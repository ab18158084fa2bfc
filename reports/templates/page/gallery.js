'use strict';
// The gallery of a task.

const PAGE = 25;
const SORTS = [
  ['order', 'order of the data'], ['a-best', 'A: best first'], ['a-worst', 'A: worst first'],
  ['b-best', 'B: best first'], ['b-worst', 'B: worst first'], ['a-over-b', 'A over B: most first'],
  ['b-over-a', 'B over A: most first'], ['differ', 'largest difference'],
];
const SHOWS = [
  ['all', 'all examples'], ['a', 'A wins'], ['b', 'B wins'], ['tie', 'ties'], ['marked', 'truncated or flagged'],
  ['lost', 'failed or missing'],
];

class Gallery {
  constructor(manifest) {
    this.manifest = manifest;
    this.titles = manifest.titles;
    this.token = 0;
    this.parts = Object.fromEntries(['context', 'metric', 'a', 'b', 'sort', 'show', 'facts', 'query', 'models', 'seeds',
      'note', 'duel', 'status', 'list', 'pager', 'viewer', 'controls'].map((id) => [id, document.getElementById(id)]));
    this.state = { page: 0, without: new Set(), off: new Set() };
  }

  async start() {
    const { parts } = this;
    fill(parts.context, this.manifest.contexts.map((context) => [context.name, context.name]));
    fill(parts.sort, SORTS);
    fill(parts.show, SHOWS);
    parts.controls.addEventListener('submit', (event) => event.preventDefault());
    for (const id of ['metric', 'a', 'b', 'sort', 'show']) parts[id].addEventListener('change', () => this.changed());
    parts.context.addEventListener('change', () => this.changed(true));
    let timer = 0;
    parts.query.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => this.changed(), 200); });
    parts.list.addEventListener('keydown', (event) => this.move(event));
    parts.viewer.addEventListener('keydown', (event) => this.turn(event));
    parts.viewer.addEventListener('close', () => this.shots()[this.at]?.focus());
    closeOutside(parts.viewer);
    addEventListener('hashchange', () => { if (location.hash !== this.hash) this.arrive(); });
    await this.arrive();
  }

  // The address holds every choice, so that a table's number can link to its samples and a view can be passed on.
  async arrive() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const { parts, state } = this;
    choose(parts.context, fragment.get('context'));
    if (!(await this.enter(fragment))) return;
    choose(parts.sort, fragment.get('sort') ?? 'order');
    choose(parts.show, fragment.get('show') ?? 'all');
    parts.query.value = fragment.get('q') ?? '';
    state.page = Math.max(0, Number.parseInt(fragment.get('page') ?? '1', 10) - 1 || 0);
    await this.draw();
  }

  // Fill the choices with the context's models, metrics, seeds and facts; false if the reader chose another meanwhile.
  async enter(fragment = new URLSearchParams(this.hash?.slice(1) ?? '')) {
    const { parts, state } = this;
    const context = this.manifest.contexts.find((entry) => entry.name === parts.context.value);
    const index = await load(context.index);
    if (parts.context.value !== context.name) return false;
    [this.context, this.index] = [context, index];
    const { models, metrics, seeds } = context;
    fill(parts.metric, metrics.map((metric) => [metric.name, metric.name]));
    parts.metric.parentElement.hidden = !metrics.length;
    choose(parts.metric, fragment.get('metric'));
    for (const side of ['a', 'b']) {
      fill(parts[side], models.map((model) => [model, this.title(model)]));
      parts[side].parentElement.hidden = models.length < 2 && (side === 'b' || !metrics.length);
      choose(parts[side], fragment.get(side));
    }
    if (!fragment.get('b') || parts.a.value === parts.b.value) {
      choose(parts.b, models.find((model) => model !== parts.a.value));
    }
    state.without = new Set((fragment.get('without') ?? '').split(',').filter((model) => models.includes(model)));
    state.off = new Set((fragment.get('off') ?? '').split(',').filter((seed) => seeds.map(String).includes(seed)));
    chips(parts.models, models.map((model) => [model, this.title(model)]), state.without, () => this.changed());
    chips(parts.seeds, seeds.map((seed) => [`${seed}`, `${seed}`]), state.off, () => this.changed());
    parts.models.hidden = models.length < 2;
    parts.seeds.hidden = seeds.length < 2;
    this.choosers = Object.entries(this.index.facts).map(([name, { values }]) => {
      const select = el('select', { 'data-fact': name, on: { change: () => this.changed() } });
      fill(select, [['', 'any'], ...values.map((value) => [value, value])]);
      for (const fact of fragment.getAll('fact')) if (fact.startsWith(`${name}:`)) choose(select, fact.slice(name.length + 1));
      return select;
    });
    parts.facts.replaceChildren(...this.choosers.map((select) => el('label', {}, `${select.dataset.fact} `, select)));
    parts.note.textContent = this.context.note;
    parts.note.hidden = !this.context.note;
    return true;
  }

  // The outputs that an example lacks, for the models and seeds that are shown.
  lost(item) {
    return Object.entries(item.lost ?? {}).filter(([model]) => !this.state.without.has(model))
      .flatMap(([, losses]) => losses.filter((loss) => this.shows(loss)));
  }

  shows(lost) { return !lost.seeds.length || lost.seeds.some((seed) => !this.state.off.has(`${seed}`)); }

  title(model) { return Object.hasOwn(this.titles, model) ? this.titles[model] : model; }

  async changed(otherContext = false) {
    if (otherContext && !(await this.enter())) return;
    this.state.page = 0;
    await this.draw();
  }

  remember() {
    const { parts, state } = this;
    const fragment = new URLSearchParams({ context: parts.context.value });
    for (const id of ['metric', 'a', 'b']) if (parts[id].value) fragment.set(id, parts[id].value);
    if (parts.sort.value !== 'order') fragment.set('sort', parts.sort.value);
    if (parts.show.value !== 'all') fragment.set('show', parts.show.value);
    if (parts.query.value) fragment.set('q', parts.query.value);
    if (state.without.size) fragment.set('without', [...state.without].join(','));
    if (state.off.size) fragment.set('off', [...state.off].join(','));
    for (const select of this.choosers) if (select.value) fragment.append('fact', `${select.dataset.fact}:${select.value}`);
    if (state.page) fragment.set('page', `${state.page + 1}`);
    this.hash = `#${fragment}`;
    try {
      if (location.hash !== this.hash) history.replaceState(null, '', this.hash);
    } catch {
      // Some browsers refuse it after a hundred times in a short while: the address then stays behind.
    }
  }

  // Each example's mean over the seeds that are shown; NaN if one of these seeds has no value.
  means(model) {
    const seeds = Object.entries(this.values?.[model] ?? {}).filter(([seed]) => !this.state.off.has(seed));
    const means = new Float64Array(this.index.ids.length).fill(Number.NaN);
    if (!seeds.length) return means;
    for (let at = 0; at < means.length; at += 1) {
      let sum = 0;
      for (const [, values] of seeds) sum += values[at] ?? Number.NaN;
      means[at] = sum / seeds.length;
    }
    return means;
  }

  async draw() {
    const token = ++this.token;
    const { parts, state } = this;
    this.remember();
    try {
      this.metric = this.context.metrics.find((metric) => metric.name === parts.metric.value) ?? null;
      const values = this.metric ? await load(this.metric.values) : null;
      if (token !== this.token) return;
      this.values = values;
      const [a, b] = [this.means(parts.a.value), this.means(parts.b.value)];
      this.pair = this.values && parts.a.value !== parts.b.value ? { a, b } : null;
      for (const option of [...parts.sort.options, ...parts.show.options]) {
        const two = /over|differ|^[ab]$|tie/.test(option.value) || option.value.startsWith('b-');
        option.disabled = (two && !this.pair) || (option.value.startsWith('a-') && !this.values);
      }
      this.drawDuel();
      let chosen = this.index.ids.map((_, at) => at);
      for (const select of this.choosers) {
        const { values: names, at } = this.index.facts[select.dataset.fact];
        const value = names.indexOf(select.value);
        if (value >= 0) chosen = chosen.filter((index) => at[index] === value);
      }
      const sign = this.metric?.higher ? 1 : -1;
      const show = parts.show.value;
      if (this.pair && ['a', 'b', 'tie'].includes(show)) {
        const wins = { a: (d) => d > 0, b: (d) => d < 0, tie: (d) => d === 0 }[show];
        chosen = chosen.filter((at) => wins(sign * apart(a[at], b[at])));
      }
      const words = parts.query.value.trim().toLowerCase();
      const ofItems = { marked: isMarked, lost: (item) => this.lost(item).length > 0 }[show];
      if (words || ofItems) {
        parts.status.textContent = 'Searching';
        const items = await this.items(chosen);
        if (token !== this.token) return;
        chosen = chosen.filter((at, index) => (!words || matches(items[index], this.index.ids[at], words))
          && (!ofItems || ofItems(items[index])));
      }
      chosen = sorted(chosen, parts.sort.value, a, b, sign);
      const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
      state.page = Math.min(state.page, pages - 1);
      this.remember();
      const visible = chosen.slice(state.page * PAGE, (state.page + 1) * PAGE);
      const items = await this.items(visible);
      const articles = await Promise.all(items.map((item, at) => this.article(item, visible[at], a, b)));
      if (token !== this.token) return;
      parts.list.replaceChildren(...articles);
      this.drawPager(pages);
      const from = state.page * PAGE + 1;
      parts.status.textContent = (visible.length
        ? `${from}–${state.page * PAGE + visible.length} of ${chosen.length} examples` : 'None of the examples')
        + (chosen.length < this.index.ids.length ? ` (of ${this.index.ids.length})` : '')
        + (visible.length ? `, ${parts.sort.selectedOptions[0].textContent}.` : ' is like this.');
      this.at = 0;
      const [first] = this.shots();
      if (first) {
        first.tabIndex = 0;
        parts.status.textContent += ' Arrow keys go from picture to picture, Enter opens one.';
      }
    } catch (error) {
      if (token === this.token) parts.status.textContent = error.message;
    }
  }

  async items(indices) {
    const size = this.index.block;
    const blocks = new Map();
    await Promise.all([...new Set(indices.map((at) => Math.floor(at / size)))].map(async (block) => {
      blocks.set(block, await load(this.index.blocks[block]));
    }));
    return indices.map((at) => blocks.get(Math.floor(at / size))[at % size]);
  }

  async picture(packs, size, number) {
    if (number === null || number === undefined) return null;
    return (await load(packs[Math.floor(number / size)]))[number % size];
  }

  drawDuel() {
    const { parts } = this;
    parts.duel.hidden = !this.pair;
    if (!this.pair) return;
    const [first, second] = [parts.a.value, parts.b.value];
    const sign = this.metric.higher ? 1 : -1;
    let [wins, ties, losses, sum] = [0, 0, 0, 0];
    for (let at = 0; at < this.index.ids.length; at += 1) {
      const difference = apart(this.pair.a[at], this.pair.b[at]);
      if (Number.isNaN(difference)) continue;
      sum += difference;
      if (sign * difference > 0) wins += 1;
      else if (difference === 0) ties += 1;
      else losses += 1;
    }
    const n = wins + ties + losses;
    const share = (className, count) => {
      const bar = el('i', { className });
      bar.style.setProperty('--n', count);
      return bar;
    };
    const test = this.context.tests.find((test) => test.metric === this.metric.name
      && test.models.includes(first) && test.models.includes(second));
    const line = test && testLine(test, first, this.titles);
    refill(parts.duel,
      el('div', { className: 'names' }, el('span', {}, `A ${this.title(first)} wins ${wins}`),
        el('span', {}, `B ${this.title(second)} wins ${losses}`)),
      el('div', { className: 'shares', role: 'img', 'aria-label': `A wins ${wins}, ties ${ties}, B wins ${losses}` },
        share('a', wins), share('t', ties), share('b', losses)),
      el('p', {}, n ? `${n} examples that both have, ${ties} ties. ${this.metric.name}`
        + ` (${this.metric.higher ? 'higher' : 'lower'} is better), A − B: ${signed(sum / n)}`
        + (this.state.off.size ? ', of the seeds that are shown.' : '.') : 'No example has values of both.'),
      line ? el('p', {}, `All seeds, ${line.title}: ${line.difference}, p (Holm) ${line.p}, ${line.n}: `,
        el('span', { className: line.className }, line.verdict)) : null);
  }

  drawPager(pages) {
    const { parts, state } = this;
    parts.pager.hidden = pages < 2;
    const go = (label, page) => el('button', { type: 'button', className: 'quiet', disabled: page < 0 || page >= pages
      || page === state.page, on: { click: async () => {
      state.page = page;
      await this.draw();
      parts.status.scrollIntoView({ block: 'center' });
      this.shots()[0]?.focus({ preventScroll: true });
    } } }, label);
    parts.pager.replaceChildren(go('First', 0), go('Previous', state.page - 1),
      el('span', {}, `Page ${state.page + 1} of ${pages}`), go('Next', state.page + 1), go('Last', pages - 1));
  }

  async article(item, at, a, b) {
    const id = this.index.ids[at];
    const { photos, photosPack } = this.manifest;
    const photo = async (picture, alt) => {
      const source = await this.picture(photos, photosPack, picture.at);
      return source ? image(source, alt) : el('div', { className: 'hole' }, `picture ${picture.id}`);
    };
    let number = 0;
    const prompt = await Promise.all(item.prompt.map(async (part) => el('li', {}, typeof part === 'string'
      ? el('p', {}, part) : await photo(part, `Picture ${number += 1} of the prompt`))));
    const target = item.target ? await photo(item.target, 'The target') : null;
    const models = this.context.models.filter((model) => !this.state.without.has(model));
    const rows = await Promise.all(models.map((model) => this.row(model, item, at, id)));
    const head = [el('h2', {}, id)];
    if (item.cluster !== id) head.push(el('span', {}, `cluster ${item.cluster}`));
    for (const [name, value] of Object.entries(item.facts)) head.push(el('span', {}, `${name} ${value}`));
    if (this.pair && !Number.isNaN(a[at] - b[at])) {
      head.push(el('span', {}, el('b', { className: 'badge a' }, 'A '), digits(a[at]), ' ',
        el('b', { className: 'badge b' }, 'B '), digits(b[at]), ` A − B ${signed(apart(a[at], b[at]))}`));
    }
    return el('article', { className: 'example', 'aria-label': `Example ${id}` },
      el('header', {}, ...head),
      el('div', {}, el('p', { className: 'label' }, 'Prompt'), el('ol', { className: 'prompt' }, ...prompt)),
      el('div', { className: 'made' },
        target || item.answers.length ? el('div', { className: 'row target' },
          el('div', { className: 'who' }, el('b', {}, item.target ? 'Target' : 'References')), el('div', {}, target, answers(item.answers))) : null,
        ...rows));
  }

  async row(model, item, at, id) {
    const outputs = (item.out[model] ?? []).filter((output) => !this.state.off.has(`${output.seed}`));
    const side = this.context.models.length < 2 ? null
      : { [this.parts.b.value]: 'b', [this.parts.a.value]: 'a' }[model];
    const values = this.values?.[model] ?? {};
    const several = this.context.seeds.length > 1;
    const valueOf = (seed) => values[seed]?.[at] ?? null;
    const mean = this.values ? this.means1(values, at) : Number.NaN;
    const shots = await Promise.all(outputs.map(async (output) => {
      const value = valueOf(output.seed);
      const details = [several ? `seed ${output.seed}` : '', value === null ? '' : digits(value), ...(output.marks ?? [])].filter(Boolean);
      if (output.at === undefined && !output.gone) {
        return el('div', { className: 'words' },
          output.text === undefined ? null : el('p', {}, output.text.trim() || '(no words)'),
          el('span', {}, details.join(' · ') || (output.text === undefined ? 'kept as numbers that say nothing to a reader' : '')));
      }
      const source = await this.picture(this.index.packs, this.index.pack, output.at);
      const alt = `${this.title(model)}, example ${id}, ${details.join(', ')}`;
      if (!source) return el('div', { className: 'shot' }, el('div', { className: 'hole' }, 'no picture'), el('span', {}, details.join(' · ')));
      const shot = el('button', { type: 'button', className: 'shot', tabIndex: -1 }, image(source, alt),
        el('span', { 'aria-hidden': 'true' }, details.join(' · ')));
      shot.addEventListener('click', () => this.open(shot));
      shot.shown = { output, model, item, id, source, details, alt };
      return shot;
    }));
    const lacks = (item.lost?.[model] ?? []).filter((loss) => this.shows(loss));
    shots.push(...lacks.map((loss) => el('div', { className: 'words lost' },
      el('p', {}, el('b', {}, loss.outcome), loss.reason ? `: ${loss.reason}` : ''),
      several && loss.seeds.length ? el('span', {}, `seed${loss.seeds.length > 1 ? 's' : ''} ${loss.seeds.join(', ')}`) : null)));
    return el('div', { className: 'row' },
      el('div', { className: 'who' }, el('b', { className: side ? `badge ${side}` : null },
        side ? `${side.toUpperCase()} ` : '', this.title(model)),
      Number.isNaN(mean) || (shots.length && !several) ? null : el('span', {}, `${several ? 'mean ' : ''}${digits(mean)}`)),
      el('div', { className: 'shots' }, ...(shots.length ? shots
        : [el('div', { className: 'words' }, el('span', {}, 'no output is stored'))])));
  }

  means1(values, at) {
    const shown = Object.entries(values).filter(([seed]) => !this.state.off.has(seed)).map(([, bySeed]) => bySeed[at]);
    return shown.length ? shown.reduce((sum, value) => sum + (value ?? Number.NaN), 0) / shown.length : Number.NaN;
  }

  // ------------------------------------------------------------ keyboard, and the picture on its own

  shots() { return [...this.parts.list.querySelectorAll('button.shot')]; }

  // The position of the picture that a key leads to: along a row, or to the nearest column of the next row.
  target(key, from) {
    const shots = this.shots();
    if (key === 'ArrowRight') return Math.min(from + 1, shots.length - 1);
    if (key === 'ArrowLeft') return Math.max(from - 1, 0);
    if (key === 'Home') return 0;
    if (key === 'End') return shots.length - 1;
    const rows = [];
    for (const [at, shot] of shots.entries()) {
      if (!at || shots[at - 1].parentElement !== shot.parentElement) rows.push([]);
      rows.at(-1).push(at);
    }
    const row = rows.findIndex((line) => line.includes(from));
    const next = rows[row + (key === 'ArrowDown' ? 1 : -1)];
    return next ? next[Math.min(rows[row].indexOf(from), next.length - 1)] : from;
  }

  move(event) {
    if (!KEYS.has(event.key) || !event.target.matches('button.shot') || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const shots = this.shots();
    this.focus(shots, this.target(event.key, shots.indexOf(event.target)));
  }

  focus(shots, to) {
    for (const shot of shots) shot.tabIndex = -1;
    this.at = to;
    shots[to].tabIndex = 0;
    shots[to].focus({ preventScroll: true });
    shots[to].scrollIntoView({ block: 'nearest' });
  }

  async open(shot) {
    const { viewer } = this.parts;
    const shots = this.shots();
    for (const button of shots) button.tabIndex = -1;
    shot.tabIndex = 0;
    this.at = shots.indexOf(shot);
    const { output, model, item, id, source, details, alt } = shot.shown;
    const { photos, photosPack } = this.manifest;
    const target = item.target ? await this.picture(photos, photosPack, item.target.at) : null;
    viewer.replaceChildren(
      el('div', { className: 'pair' },
        el('figure', {}, image(output.full ?? source, alt), el('figcaption', {}, el('strong', {}, this.title(model)), ` ${details.join(' · ')}`)),
        target ? el('figure', {}, image(target, 'The target'), el('figcaption', {}, el('strong', {}, 'Target'))) : null),
      el('div', { className: 'foot' }, el('span', {}, `Example ${id}, ${this.context.name}. ${this.at + 1} of ${shots.length} on this page; arrow keys go on, Escape closes.`),
        el('button', { type: 'button', className: 'quiet', autofocus: true, on: { click: () => viewer.close() } }, 'Close')));
    if (!viewer.open) viewer.showModal();
    viewer.querySelector('button').focus();
  }

  turn(event) {
    if (!KEYS.has(event.key)) return;
    event.preventDefault();
    const shots = this.shots();
    const to = this.target(event.key, this.at);
    if (to !== this.at) this.open(shots[to]);
  }
}

const KEYS = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End']);

const MOST_ANSWERS = 10;

function answers(texts) {
  if (!texts.length) return null;
  const shown = texts.slice(0, MOST_ANSWERS).map((text) => el('li', {}, text));
  if (texts.length > MOST_ANSWERS) shown.push(el('li', {}, `and ${texts.length - MOST_ANSWERS} more`));
  return el('ul', {}, ...shown);
}

// Values have nine digits; sums of the same values in another order differ in the last ones.
const apart = (x, y) => (Math.abs(x - y) < 1e-9 ? 0 : x - y);

// Leave out children that are null or false, for which replaceChildren would write the word null.
function refill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => el('option', { value }, text)));
}

function choose(select, value) {
  if (value !== null && [...select.options].some((option) => option.value === value)) select.value = value;
}

function chips(fieldset, options, off, changed) {
  fieldset.replaceChildren(fieldset.firstElementChild, ...options.map(([value, text]) => {
    const box = el('input', { type: 'checkbox', value, checked: !off.has(value) });
    box.addEventListener('change', () => { if (box.checked) off.delete(value); else off.add(value); changed(); });
    return el('label', { className: 'chip' }, box, el('span', {}, text));
  }));
}

function matches(item, id, words) {
  const texts = [id, ...item.prompt.map((part) => (typeof part === 'string' ? part : part.id)), item.target?.id ?? '',
    ...item.answers, ...Object.values(item.out).flat().map((output) => output.text ?? ''),
    ...Object.values(item.lost ?? {}).flat().map((loss) => `${loss.outcome} ${loss.reason}`)];
  const all = texts.join('\n').toLowerCase();
  return words.split(/\s+/).every((word) => all.includes(word));
}

const isMarked = (item) => Object.values(item.out).flat().some((output) => output.marks);

function sorted(indices, how, a, b, sign) {
  const keys = {
    'a-best': (at) => -sign * a[at], 'a-worst': (at) => sign * a[at],
    'b-best': (at) => -sign * b[at], 'b-worst': (at) => sign * b[at],
    'a-over-b': (at) => -sign * apart(a[at], b[at]), 'b-over-a': (at) => sign * apart(a[at], b[at]),
    differ: (at) => -Math.abs(apart(a[at], b[at])),
  };
  const key = keys[how];
  if (!key) return indices;
  // Examples without a value come last, in the order of the data.
  return indices.map((at) => [key(at), at])
    .sort(([x, at], [y, to]) => (Number.isNaN(x) - Number.isNaN(y)) || (Number.isNaN(x) ? at - to : x - y || at - to))
    .map(([, at]) => at);
}

begin((manifest) => new Gallery(manifest).start());

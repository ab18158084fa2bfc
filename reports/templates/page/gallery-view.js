'use strict';
// What a gallery shows: every choice of the reader, and the address that holds it, so that a view can be passed on.

const SORTS = [
  ['order', 'order of the data'], ['a-over-b', 'A over B: most first'], ['b-over-a', 'B over A: most first'],
  ['differ', 'largest difference'], ['a-best', 'A: best first'], ['a-worst', 'A: worst first'],
  ['b-best', 'B: best first'], ['b-worst', 'B: worst first'],
];
const SHOWS = [
  ['all', 'all examples'], ['a', 'A wins'], ['b', 'B wins'], ['tie', 'ties'], ['marked', 'truncated or flagged'],
  ['lost', 'failed or missing'], ['failed', 'failed'], ['refused', 'refused'], ['missing', 'missing data'],
  ['not made yet', 'not made yet'],
];
const ROWS_AT_FIRST = 3; // models; so that two to three stories fit on a screen

class View {
  constructor(data) { this.data = data; }

  // Take the choices from an address; what it does not say, or says wrongly, is chosen as for a first visit.
  read(hash) {
    const { data } = this;
    const given = new URLSearchParams(hash.replace(/^#/, ''));
    const get = (name, allowed, otherwise) => (allowed.includes(given.get(name)) ? given.get(name) : otherwise);
    const all = data.contexts;
    const named = get('context', all.map(({ name }) => name), null);
    const model = get('a', named ? data.context(named).models : data.models(), null);
    const context = named ? data.context(named) : data.richest(model ? data.having(model) : all);
    this.a = { model: model ?? context.models.find((name) => name === data.models()[0]) ?? context.models[0], context: context.name };
    this.b = this.readB(given, named !== null);
    this.metric = given.get('metric');
    this.settle();
    this.sort = get('sort', SORTS.map(([name]) => name), 'order');
    this.show = get('show', SHOWS.map(([name]) => name), 'all');
    this.query = given.get('q') ?? '';
    this.facts = new Map(given.getAll('fact').map((fact) => [fact.slice(0, fact.indexOf(':')), fact.slice(fact.indexOf(':') + 1)]));
    const list = (name) => new Set(given.has(name) ? separate(given.get(name), ',') : []);
    this.off = list('off');
    this.hidden = given.has('hide') ? list('hide') : this.firstHidden();
    this.models = given.has('models') ? list('models') : this.firstModels();
    this.by = get('by', ['context', 'seed'], this.byAtFirst());
    this.seed = given.get('seed');
    this.range = { a: readRange(given.get('range-a')), b: readRange(given.get('range-b')) };
    this.example = given.get('example');
    this.cell = readCell(given.get('cell'));
  }

  readB(given, named) {
    const { data, a } = this;
    const other = data.context(given.get('bcontext'))?.name;
    const model = given.get('b');
    if (model && (data.context(other ?? a.context).models.includes(model))) return { model, context: other ?? a.context };
    if (other && data.context(other).models.includes(a.model)) return { model: a.model, context: other };
    const contexts = data.having(a.model);
    const without = named ? null : data.without(data.context(a.context), contexts);
    if (without) return { model: a.model, context: without.name };
    const rival = data.context(a.context).models.find((name) => name !== a.model);
    if (rival) return { model: rival, context: a.context };
    const rest = contexts.filter(({ name, shown }) => name !== a.context && shown);
    return rest.length ? { model: a.model, context: data.richest(rest).name } : null;
  }

  // Keep the choices possible after one of them was changed.
  settle() {
    const { data } = this;
    const metrics = data.context(this.a.context).metrics.map(({ name }) => name);
    if (!metrics.includes(this.metric)) this.metric = metrics[0] ?? null;
    this.models?.add(this.a.model);
    if (this.b) this.models?.add(this.b.model);
    this.hidden?.delete(this.a.context);
    if (this.b) this.hidden?.delete(this.b.context);
  }

  firstModels() {
    const models = new Set([this.a.model, this.b?.model ?? this.a.model, ...this.data.models()]);
    return new Set([...models].slice(0, ROWS_AT_FIRST));
  }

  // Contexts whose outputs are numbers that say nothing to a reader have no column at first.
  firstHidden() {
    const names = (contexts) => contexts.map(({ name }) => name);
    const dumb = names(this.data.contexts.filter(({ shown }) => !shown));
    return new Set(dumb.length < this.data.contexts.length ? dumb.filter((name) => name !== this.a.context) : []);
  }

  byAtFirst() { return this.data.contexts.length > 1 ? 'context' : 'seed'; }

  get seeds() { return [...new Set(this.data.contexts.flatMap(({ seeds }) => seeds))].sort((x, y) => x - y).map(String); }

  // The seed whose outputs stand in the columns of contexts.
  get shownSeed() {
    const seeds = this.seeds.filter((seed) => !this.off.has(seed));
    return seeds.includes(this.seed) ? this.seed : seeds[0] ?? this.seeds[0] ?? '0';
  }

  // The columns: contexts with one seed, or the seeds of A's context.
  columns() {
    const { data } = this;
    if (this.by === 'seed') {
      return data.context(this.a.context).seeds.map(String).filter((seed) => !this.off.has(seed))
        .map((seed) => ({ context: this.a.context, seed, label: `seed ${seed}` }));
    }
    return data.contexts.filter(({ name, models }) => !this.hidden.has(name) && models.some((model) => this.models.has(model)))
      .map(({ name }) => ({ context: name, seed: this.shownSeed, label: data.label(name) }));
  }

  // The models with an output in one of the columns.
  rows() {
    const columns = this.columns();
    return [...this.models].length
      ? this.data.models().filter((model) => this.models.has(model)
        && columns.some(({ context }) => this.data.context(context).models.includes(model))) : [];
  }

  side(model, context) {
    if (this.a.model === model && this.a.context === context) return 'a';
    return this.b?.model === model && this.b.context === context ? 'b' : '';
  }

  filters() {
    return Boolean(this.query || this.show !== 'all' || this.facts.size || this.range.a || this.range.b);
  }

  clear() {
    Object.assign(this, { query: '', show: 'all', facts: new Map(), range: { a: null, b: null } });
  }

  // The address of this view; of an example in it, or of one cell of an example, where they are given.
  address({ example = this.example, cell = this.cell } = {}) {
    const { a, b } = this;
    const out = new URLSearchParams();
    if (example !== null) out.set('example', example);
    if (example !== null && cell) out.set('cell', together(cell, '/'));
    out.set('context', a.context);
    if (this.metric) out.set('metric', this.metric);
    out.set('a', a.model);
    if (b) out.set('b', b.model);
    if (b && b.context !== a.context) out.set('bcontext', b.context);
    if (this.sort !== 'order') out.set('sort', this.sort);
    if (this.show !== 'all') out.set('show', this.show);
    if (this.query) out.set('q', this.query);
    for (const [name, value] of this.facts) out.append('fact', `${name}:${value}`);
    if (this.by !== this.byAtFirst()) out.set('by', this.by);
    if (this.seed !== null) out.set('seed', this.seed);
    if (this.off.size) out.set('off', together(this.off, ','));
    if (!equal(this.hidden, this.firstHidden())) out.set('hide', together(this.hidden, ','));
    if (!equal(this.models, this.firstModels())) out.set('models', together(this.models, ','));
    for (const side of ['a', 'b']) if (this.range[side]) out.set(`range-${side}`, this.range[side].map(plainNumber).join('..'));
    return `#${out}`;
  }
}

// Names in one text; a name may hold the sign that stands between them.
const together = (names, sign) => [...names].map((name) => name.replace(/[%,/]/g, encodeURIComponent)).join(sign);
const separate = (text, sign) => text.split(sign).map((name) => name.replace(/%(25|2C|2F)/g, decodeURIComponent));

const equal = (x, y) => x.size === y.size && [...x].every((value) => y.has(value));
const plainNumber = (value) => (Number.isFinite(value) ? `${Number(value.toPrecision(6))}` : '');

// A range as the address has it, "0.2..0.7"; an end that is left out is open. Null if there is none.
function readRange(text) {
  const [low, high] = (text ?? '').split('..').map((part) => (part === '' ? null : Number(part)));
  const range = [low ?? -Infinity, high ?? Infinity];
  return text && !range.some(Number.isNaN) && range.some(Number.isFinite) ? range : null;
}

// A cell of an example: the truth, a picture of the context by number, or a model, context and seed.
function readCell(text) {
  const parts = text ? separate(text, '/') : [];
  if (parts[0] === 'truth' && parts.length === 1) return parts;
  if (parts[0] === 'given' && parts.length === 2) return parts;
  return parts.length === 3 ? parts : null;
}

// The positions of the examples that a view shows, in its order. `means` are A's and B's values, `sign` is 1 where higher is better.
function sorted(positions, how, { a, b }, sign) {
  const keys = {
    'a-best': (at) => -sign * a[at], 'a-worst': (at) => sign * a[at],
    'b-best': (at) => -sign * b[at], 'b-worst': (at) => sign * b[at],
    'a-over-b': (at) => -sign * apart(a[at], b[at]), 'b-over-a': (at) => sign * apart(a[at], b[at]),
    differ: (at) => -Math.abs(apart(a[at], b[at])),
  };
  const key = keys[how];
  if (!key) return positions;
  // Examples without a value come last, in the order of the data.
  return positions.map((at) => [key(at), at])
    .sort(([x, at], [y, to]) => (Number.isNaN(x) - Number.isNaN(y)) || (Number.isNaN(x) ? at - to : x - y || at - to))
    .map(([, at]) => at);
}

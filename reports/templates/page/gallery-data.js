'use strict';
// The data of a gallery. Each context has files of its own; their examples are brought to one list here, so that a
// model's outputs in several contexts stand side by side. Positions in that list are called `at`.

class GalleryData {
  constructor(manifest) {
    Object.assign(this, { manifest, titles: manifest.titles, contexts: manifest.contexts });
    this.indexes = new Map();
    this.places = new Map();
  }

  async open() {
    const lists = await Promise.all(this.contexts.map((context) => load(context.ids)));
    const longest = lists.toSorted((x, y) => y.length - x.length);
    this.positions = new Map();
    for (const ids of new Set(longest)) {
      for (const id of ids) if (!this.positions.has(id)) this.positions.set(id, this.positions.size);
    }
    this.ids = [...this.positions.keys()];
    for (const [number, context] of this.contexts.entries()) {
      const places = new Int32Array(this.ids.length).fill(-1);
      for (const [place, id] of lists[number].entries()) places[this.positions.get(id)] = place;
      this.places.set(context.name, places);
    }
  }

  context(name) { return this.contexts.find((context) => context.name === name) ?? null; }

  title(model) { return Object.hasOwn(this.titles, model) ? this.titles[model] : model; }

  // The name of a context in words: 5-captions-4-images@foreign-images is "5 captions, 4 images, foreign images".
  label(context) {
    const [plain, ...controls] = context.split('@');
    const counts = plain.match(/\d+-[a-z]+/g) ?? [];
    const parts = counts.join('-') === plain ? counts : [plain];
    return [...parts, ...controls].map((part) => part.replaceAll('-', ' ')).join(', ');
  }

  place(context, at) { return this.places.get(context)[at]; }

  async index(context) {
    if (!this.indexes.has(context)) this.indexes.set(context, await load(this.context(context).index));
    return this.indexes.get(context);
  }

  // An example as a context gives it to models, with their outputs; null where the context lacks the example.
  async item(context, at) {
    const place = this.place(context, at);
    if (place < 0) return null;
    const { blocks, block } = await this.index(context);
    return (await load(blocks[Math.floor(place / block)]))[place % block];
  }

  // The values of a metric in a context, by model, seed and place; null where the context lacks the metric.
  async values(context, metric) {
    const entry = this.context(context)?.metrics.find(({ name }) => name === metric);
    return entry ? load(entry.values) : null;
  }

  value(values, context, model, seed, at) { return values?.[model]?.[seed]?.[this.place(context, at)] ?? null; }

  // Each example's mean over the seeds that are not switched off; NaN if one of these seeds has no value.
  async means({ model, context }, metric, off) {
    const means = new Float64Array(this.ids.length).fill(Number.NaN);
    const values = await this.values(context, metric);
    const seeds = Object.entries(values?.[model] ?? {}).filter(([seed]) => !off.has(seed));
    if (!seeds.length) return means;
    for (let at = 0; at < means.length; at += 1) {
      const place = this.place(context, at);
      let sum = 0;
      for (const [, bySeed] of seeds) sum += bySeed[place] ?? Number.NaN;
      means[at] = sum / seeds.length;
    }
    return means;
  }

  async photo(number) { return this.pick(this.manifest.photos, this.manifest.photosPack, number); }

  async original(number) { return (await load(this.manifest.originals))[number] ?? null; }

  async output(context, number) {
    const { packs, pack } = await this.index(context);
    return this.pick(packs, pack, number);
  }

  async pick(packs, size, number) {
    if (number === null || number === undefined) return null;
    return (await load(packs[Math.floor(number / size)]))[number % size];
  }

  // ------------------------------------------------------------ contexts and models that are compared at first

  // How rich a context is: pictures count before words. Control contexts, whose parts were changed, come last, after
  // those in which no output says anything to a reader.
  order(x, y) {
    return Number(x.control) - Number(y.control) || Number(y.shown) - Number(x.shown) || y.given.pictures - x.given.pictures
      || y.given.characters - x.given.characters;
  }

  richest(contexts) { return contexts.toSorted(this.order)[0]; }

  having(model) { return this.contexts.filter((context) => context.models.includes(model)); }

  // The context with the same words and no pictures.
  without(context, contexts) {
    if (!context.given.pictures || context.control) return null;
    return contexts.find((other) => !other.control && !other.given.pictures
      && Math.abs(other.given.characters - context.given.characters) < 1e-6) ?? null;
  }

  // The models, those with the most contexts first.
  models() {
    const models = [...new Set(this.contexts.flatMap((context) => context.models))];
    return models.toSorted((x, y) => this.having(y).length - this.having(x).length);
  }

  // Pairs of a model and context whose difference answers a question: what do pictures, more words, or the model add?
  gains() {
    const pairs = [];
    const add = (a, contextA, b, contextB, title) => pairs.push({
      a: { model: a, context: contextA.name }, b: { model: b, context: contextB.name }, title });
    for (const model of this.models()) {
      const contexts = this.having(model).filter((context) => !context.control);
      const richest = this.richest(contexts);
      const without = richest && this.without(richest, contexts);
      if (without) add(model, richest, model, without, `${this.title(model)} with pictures over without`);
    }
    const [first, ...others] = this.models();
    const own = first ? this.having(first).filter((context) => !context.control) : [];
    if (own.length > 1) {
      const [richest, poorest] = [this.richest(own), own.toSorted(this.order).at(-1)];
      add(first, richest, first, poorest, `${this.title(first)}, ${this.label(richest.name)} over ${this.label(poorest.name)}`);
    }
    for (const other of others) {
      const shared = this.richest(own.filter((context) => context.models.includes(other)));
      if (shared) add(first, shared, other, shared, `${this.title(first)} over ${this.title(other)}`);
    }
    return pairs.slice(0, MOST_GAINS);
  }
}

const MOST_GAINS = 4;

// Values have nine digits; sums of the same values in another order differ in the last ones.
const apart = (x, y) => (Math.abs(x - y) < 1e-9 ? 0 : x - y);

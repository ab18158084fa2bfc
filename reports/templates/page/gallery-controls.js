'use strict';
// The form at the top of a gallery: it shows a view's choices and changes them.

const FIELDS = ['context', 'metric', 'a', 'b', 'bcontext', 'sort', 'show', 'facts', 'query', 'models', 'seeds', 'contexts', 'by', 'seed'];

class Controls {
  constructor(data, changed) {
    Object.assign(this, { data, changed });
    this.parts = Object.fromEntries([...FIELDS, 'controls', 'panel', 'more'].map((id) => [id, document.getElementById(id)]));
    const { parts } = this;
    fill(parts.sort, SORTS);
    fill(parts.by, [['context', 'a column per context'], ['seed', 'a column per seed']]);
    parts.controls.addEventListener('submit', (event) => event.preventDefault());
    parts.more.addEventListener('click', () => {
      parts.panel.hidden = !parts.panel.hidden;
      parts.more.setAttribute('aria-expanded', `${!parts.panel.hidden}`);
    });
    const on = (id, act) => parts[id].addEventListener('change', () => { act(parts[id].value, this.view); this.view.settle(); changed(); });
    on('a', (model, view) => { view.a = this.side(model, view.a.context); });
    on('context', (context, view) => { view.a = { model: view.a.model, context }; });
    on('b', (model, view) => { view.b = this.side(model, view.b.context); });
    on('bcontext', (context, view) => { view.b = { model: view.b.model, context }; });
    for (const id of ['metric', 'sort', 'show', 'by', 'seed']) on(id, (value, view) => { view[id] = value; });
    let timer = 0;
    parts.query.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => { this.view.query = parts.query.value; changed(); }, 200);
    });
  }

  // A model in a context that it has: the one before, or else its richest.
  side(model, context) {
    const contexts = this.data.having(model);
    return { model, context: contexts.some(({ name }) => name === context) ? context : this.data.richest(contexts).name };
  }

  async show(view, counts) {
    const { data, parts } = this;
    this.view = view;
    const entry = data.context(view.a.context);
    const models = data.models();
    const labels = (contexts) => contexts.map(({ name }) => [name, data.label(name)]);
    const titles = models.map((model) => [model, data.title(model)]);
    for (const [model, context, side] of [['a', 'context', view.a], ['b', 'bcontext', view.b]]) {
      parts[model].parentElement.hidden = !side || (!view.b && (models.length < 2 && data.contexts.length < 2));
      if (!side) continue;
      fill(parts[model], titles, side.model);
      fill(parts[context], labels(data.having(side.model)), side.context);
      parts[context].hidden = data.contexts.length < 2;
    }
    fill(parts.metric, entry.metrics.map(({ name }) => [name, name]), view.metric);
    parts.metric.parentElement.hidden = entry.metrics.length === 0;
    fill(parts.show, SHOWS.filter(([name]) => name in SHOW_ALWAYS || name === view.show || counts[name]), view.show);
    for (const option of [...parts.sort.options, ...parts.show.options]) {
      const two = /over|differ|^[ab]$|tie|^b-/.test(option.value);
      option.disabled = (two && !view.b) || (/^a-|over|differ|^b-/.test(option.value) && !view.metric);
    }
    for (const id of ['sort', 'show', 'by']) parts[id].value = view[id];
    if (parts.query !== document.activeElement) parts.query.value = view.query;
    fill(parts.seed, view.seeds.map((seed) => [seed, seed]), view.shownSeed);
    parts.seed.parentElement.hidden = view.by === 'seed' || view.seeds.length < 2;
    parts.by.parentElement.hidden = data.contexts.length < 2;
    chips(parts.models, titles, (model) => view.models.has(model), (model, isOn) => this.toggle(view.models, model, isOn));
    chips(parts.contexts, labels(data.contexts), (name) => !view.hidden.has(name), (name, isOn) => this.toggle(view.hidden, name, !isOn));
    chips(parts.seeds, view.seeds.map((seed) => [seed, seed]), (seed) => !view.off.has(seed), (seed, isOn) => this.toggle(view.off, seed, !isOn));
    parts.models.hidden = models.length < 2;
    parts.contexts.hidden = data.contexts.length < 2 || view.by === 'seed';
    parts.seeds.hidden = view.seeds.length < 2;
    await this.showFacts(view);
  }

  async showFacts(view) {
    const { facts } = await this.data.index(view.a.context);
    const choosers = Object.entries(facts).map(([name, { values }]) => {
      const select = el('select', { 'data-fact': name });
      fill(select, [['', 'any'], ...values.map((value) => [value, value])], view.facts.get(name) ?? '');
      select.addEventListener('change', () => {
        if (select.value) view.facts.set(name, select.value); else view.facts.delete(name);
        this.changed();
      });
      return el('label', {}, `${name} `, select);
    });
    const key = JSON.stringify([...Object.keys(facts), view.a.context]);
    if (this.factsKey !== key) this.parts.facts.replaceChildren(...choosers);
    else for (const select of this.parts.facts.querySelectorAll('select')) select.value = view.facts.get(select.dataset.fact) ?? '';
    this.factsKey = key;
    this.parts.panel.dataset.facts = choosers.length;
  }

  toggle(set, value, isIn) {
    if (isIn) set.add(value); else set.delete(value);
    this.changed();
  }
}

const SHOW_ALWAYS = { all: true, a: true, b: true, tie: true };

function fill(select, options, value) {
  const key = JSON.stringify(options);
  if (select.filled !== key) select.replaceChildren(...options.map(([name, text]) => el('option', { value: name }, text)));
  select.filled = key;
  if (value !== undefined && value !== null) select.value = value;
}

function chips(fieldset, options, isOn, act) {
  const key = JSON.stringify(options);
  if (fieldset.filled !== key) {
    fieldset.replaceChildren(fieldset.firstElementChild, ...options.map(([value, text]) =>
      el('label', { className: 'chip' }, el('input', { type: 'checkbox', value }), el('span', {}, text))));
  }
  fieldset.filled = key;
  for (const box of fieldset.querySelectorAll('input')) {
    box.checked = isOn(box.value);
    box.onchange = () => act(box.value, box.checked);
  }
}

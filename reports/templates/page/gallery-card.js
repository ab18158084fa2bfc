'use strict';
// An example as a card: on one side its context as a film strip that ends with the truth, on the other the outputs as a
// table, a row per model and a column per context or seed.

// The frames of a strip: each picture of a prompt with the text beside it. Pictures are numbered in reading order.
function frames(prompt) {
  const textFirst = typeof prompt[0] === 'string';
  const strip = [];
  let number = 0;
  for (const part of prompt) {
    const last = strip.at(-1);
    if (typeof part === 'string') {
      if (!textFirst && last?.picture && last.text === undefined) last.text = part;
      else strip.push({ text: part });
    } else {
      const numbered = { picture: part, number };
      number += 1;
      if (textFirst && last && !last.picture) Object.assign(last, numbered);
      else strip.push(numbered);
    }
  }
  return strip;
}

// The seeds' outputs that an example lacks in a context, for one model and seed.
function lossOf(item, model, seed) {
  return item?.lost?.[model]?.find(({ seeds }) => !seeds.length || seeds.some((each) => `${each}` === seed)) ?? null;
}

function outputOf(item, model, seed) {
  return item?.out[model]?.find((output) => `${output.seed}` === seed) ?? null;
}

// A list of words that repeat, such as votes, with counts: "gen,gen,ret" is "2 gen, 1 ret".
function counted(value) {
  const words = value.split(',');
  const names = [...new Set(words)];
  if (words.length < 3 || names.length === words.length) return value;
  return names.map((name) => `${words.filter((word) => word === name).length} ${name}`).join(', ');
}

// The words of an output, line by line; a decision says whether it is the example's label.
function outputWords(text, facts) {
  if (!text.trim()) return [el('p', {}, '(no words)')];
  return text.trim().split('\n').map((line) => {
    const decision = line.match(/^decision: (\w+)$/)?.[1];
    const right = decision && facts.label ? decision.startsWith(facts.label) : null;
    return el('p', {}, line, right === null ? null
      : el('span', { className: right ? 'better' : 'worse' }, right ? ' as labelled' : ` label ${facts.label}`));
  });
}

class Cards {
  constructor(data, view, open, link) { Object.assign(this, { data, view, open, link }); }

  // An empty card at once; its content follows as soon as its files are read.
  build(at, position, count) {
    const id = this.data.ids[at];
    const article = el('article', { className: 'example', 'aria-label': `Example ${id}`, 'aria-posinset': `${position + 1}`,
      'aria-setsize': `${count}` }, el('header', {}, el('h2', {}, id)));
    article.at = at;
    article.ready = this.fill(article, at, id).catch((error) => article.append(el('p', { className: 'warning' }, error.message)));
    return article;
  }

  async fill(article, at, id) {
    const { data, view } = this;
    const columns = view.columns();
    const contexts = [...new Set([view.a.context, ...columns.map(({ context }) => context)])];
    const items = new Map(await Promise.all(contexts.map(async (name) => [name, await data.item(name, at)])));
    const values = new Map(await Promise.all(contexts.map(async (name) => [name, await data.values(name, view.metric)])));
    const own = items.get(view.a.context) ?? contexts.map((name) => items.get(name)).find(Boolean);
    if (!own) {
      article.append(el('p', { className: 'hint' }, 'None of the contexts that are shown has this example.'));
      return;
    }
    const [strip, table] = await Promise.all([this.strip(own, id), this.table(at, id, own, items, values, columns)]);
    article.replaceChildren(this.header(at, id, own), strip, table);
    // Tab reaches the strip and the table; arrow keys go from picture to picture.
    const stops = [strip.querySelector('button.shot') ?? strip.firstElementChild,
      table.querySelector('button.shot.is-a') ?? table.querySelector('button.shot')];
    for (const stop of stops) if (stop) stop.tabIndex = 0;
  }

  header(at, id, item) {
    const { means, sign } = this;
    const [a, b] = [means?.a[at], means?.b?.[at]];
    const parts = [el('h2', {}, id)];
    if (item.cluster !== id) parts.push(el('span', { className: 'cluster', title: `cluster ${item.cluster}` }, `cluster ${item.cluster}`));
    for (const [name, value] of Object.entries(item.facts)) parts.push(el('span', {}, `${name} `, el('b', {}, counted(value))));
    if (means?.b && !Number.isNaN(a - b)) {
      const gain = apart(a, b);
      parts.push(el('span', { className: 'scores' }, el('b', { className: 'badge a' }, 'A '), digits(a), ' ',
        el('b', { className: 'badge b' }, 'B '), digits(b), ' A − B ',
        el('b', { className: sign * gain > 0 ? 'badge a' : sign * gain < 0 ? 'badge b' : null }, signed(gain))));
    }
    parts.push(el('button', { type: 'button', className: 'plain-link', 'aria-label': `Copy link to example ${id}`,
      on: { click: (event) => this.link(event.currentTarget, at) } }, 'Copy link'));
    return el('header', {}, ...parts);
  }

  // ------------------------------------------------------------ the strip

  async strip(item, id) {
    const strip = frames(item.prompt);
    const last = strip.at(-1);
    const truthText = item.target && strip.length > 1 && last && !last.picture ? strip.pop().text : undefined;
    const parts = await Promise.all(strip.map(({ picture, text, number }) => this.frame(
      picture && { picture, alt: `Picture ${number + 1} of the context of ${id}`, cell: ['given', `${number}`] }, text)));
    if (item.target) {
      parts.push(await this.frame({ picture: item.target, alt: `The truth of ${id}`, cell: ['truth'] }, truthText, 'truth'));
    }
    const kind = strip.length > 1 ? '' : strip[0]?.picture ? (item.target ? '' : ' alone') : ' told';
    return el('div', { className: `context${kind}` },
      el('ol', { className: 'strip' }, ...parts), references(item.answers));
  }

  async frame(shown, text, kind = '') {
    const label = kind ? el('span', { className: 'tag' }, 'Truth') : null;
    const picture = shown ? this.shot(await this.data.photo(shown.picture.at), shown.alt, shown.cell, {}, `picture ${shown.picture.id}`) : null;
    if (label) picture.append(label);
    return el('li', { className: `frame ${kind}${shown ? '' : ' words-only'}` }, picture, text === undefined ? null : el('p', { title: text }, text));
  }

  // A picture as a button that opens it, or a gap that says what lacks.
  shot(source, alt, cell, { side = '', detail = null } = {}, gap = 'no picture') {
    const names = `shot${side ? ` is-${side}` : ''}`;
    const inside = source ? image(source, alt) : el('span', { className: 'hole' }, gap);
    const button = el('button', { type: 'button', className: names, tabIndex: -1, 'aria-label': source ? null : `${alt}: ${gap}` },
      inside, side ? el('span', { className: 'tag', 'aria-hidden': 'true' }, side.toUpperCase()) : null, detail);
    button.cell = cell;
    button.addEventListener('click', () => this.open(button.closest('article').at, cell));
    return button;
  }

  // ------------------------------------------------------------ the table of outputs

  async table(at, id, own, items, values, columns) {
    const { data, view } = this;
    const rows = view.rows();
    const shown = rows.flatMap((model) => columns.map(({ context, seed }) => data.value(values.get(context), context, model, seed, at)))
      .filter((value) => value !== null);
    const best = shown.length > 1 ? (this.sign > 0 ? Math.max(...shown) : Math.min(...shown)) : null;
    const body = await Promise.all(rows.map(async (model) => el('tr', {},
      el('th', { scope: 'row' }, data.title(model)),
      ...await Promise.all(columns.map(async ({ context, seed, label }) => {
        const value = data.value(values.get(context), context, model, seed, at);
        return this.output(items.get(context), { model, context, seed, label, id, value, best: value !== null && value === best, facts: own.facts });
      })))));
    return el('div', { className: 'scroll matrix', tabIndex: 0, role: 'region', 'aria-label': `Outputs for ${id}` },
      el('table', { className: 'outputs' },
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Model'), ...columns.map(({ label }) => el('th', { scope: 'col' }, label)))),
        el('tbody', {}, ...body)));
  }

  async output(item, { model, context, seed, label, id, value, best, facts }) {
    const { data, view } = this;
    const cell = [model, context, seed];
    const side = view.side(model, context);
    const loss = lossOf(item, model, seed);
    if (loss) {
      const reason = `${loss.outcome}${loss.reason ? `: ${loss.reason}` : ''}`;
      const button = this.shot(null, `${data.title(model)}, ${label}, ${id}`, cell, { side }, reason);
      button.classList.add('lost');
      button.title = reason;
      return el('td', {}, button);
    }
    const output = outputOf(item, model, seed);
    const score = value === null ? null : el(best ? 'b' : 'span', { className: 'value' }, digits(value));
    if (!output) return el('td', { className: 'none' }, score ?? el('span', { className: 'value', title: 'not run' }, '–'));
    const marks = output.marks?.length ? el('span', { className: 'marks' }, output.marks.join(', ')) : null;
    if (output.at === undefined && !output.gone) {
      return el('td', { className: `words${side ? ` is-${side}` : ''}` },
        ...(output.text === undefined ? [score ? null : el('p', { className: 'hint' }, 'kept as numbers')] : outputWords(output.text, facts)),
        score, marks);
    }
    const source = output.gone ? null : await data.output(context, output.at);
    const alt = [data.title(model), label, `example ${id}`, view.by === 'seed' ? '' : `seed ${seed}`, value === null ? '' : digits(value), ...(output.marks ?? [])];
    return el('td', {}, this.shot(source, alt.filter(Boolean).join(', '), cell, { side, detail: marks }), score);
  }
}

const MOST_ANSWERS = 5;

function references(texts) {
  if (!texts.length) return null;
  const shown = [...new Set(texts)];
  const times = (text) => { const count = texts.filter((other) => other === text).length; return count > 1 ? ` (${count} times)` : ''; };
  return el('div', { className: 'references' }, el('p', { className: 'label' }, 'References'),
    el('ul', {}, ...shown.slice(0, MOST_ANSWERS).map((text) => el('li', {}, `${text}${times(text)}`)),
      shown.length > MOST_ANSWERS ? el('li', {}, `and ${shown.length - MOST_ANSWERS} more`) : null));
}

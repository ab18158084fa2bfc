'use strict';
// Asks an annotator about one pair of pictures after the other. Served by `gill-bench annotate`, each vote goes to the
// server, which keeps it; opened from disk, votes stay in this browser until the annotator saves them as a file.

const ANSWERS = [['left', 'Left', '1'], ['same', 'The same', '2'], ['right', 'Right', '3']];
const at = (id) => document.getElementById(id);
const token = document.body.dataset.token;

// 32 bits of a text: FNV-1a, with the final mix of MurmurHash3 so that similar texts differ in all bits.
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

// An order of the items for each annotator, always the same one, with each item's left and right picture.
function orderFor(study, annotator) {
  const drawn = (item, what) => hash(`${what}\n${study.study}\n${annotator}\n${item.id}`);
  return study.items
    .map((item) => ({ item, key: drawn(item, 'order') }))
    .sort((one, other) => one.key - other.key || (one.item.id < other.item.id ? -1 : 1))
    .map(({ item }) => {
      const [left, right] = drawn(item, 'side') & 1 ? [...item.pictures].reverse() : item.pictures;
      return { ...item, left, right };
    });
}

// Votes that a server keeps.
const onServer = {
  async ask(path, options = {}) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { 'Content-Type': 'application/json', 'X-Gill-Bench-Token': token } });
    } catch {
      throw new Error('Not saved: the server does not answer. Have it started again, then try again.');
    }
    if (answer.status === 403) throw new Error('The server was started anew: load this page again. What was saved is kept; the last answer was not.');
    if (!answer.ok) throw new Error(`Not saved: ${(await answer.text()).trim()}`);
    return answer.json();
  },
  votes: (annotator) => onServer.ask(`votes?annotator=${encodeURIComponent(annotator)}`).then(({ votes }) => votes),
  change: (annotator, change) => onServer.ask('votes', { method: 'POST', body: JSON.stringify({ annotator, ...change }) }),
};

// Votes that this browser keeps, until they are saved as a file.
const inBrowser = (study) => {
  const key = (annotator) => `gill-bench votes ${study.study} ${annotator}`;
  const read = (annotator) => JSON.parse(localStorage.getItem(key(annotator)) ?? '[]');
  return {
    votes: async (annotator) => read(annotator),
    async change(annotator, { vote, takenBack }) {
      const others = read(annotator).filter(({ item }) => item !== (vote?.item ?? takenBack));
      try {
        localStorage.setItem(key(annotator), JSON.stringify(vote ? [...others, vote] : others));
      } catch {
        throw new Error('Not saved: this browser keeps nothing for this page. Save your votes as a file, and use another browser.');
      }
    },
  };
};

function gillBenchAnnotate(study) {
  const store = token ? onServer : inBrowser(study);
  let annotator = '', order = [], current = null, answers = {}, busy = false, retry = null;
  const votes = new Map(); // by item, the latest last

  const questions = study.questions.map(({ name, text }) => {
    const field = document.createElement('fieldset');
    field.append(Object.assign(document.createElement('legend'), { textContent: text }));
    const buttons = ANSWERS.map(([answer, label, digit]) => {
      const button = Object.assign(document.createElement('button'), { type: 'button', className: 'quiet', textContent: label });
      button.append(Object.assign(document.createElement('kbd'), { textContent: digit }));
      button.addEventListener('click', () => give(name, answer));
      return button;
    });
    field.append(...buttons);
    at('questions').append(field);
    return { name, field, buttons };
  });

  const show = (id) => ['start', 'work', 'done'].forEach((name) => { at(name).hidden = name !== id; });
  const next = () => questions.find(({ name }) => !(name in answers));

  function say(text, again = null) {
    retry = again;
    at('message').firstElementChild.textContent = text;
    at('message').hidden = !text;
    at('again').hidden = !again;
  }

  function mark() {
    const ready = current && !busy && ['left', 'right'].every((id) => at(id).complete && at(id).naturalWidth > 0);
    for (const { name, field, buttons } of questions) {
      field.classList.toggle('now', next()?.name === name);
      buttons.forEach((button, number) => {
        button.disabled = !ready;
        button.setAttribute('aria-pressed', answers[name] === ANSWERS[number][0]);
      });
    }
    at('undo').disabled = busy || (votes.size === 0 && Object.keys(answers).length === 0);
    document.body.dataset.ready = Boolean(ready);
  }

  function part(content) {
    if (typeof content === 'string') return Object.assign(document.createElement('p'), { textContent: content });
    return Object.assign(document.createElement('img'), { src: `pictures/${content.picture}.png`, alt: 'A picture that belongs to the text' });
  }

  function ask(item) {
    current = item;
    answers = {};
    at('progress').textContent = `${votes.size} of ${order.length} done`;
    [at('share').value, at('share').max] = [votes.size, order.length];
    if (!item) {
      show('done');
      at('what-now').textContent = token ? 'Everything is saved: you can close this page.' : 'Now save your votes as a file, and send it to whoever asked you.';
      at('thanks').focus();
      return;
    }
    show('work');
    at('prompt').replaceChildren(...item.prompt.map(part));
    at('prompt').scrollTop = 0;
    at('left').src = `pictures/${item.left}.png`;
    at('right').src = `pictures/${item.right}.png`;
    document.body.dataset.item = item.id;
    mark();
  }

  const following = () => order.find(({ id }) => !votes.has(id));

  async function change(what, then) {
    busy = true;
    mark();
    try {
      await store.change(annotator, what);
      busy = false;
      say('');
      then();
    } catch (error) {
      busy = false;
      say(error.message, () => change(what, then));
      mark();
    }
  }

  function give(name, answer) {
    if (busy || !current || document.body.dataset.ready !== 'true') return;
    answers[name] = answer;
    mark();
    if (next()) return;
    const picture = (answer) => (answer === 'same' ? answer : current[answer]);
    const vote = { item: current.id, left: current.left, at: new Date().toISOString() };
    for (const { name } of questions) vote[name] = picture(answers[name]);
    change({ vote }, () => {
      votes.delete(vote.item);
      votes.set(vote.item, vote);
      ask(following());
    });
  }

  function undo() {
    if (busy) return;
    if (Object.keys(answers).length > 0) {
      answers = {};
      say('');
      mark();
      return;
    }
    const last = [...votes.keys()].at(-1);
    if (last === undefined) return;
    change({ takenBack: last }, () => {
      votes.delete(last);
      ask(order.find(({ id }) => id === last));
    });
  }

  function save() {
    const content = { format: 'gill-bench votes', version: 1, study: study.study, annotator, votes: [...votes.values()] };
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(content, null, 1)}\n`], { type: 'application/json' }));
    link.download = `votes-${annotator.replaceAll(/[^\p{L}\p{N}_-]+/gu, '-')}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async function begin() {
    const name = at('name').value.normalize('NFC').trim().replaceAll(/\s+/g, ' ');
    if (!name || busy) return;
    busy = true;
    try {
      const kept = await store.votes(name);
      annotator = name;
      order = orderFor(study, annotator);
      votes.clear();
      kept.forEach((vote) => votes.set(vote.item, vote));
      busy = false;
      say('');
      ask(following());
    } catch (error) {
      busy = false;
      say(error.message, begin);
    }
  }

  at('begin').addEventListener('submit', (event) => { event.preventDefault(); begin(); });
  for (const id of ['left', 'right']) {
    at(id).addEventListener('load', mark);
    at(id).addEventListener('error', () => say('A picture cannot be shown: load this page again, and tell whoever asked you if it stays so.'));
  }
  at('undo').addEventListener('click', undo);
  at('back').addEventListener('click', undo);
  at('again').addEventListener('click', () => retry?.());
  for (const button of document.querySelectorAll('.save')) {
    button.hidden = Boolean(token);
    button.addEventListener('click', save);
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !annotator) return;
    const answer = ANSWERS.find(([, , digit]) => digit === event.key);
    const key = event.key.toLowerCase();
    if (answer && next() && !at('work').hidden) give(next().name, answer[0]);
    else if (key === 'u') undo();
    else if (key === 's' && !token) save();
    else if (key === 'enter' && retry && event.target.tagName !== 'BUTTON') retry();
    else return;
    event.preventDefault();
  });
  at('name').focus();
}

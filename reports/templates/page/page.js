'use strict';
// Browsers forbid pages opened from disk to fetch files: data files are scripts that call gillBench(name, value).
// All texts in the data become text nodes, never markup.

const waiting = new Map();
const kept = new Map();
const MOST_KEPT = 400;

globalThis.gillBench = (name, value) => {
  const promise = waiting.get(name);
  if (promise) promise.resolve(value);
};

function load(name) {
  if (kept.has(name)) {
    const promise = kept.get(name);
    kept.delete(name); // what is used stays longest
    kept.set(name, promise);
    return promise;
  }
  const promise = new Promise((resolve, reject) => {
    waiting.set(name, { resolve });
    const script = document.createElement('script');
    const done = () => { waiting.delete(name); script.remove(); };
    script.src = `${name}.js`;
    script.addEventListener('load', done);
    script.addEventListener('error', () => {
      done();
      kept.delete(name);
      reject(new Error(`${name}.js is missing: is the folder complete?`));
    });
    document.head.append(script);
  });
  kept.set(name, promise);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return promise;
}

function el(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'on') for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (key in element && typeof value !== 'string') element[key] = value;
    else element.setAttribute(key === 'className' ? 'class' : key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A number with four decimals; small numbers have three digits, large numbers two decimals.
function digits(value) {
  const size = Math.abs(value);
  const text = size >= 100 ? size.toFixed(2) : size > 0 && size < 0.01 ? size.toPrecision(3) : size.toFixed(4);
  return value < 0 ? `−${text}` : text;
}
const signed = (value) => (value < 0 ? '−' : '+') + digits(Math.abs(value));
const chance = (p) => (p < 0.001 ? p.toExponential(1) : p.toFixed(3));

// ---------------------------------------------------------------- tests, from the side of one model

function testLine(test, model, titles) {
  const turned = test.models[0] === model;
  const [first, second] = turned ? test.models : [test.models[1], test.models[0]];
  const sign = turned ? -1 : 1;
  const [low, high] = turned ? [-test.high, -test.low] : [test.low, test.high];
  const better = test.better === null ? null : turned ? !test.better : test.better;
  const name = (id) => (Object.hasOwn(titles, id) ? titles[id] : id);
  // The difference and both ends have the same number of decimals, with at least three digits of the largest.
  const largest = Math.max(Math.abs(test.mean), Math.abs(low), Math.abs(high));
  const decimals = largest > 0 ? Math.min(12, Math.max(4, 2 - Math.floor(Math.log10(largest)))) : 4;
  const withSign = (value) => (value < 0 ? '−' : '+') + Math.abs(value).toFixed(decimals);
  return {
    title: `${name(first)} − ${name(second)}`,
    difference: `${withSign(sign * test.mean)} [${withSign(low)}, ${withSign(high)}]`,
    p: `${chance(test.p)} (${chance(test.holm)})`,
    n: `${test.n} examples in ${test.clusters} clusters`,
    verdict: better === null ? 'no difference that stands out' : better ? 'better' : 'worse',
    className: better === null ? null : better ? 'better' : 'worse',
  };
}

function closeOutside(dialog) {
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
}

async function copy(button, source) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // Some browsers refuse the clipboard to pages on disk, but copy the selected text.
    getSelection().selectAllChildren(source);
    document.execCommand('copy');
  }
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = label; }, 1500);
}

function image(source, alt) {
  const element = el('img', { alt, decoding: 'async', loading: 'lazy' });
  sharpen(element);
  element.src = source;
  return element;
}

// A small picture that is shown larger keeps its pixels.
function sharpen(element) {
  const look = () => element.classList.toggle('pixels', element.naturalWidth <= 96);
  if (element.complete) look();
  else element.addEventListener('load', look);
}

addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details.fold:not(.copy)')) details.open = true;
});

// Begin a page with the data that its body names; what fails is said where readers look.
function begin(start) {
  load(document.body.dataset.name).then(start).catch((error) => {
    const parent = document.getElementById('status') ?? document.querySelector('.top');
    parent.append(el('p', { className: 'warning' }, error.message));
  });
}

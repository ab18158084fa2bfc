'use strict';
// Follows runs that `gill-bench view` serves. The policy of the page lets it fetch nothing, so that the server's answer
// is a script that calls gillBenchState. When the page was written anew it is loaded again: at the same place of the
// page, with the same parts unfolded, and not while the reader is in the middle of something.
{
  const SECONDS = 2; // between two questions
  const REST = 1500; // milliseconds after the reader's last action in which the page stays as it is
  const PATIENCE = 5000; // milliseconds in which a page grows to the height at which the reader was

  const version = document.currentScript.dataset.version; // none on the list of runs
  const memory = `gill-bench view ${location.pathname}`;
  let acted = 0;
  let shown = '';

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };

  const span = (seconds) => {
    if (seconds < 120) return `${Math.max(1, Math.round(seconds))} s`;
    return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  };
  const count = (run) => `${run.done} of ${run.expected ?? 'unknown'} samples`;
  const left = (run) => {
    if (run.state !== 'under way' && !run.left) return '';
    return run.left === null ? 'time left unknown' : `about ${span(run.left)} left`;
  };

  // ---------------------------------------------------------------- loading the page again

  const folds = () => [...document.querySelectorAll('details')];

  function loadAgain() {
    const open = folds().map((fold) => fold.open);
    sessionStorage.setItem(memory, JSON.stringify({ x: scrollX, y: scrollY, open }));
    location.reload();
  }

  function isBusy() {
    if (document.hidden || performance.now() - acted < REST) return true;
    return document.querySelector('dialog[open]') !== null || !getSelection().isCollapsed;
  }

  function goBack() {
    const stored = sessionStorage.getItem(memory);
    sessionStorage.removeItem(memory);
    if (stored === null) return;
    const { x, y, open } = JSON.parse(stored);
    history.scrollRestoration = 'manual';
    const before = folds();
    if (before.length === open.length) before.forEach((fold, number) => { fold.open = open[number]; });
    const until = performance.now() + PATIENCE;
    const step = () => {
      scrollTo({ left: x, top: y, behavior: 'instant' });
      if (acted === 0 && Math.abs(scrollY - y) > 1 && performance.now() < until) requestAnimationFrame(step);
    };
    step();
  }

  // ---------------------------------------------------------------- what is shown

  function strip() {
    const words = make('p', { class: 'line' });
    const problem = make('p', { class: 'warning', id: 'follow-problem', hidden: '' });
    const last = make('ul', { class: 'last', 'aria-label': 'The last pictures' });
    const cells = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Cells' });
    const fold = make('details', { class: 'fold' }, make('summary', {}, 'Cells, failures, last pictures'), last, cells);
    const whole = make('aside', { class: 'follow', id: 'follow', 'aria-label': 'How the run is' }, words, problem, fold);
    document.querySelector('.skip').after(whole);
    return { words, problem, last, cells, fold };
  }

  function table(headings, rows) {
    return make('table', { class: 'plain' },
      make('thead', {}, make('tr', {}, ...headings.map((text) => make('th', { scope: 'col' }, text)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((text) => make('td', {}, text))))));
  }

  function showRun(parts, run) {
    parts.problem.hidden = !run.problem;
    parts.problem.textContent = run.problem ? `The page stays as it was: ${run.problem}` : '';
    if (!run.state) return;
    const bar = run.expected
      ? make('progress', { max: run.expected, value: run.done, 'aria-label': 'Samples that are stored' }) : null;
    parts.words.replaceChildren(
      ...[
        run.alone ? null : make('a', { href: '../' }, 'All runs'),
        make('span', { class: 'state' }, run.state),
        bar,
        make('span', {}, [count(run), left(run)].filter(Boolean).join(', ')),
        run.failed ? make('span', { class: 'failed' }, `${run.failed} failed`) : null,
        run.missing ? make('span', {}, `${run.missing} examples without their data`) : null,
      ].filter(Boolean));
    parts.last.replaceChildren(...run.pictures.map((address) => make('li', {},
      make('a', { href: address }, make('img', { src: address, alt: address.split('/').slice(1, 4).join(', ') })))));
    const failures = run.failures.map((failure) => make('li', {},
      `${failure.where}: ${failure.reason}${failure.record ? `. The traceback: ${failure.record}` : ''}`));
    if (run.more_failures) failures.push(make('li', {}, `and ${run.more_failures} reasons more`));
    failures.push(...run.damaged.map((sentence) => make('li', {}, sentence)));
    parts.cells.replaceChildren(
      table(['Cell', 'Samples', 'Seconds a sample', 'State'], run.cells.map((cell) => [
        cell.name,
        cell.makes ? `${cell.done} of ${cell.expected ?? 'unknown'}` : 'none to make',
        cell.seconds === null ? '–' : cell.seconds.toPrecision(3),
        [cell.scored ? 'scored' : '', cell.failed ? `${cell.failed} failed` : '',
          cell.kept ? `${cell.kept} more of units in work` : ''].filter(Boolean).join(', '),
      ])),
      ...(failures.length ? [make('ul', { 'aria-label': 'Failures' }, ...failures)] : []));
  }

  function showList(runs) {
    document.querySelector('#follow-words').textContent = `${runs.length} run${runs.length === 1 ? '' : 's'}`;
    document.querySelector('#runs').replaceChildren(...runs.map((run) => make('tr', {},
      make('td', {}, make('a', { href: run.address }, run.name)),
      ...(run.problem ? [run.problem, '', '', ''] : [run.state, count(run), run.failed ? `${run.failed}` : '', left(run)])
        .map((text) => make('td', {}, text)))));
  }

  // ---------------------------------------------------------------- asking

  const parts = version === undefined ? null : strip();

  globalThis.gillBenchState = (state) => {
    const text = JSON.stringify(state);
    if (text !== shown) {
      shown = text;
      if (parts) showRun(parts, state);
      else showList(state.runs);
    }
    if (parts && state.version && state.version !== version && !isBusy()) loadAgain();
  };

  function ask() {
    const script = document.createElement('script');
    script.src = `state.js?${Date.now()}`;
    script.addEventListener('load', () => {
      script.remove();
      setTimeout(ask, SECONDS * 1000);
    });
    script.addEventListener('error', () => {
      script.remove();
      const words = parts ? parts.problem : document.querySelector('#follow-words');
      words.hidden = false;
      words.textContent = 'gill-bench view has ended: this is how the run was. Start it again and load the page again.';
    });
    document.head.append(script);
  }

  for (const event of ['keydown', 'pointerdown', 'wheel', 'touchmove', 'input']) {
    addEventListener(event, () => { acted = performance.now(); }, { passive: true, capture: true });
  }
  goBack();
  ask();
}

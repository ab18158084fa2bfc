'use strict';
// The index of a report: the details behind a number.

function plainTable(headings, rows) {
  return el('div', { className: 'scroll', tabindex: '0', role: 'region', 'aria-label': headings.join(', ') },
    el('table', { className: 'plain' },
      el('thead', {}, el('tr', {}, ...headings.map((text) => el('th', { scope: 'col' }, text)))),
      el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((cell) => el('td', {}, cell)))))));
}

function signature(text) {
  const list = el('dl', { className: 'fields' });
  for (const part of text.split('|')) {
    const at = part.indexOf(':');
    list.append(el('dt', {}, at < 0 ? '' : part.slice(0, at)), el('dd', {}, part.slice(at + 1)));
  }
  return list;
}

function describe(cell, titles) {
  const parts = [
    el('h2', { id: 'behind-title' }, cell.title),
    el('p', { className: 'sub' }, [cell.column, cell.task, cell.context].join(' · ')),
  ];
  if (cell.printed) parts.push(el('p', { className: 'big' }, cell.printed));
  if (cell.interval) parts.push(el('p', { className: 'sub' }, `95 % interval of the mean: ${cell.interval}`));
  if (cell.status) parts.push(el('p', {}, cell.status));
  if (cell.gaps.length) parts.push(el('p', {}, `Incomplete: ${cell.gaps.join('; ')}.`));
  if (cell.link) parts.push(el('a', { className: 'go', href: cell.link }, 'See its samples'));
  if (cell.published) {
    const { text, unit, source, note, difference } = cell.published;
    parts.push(el('h3', {}, 'In the paper'), el('p', { className: 'sub' },
      `${text} (${unit}), ${source}.${difference ? ` Ours minus the paper's: ${difference}.` : ''} ${note}`));
  }
  if (cell.rows.length) {
    const counts = [['missing', 'Missing'], ['failed', 'Failed'], ['refused', 'Refused'],
      ['not_made', 'Not made yet'], ['truncated', 'Truncated'], ['flagged', 'Flagged']]
      .filter(([key]) => cell.rows.some((row) => row[key]));
    parts.push(el('h3', {}, 'Seeds'), plainTable(
      ['Seed', 'Value', 'Scored', ...counts.map(([, title]) => title)],
      cell.rows.map((row) => [`${row.seed}`, row.value === null ? '–' : `${row.value}`,
        `${row.scored} of ${row.expected}`, ...counts.map(([key]) => `${row[key]}`)])));
  }
  if (cell.tests.length) {
    parts.push(el('h3', {}, 'Tests against other models'), plainTable(
      ['Difference', 'Mean [95 % interval]', 'p (Holm)', 'Verdict'],
      cell.tests.map((test) => {
        const line = testLine(test, cell.model, titles);
        return [line.title, line.difference, line.p, el('span', { className: line.className }, line.verdict)];
      })),
    el('p', { className: 'sub' }, 'Paired by example, seeds averaged, clusters kept together; cluster bootstrap and'
      + ' approximate randomisation; Holm over all tests of the task.'));
  }
  if (cell.signature) parts.push(el('h3', {}, 'Signature'), signature(cell.signature));
  if (cell.model_signature) parts.push(el('h3', {}, 'The model as run'), signature(cell.model_signature));
  return parts;
}

// A table that is wider than its window is a stop for the keyboard, and a hint says that there is more beside it.
function watchWidth(region) {
  const hint = region.parentElement.querySelector('.swipe');
  const look = () => {
    const overflows = region.scrollWidth > region.clientWidth + 1;
    region.classList.toggle('overflows', overflows);
    region.tabIndex = overflows ? 0 : -1;
    hint.hidden = !overflows || region.scrollLeft > 0;
  };
  new ResizeObserver(look).observe(region);
  region.addEventListener('scroll', look, { passive: true });
}

function startReport({ cells, titles }) {
  const dialog = document.getElementById('behind');
  for (const link of document.querySelectorAll('[data-cell]')) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      dialog.replaceChildren(
        el('button', { type: 'button', className: 'quiet close', on: { click: () => dialog.close() } }, 'Close'),
        ...describe(cells[link.dataset.cell], titles));
      dialog.showModal();
      dialog.scrollTop = 0;
    });
  }
  closeOutside(dialog);
  for (const picture of document.querySelectorAll('.strip img')) sharpen(picture);
  for (const region of document.querySelectorAll('.table .scroll')) watchWidth(region);
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.addEventListener('click', () => copy(button, button.parentElement.querySelector('pre')));
  }
}

begin(startReport);

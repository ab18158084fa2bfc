'use strict';
// Arrow keys among the pictures of a gallery: along an example, to the row above or below, and on to the next example.

function focusOn(shot) {
  if (!shot) return;
  for (const other of shot.closest('.strip, .outputs').querySelectorAll('button.shot')) other.tabIndex = -1;
  shot.tabIndex = 0;
  shot.focus({ preventScroll: true });
  shot.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

async function move(event, list) {
  const { key, target } = event;
  if (!/^(Arrow|Home$|End$)/.test(key) || !target.matches('button.shot') || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const card = target.closest('article');
  const shots = [...card.querySelectorAll('button.shot')];
  if (key === 'ArrowLeft' || key === 'ArrowRight') {
    const next = shots[shots.indexOf(target) + (key === 'ArrowRight' ? 1 : -1)];
    if (next) { focusOn(next); return; }
  }
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    const next = nearest(shots, target, key === 'ArrowDown' ? 1 : -1);
    if (next) { focusOn(next); return; }
  }
  const index = { Home: 0, End: list.order.length - 1 }[key] ?? card.index + (key === 'ArrowRight' || key === 'ArrowDown' ? 1 : -1);
  const other = await list.reach(index);
  if (!other) return;
  if (key === 'Home' || key === 'End') list.scrollTo(index);
  const others = [...other.querySelectorAll('button.shot')];
  const across = key === 'ArrowUp' || key === 'ArrowDown' ? nearest(others, target, key === 'ArrowDown' ? 1 : -1, true) : null;
  focusOn(across ?? (key === 'ArrowLeft' || key === 'End' ? others.at(-1) : others[0]));
}

// The picture in the next row above (-1) or below (1) that is nearest to the left edge of another picture.
function nearest(shots, from, direction, anyRow = false) {
  const box = from.getBoundingClientRect();
  const boxes = shots.map((shot) => [shot, shot.getBoundingClientRect()])
    .filter(([, other]) => anyRow || direction * (other.top - box.top) > box.height / 2);
  if (!boxes.length) return null;
  const edge = boxes.reduce((best, [, { top }]) => (direction * top < direction * best ? top : best), direction * Infinity);
  return boxes.filter(([, { top }]) => Math.abs(top - edge) < box.height / 2)
    .reduce((best, next) => (Math.abs(next[1].left - box.left) < Math.abs(best[1].left - box.left) ? next : best))[0];
}

'use strict';
// A long list of which only what is in view, and a little around it, is in the document. Cards have heights of their own:
// a card that nobody has seen yet counts with the usual height, and what is in view stays in its place when that changes.

const AROUND = 700; // pixels above and below the window for which cards are ready
const USUAL_HEIGHT = 320;
const ENOUGH = 24; // cards, after which the usual height stays, so that the scroll bar is calm

class LongList {
  constructor(parent, build) {
    Object.assign(this, { parent, build, order: [], cards: new Map(), heights: new Map(), usual: USUAL_HEIGHT });
    this.tops = new Float64Array(1);
    this.sizes = new ResizeObserver((entries) => this.measured(entries));
    this.sizes.observe(parent);
    let waiting = 0;
    const soon = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; this.draw(); }); };
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
  }

  // Show other examples, or the same in another way.
  show(order) {
    this.order = order;
    for (const card of this.cards.values()) this.remove(card);
    this.cards.clear();
    this.heights.clear();
    this.layout();
    this.draw();
  }

  layout() {
    const tops = new Float64Array(this.order.length + 1);
    for (let index = 0; index < this.order.length; index += 1) tops[index + 1] = tops[index] + (this.heights.get(index) ?? this.usual);
    this.tops = tops;
    this.parent.style.height = `${tops.at(-1)}px`;
    for (const [index, card] of this.cards) card.style.top = `${tops[index]}px`;
  }

  // The index of the card at a height in the list.
  indexAt(height) {
    let [low, high] = [0, this.order.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= height) low = middle; else high = middle - 1;
    }
    return Math.max(0, low);
  }

  get offset() { return -this.parent.getBoundingClientRect().top; }

  draw() {
    if (!this.order.length) return;
    const { offset } = this;
    const [first, last] = [this.indexAt(offset - AROUND), this.indexAt(offset + innerHeight + AROUND)];
    for (const [index, card] of this.cards) {
      // The card that has the focus stays, so that the keyboard does not lose its place.
      if ((index < first || index > last) && !card.contains(document.activeElement)) {
        this.cards.delete(index);
        this.remove(card);
      }
    }
    for (let index = first; index <= last; index += 1) if (!this.cards.has(index)) this.add(index);
  }

  add(index) {
    const card = this.build(this.order[index], index, this.order.length);
    card.index = index;
    card.style.top = `${this.tops[index]}px`;
    const next = [...this.cards.keys()].filter((other) => other > index).sort((x, y) => x - y)[0];
    this.parent.insertBefore(card, next === undefined ? null : this.cards.get(next));
    this.cards.set(index, card);
    card.ready.then(() => { if (card.isConnected) this.sizes.observe(card); });
    return card;
  }

  remove(card) {
    this.sizes.unobserve(card);
    card.remove();
  }

  measured(entries) {
    let changed = false;
    for (const { target } of entries) {
      if (target === this.parent || !target.isConnected) continue;
      const height = target.offsetHeight;
      if (height && this.heights.get(target.index) !== height) {
        this.heights.set(target.index, height);
        changed = true;
      }
    }
    if (!changed) return;
    if (this.heights.size <= ENOUGH) this.usual = [...this.heights.values()].reduce((sum, height) => sum + height, 0) / this.heights.size;
    const { scrollY } = globalThis; // read now, since a list that gets shorter moves a window near its end by itself
    const anchor = this.indexAt(this.offset + headHeight() + 1); // the first card that the bars do not cover stays
    const before = this.tops[anchor];
    this.layout();
    const moved = this.tops[anchor] - before;
    if (moved) scrollTo({ top: scrollY + moved, behavior: 'instant' });
    this.draw();
  }

  // Bring a card into the document and into view; returns it when its content is there.
  async reach(index) {
    if (index < 0 || index >= this.order.length) return null;
    const card = this.cards.get(index) ?? this.add(index);
    await card.ready;
    return card;
  }

  scrollTo(index) {
    scrollTo({ top: scrollY + this.parent.getBoundingClientRect().top + this.tops[index] - headHeight(), behavior: 'instant' });
  }
}

// Pixels that the bars at the top of the window cover.
const headHeight = () => document.getElementById('heads').getBoundingClientRect().height
  + document.getElementById('controls').getBoundingClientRect().height;

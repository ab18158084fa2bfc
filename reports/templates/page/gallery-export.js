'use strict';
// The shown samples as files, which the browser makes by itself: a CSV of all of them, or a ZIP with their pictures.

const MOST_ZIPPED = 200; // examples; a browser holds the whole archive in memory

// A value as CSV has it. A text that a spreadsheet would run as a formula is preceded by an apostrophe.
function csvField(value) {
  const text = value === null || value === undefined ? '' : `${value}`;
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csvText = (rows) => `${rows.map((row) => row.map(csvField).join(',')).join('\r\n')}\r\n`;

// One row for each sample that is shown: of an example, a model, a context and a seed. `files` collects pictures.
async function sampleRows(data, view, order, files = null) {
  const columns = view.columns();
  const metrics = [...new Set(columns.flatMap(({ context }) => data.context(context).metrics.map(({ name }) => name)))];
  const tables = new Map();
  for (const { context } of columns) {
    if (!tables.has(context)) tables.set(context, await Promise.all(metrics.map((metric) => data.values(context, metric))));
  }
  const rows = [['example', 'cluster', 'model', 'context', 'seed', ...metrics, 'output', 'outcome', 'reason', 'prompt', 'truth', 'references', 'picture']];
  for (const at of order) {
    for (const { context, seed } of columns) {
      const item = await data.item(context, at);
      if (!item) continue;
      for (const model of view.rows()) {
        const [output, loss] = [outputOf(item, model, seed), lossOf(item, model, seed)];
        const values = tables.get(context).map((table) => data.value(table, context, model, seed, at));
        if (!output && !loss && values.every((value) => value === null)) continue;
        const source = files && output?.at !== undefined ? await data.output(context, output.at) : null;
        rows.push([data.ids[at], item.cluster, model, context, seed, ...values, output?.text ?? '', loss?.outcome ?? 'made', loss?.reason ?? '',
          item.prompt.map((part) => (typeof part === 'string' ? part : `[${part.id}]`)).join(' '), item.target?.id ?? '', item.answers.join(' | '),
          source ? files.add(['outputs', data.ids[at], `${model}-${context}-${seed}`], source) : '']);
      }
      if (files) {
        for (const picture of [...item.prompt.filter((part) => typeof part !== 'string'), item.target].filter(Boolean)) {
          const source = await data.photo(picture.at);
          if (source) files.add(['data', picture.id], source);
        }
      }
    }
  }
  return rows;
}

// Pictures by their paths in an archive, each once.
class PictureFiles {
  constructor() { this.sources = new Map(); }

  add(parts, source) {
    const path = `${parts.map((part) => part.replace(/[^\w.@-]+/g, '_').replace(/^\.+/, '_')).join('/')}.${suffixOf(source)}`;
    this.sources.set(path, source);
    return path;
  }
}

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRCS[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

// A ZIP of files that are stored as they are: pictures do not shrink. The format is PKWARE's APPNOTE, without extensions.
function zip(files) {
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const [path, bytes] of files) {
    const name = new TextEncoder().encode(path);
    // Version 2.0, names in UTF-8, stored, midnight of 1980-01-01, checksum, sizes, length of the name, no extra field.
    const fields = [20, 0x800, 0, 0, 0x21];
    const sizes = [crc32(bytes), bytes.length, bytes.length];
    parts.push(record(0x04034b50, fields, sizes, [name.length, 0]), name, bytes);
    directory.push(record(0x02014b50, [20, ...fields], sizes, [name.length, 0, 0, 0, 0], [0, offset]), name);
    offset += 30 + name.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [0, 0, files.length, files.length], [size, offset], [0]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}

// Bytes of a signature, then lists of numbers of two and of four bytes in turn.
function record(signature, ...lists) {
  const bytes = [];
  const put = (value, count) => { for (let at = 0; at < count; at += 1) bytes.push(Math.floor(value / 256 ** at) % 256); };
  put(signature, 4);
  for (const [number, list] of lists.entries()) for (const value of list) put(value, number % 2 ? 4 : 2);
  return Uint8Array.from(bytes);
}

function bytesOf(uri) {
  const text = atob(uri.slice(uri.indexOf(',') + 1));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

async function csvOf(data, view, order) {
  return new Blob(['\ufeff', csvText(await sampleRows(data, view, order))], { type: 'text/csv' });
}

async function zipOf(data, view, order) {
  const files = new PictureFiles();
  const rows = await sampleRows(data, view, order.slice(0, MOST_ZIPPED), files);
  const entries = [...files.sources].map(([path, source]) => [path, bytesOf(source)]);
  return zip([['samples.csv', new TextEncoder().encode(csvText(rows))], ...entries]);
}

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  el('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

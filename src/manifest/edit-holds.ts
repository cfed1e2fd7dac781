import { isMap, isNode, isPair, isScalar, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { Fault } from '../base/fault.ts';
import type { HoldEntry } from './hold-entry.ts';
import { place } from './place.ts';
import {
  endOf,
  insertAtLineEnd,
  type KeyPair,
  lastOf,
  lineStart,
  nextLine,
  saysJust,
  splice,
  startOf,
} from './policy-places.ts';

/** One change of a team's `holds:`; an index is the place in the list. */
export type HoldEdit =
  | { readonly kind: 'add'; readonly entry: HoldEntry }
  | {
      readonly kind: 'change';
      readonly index: number;
      readonly to: Partial<Pick<HoldEntry, 'reason' | 'owner' | 'until'>>;
    }
  | { readonly kind: 'drop'; readonly index: number };

type Data = Record<string, unknown> & { holds?: unknown[] };

/**
 * The text of a team's policy with one hold more, other or less. Only the lines of that hold change: whatever people wrote
 * around it, comments and layout, stays to the byte. A Fault where the text is laid out so that this cannot be done.
 */
export function editHolds(text: string, path: string, edit: HoldEdit): string {
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
  const data = doc.toJS() as Data;
  const done = isMap(doc.contents) && doc.errors.length === 0 ? edited(text, doc.contents, edit) : undefined;
  if (done !== undefined && saysJust(done, applied(data, edit))) return done;
  throw new Fault('POLICY_INVALID', 'its holds are laid out so that no command can change them', {
    hint: `Write holds: as a list with one entry a line, or change it by hand: ${JSON.stringify(edit)}.`,
    at: place(path, text, pairOf(doc.contents, 'holds')?.key.range?.[0] ?? 0),
  });
}

/**
 * Further holds at the end of the list. What is laid out so that no line can be added is written anew, comments and all: a rollback
 * must not fail for a bracket.
 */
export function addHolds(text: string, path: string, entries: readonly HoldEntry[]): string {
  try {
    return entries.reduce((done, entry) => editHolds(done, path, { kind: 'add', entry }), text);
  } catch (error) {
    const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
    const { holds } = doc.toJS() as Data;
    const wanted = [...(Array.isArray(holds) ? holds : []), ...entries];
    doc.setIn(['holds'], doc.createNode(wanted));
    const done = doc.toString({ lineWidth: 0 });
    if (error instanceof Fault && saysJust(done, { ...(doc.toJS() as Data), holds: wanted })) return done;
    throw error;
  }
}

/** The data as it must be afterwards: what the text is held against. */
function applied(data: Data, edit: HoldEdit): Data {
  const holds = [...(Array.isArray(data.holds) ? data.holds : [])];
  if (edit.kind === 'add') holds.push(edit.entry);
  else if (edit.kind === 'change') holds[edit.index] = { ...(holds[edit.index] as object), ...edit.to };
  else holds.splice(edit.index, 1);
  const { holds: _, ...rest } = data;
  return holds.length > 0 || edit.kind !== 'drop' ? { ...rest, holds } : rest;
}

function edited(text: string, root: YAMLMap, edit: HoldEdit): string | undefined {
  if (root.flow) return undefined;
  const holds = pairOf(root, 'holds');
  const list = holds && isSeq(holds.value) && holds.value.items.length > 0 ? holds.value : undefined;
  if (edit.kind === 'add') {
    if (list) return addTo(text, list, edit.entry);
    const block = `holds:\n${blockOf(edit.entry, '  ')}`;
    return holds ? replaceLines(text, holds, block) : insertAfter(text, placeForHolds(root), block);
  }
  const item = list?.items[edit.index];
  if (!list || !holds || !isMap(item)) return undefined;
  if (edit.kind === 'change') return change(text, item, edit.to);
  return list.items.length === 1 ? replaceLines(text, holds, '') : drop(text, list, item);
}

function pairOf(map: unknown, key: string): KeyPair | undefined {
  if (!isMap(map)) return undefined;
  return map.items.find(
    (pair): pair is KeyPair => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === key,
  );
}

/** After the tiers, as the documentation has it. */
function placeForHolds(root: YAMLMap): KeyPair | undefined {
  return pairOf(root, 'tiers') ?? (root.items.at(-1) as KeyPair | undefined);
}

/** Of these a plain word stands as it is; patterns and reasons are in quotes, which are JSON's and YAML's. */
const WORDS = new Set(['tier', 'repository', 'owner']);
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

function blockOf(entry: HoldEntry, indent: string): string {
  const { match, glob, source, repository, tier, reason, owner, until } = entry;
  const quoted = Object.entries({ match, glob, source, repository, tier, reason, owner }).flatMap(
    ([key, value]) =>
      value === undefined
        ? []
        : [`${key}: ${WORDS.has(key) && WORD.test(value) ? value : JSON.stringify(value)}`],
  );
  const lines = until === undefined ? quoted : [...quoted, `until: ${until}`];
  return lines.map((line, i) => `${indent}${i === 0 ? '- ' : '  '}${line}\n`).join('');
}

function flowOf(entry: HoldEntry): string {
  const block = blockOf(entry, '');
  return `{ ${block
    .slice(2)
    .trimEnd()
    .split('\n')
    .map((line) => line.trim())
    .join(', ')} }`;
}

function addTo(text: string, list: YAMLSeq, entry: HoldEntry): string | undefined {
  const last = list.items.at(-1);
  if (!isNode(last)) return undefined;
  const end = endOf(last);
  if (list.flow) return `${text.slice(0, end)}, ${flowOf(entry)}${text.slice(end)}`;
  const first = dashOf(text, list.items[0]);
  if (first === undefined) return undefined;
  const indent = text.slice(lineStart(text, first), first);
  return insertAtLineEnd(text, end, blockOf(entry, indent));
}

function change(text: string, item: YAMLMap, to: Partial<HoldEntry>): string | undefined {
  let out = text;
  const changes = Object.entries(to).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  // from the end on, so that the places of the others stay right
  const at = ([key]: readonly [string, string]) => pairOf(item, key)?.value?.range?.[0] ?? endOf(item);
  for (const [key, value] of changes.sort((a, b) => at(b) - at(a))) {
    const written = key === 'until' ? value : JSON.stringify(value);
    const node = pairOf(item, key)?.value;
    if (node?.range) {
      out = `${out.slice(0, node.range[0])}${written}${out.slice(endOf(node))}`;
    } else if (item.flow) {
      const end = endOf(lastOf(item));
      out = `${out.slice(0, end)}, ${key}: ${written}${out.slice(end)}`;
    } else {
      const start = item.items[0] && isNode(item.items[0].key) ? (item.items[0].key.range?.[0] ?? 0) : 0;
      const column = start - lineStart(text, start);
      out = insertAtLineEnd(out, endOf(item), `${' '.repeat(column)}${key}: ${written}\n`);
    }
  }
  return out;
}

function drop(text: string, list: YAMLSeq, item: YAMLMap): string | undefined {
  if (!list.flow) {
    const start = dashOf(text, item);
    return start === undefined
      ? undefined
      : `${text.slice(0, lineStart(text, start))}${text.slice(nextLine(text, endOf(item)))}`;
  }
  const i = list.items.indexOf(item);
  const [previous, next] = [list.items[i - 1], list.items[i + 1]];
  if (isNode(next)) return `${text.slice(0, startOf(item))}${text.slice(startOf(next))}`;
  return isNode(previous) ? `${text.slice(0, endOf(previous))}${text.slice(endOf(item))}` : undefined;
}

/** From the key's line to the value's last one. */
function replaceLines(text: string, pair: KeyPair, by: string): string {
  const end = pair.value ? Math.max(endOf(pair.value), startOf(pair.key)) : endOf(pair.key);
  return `${text.slice(0, lineStart(text, startOf(pair.key)))}${by}${text.slice(nextLine(text, end))}`;
}

/** Below a pair, and below the comments that are indented as its value is. */
function insertAfter(text: string, pair: KeyPair | undefined, block: string): string | undefined {
  if (!pair?.value) return undefined;
  let at = nextLine(text, endOf(pair.value));
  for (let line = lineAt(text, at); /^ +#/.test(line); line = lineAt(text, at)) at += line.length;
  return splice(text, at, block);
}

/** The dash of a block list's item. */
function dashOf(text: string, item: unknown): number | undefined {
  if (!isNode(item)) return undefined;
  const dash = text.lastIndexOf('-', startOf(item) - 1);
  return dash >= 0 && /^-[\s]*$/.test(text.slice(dash, startOf(item))) ? dash : undefined;
}

function lineAt(text: string, offset: number): string {
  return text.slice(offset, nextLine(text, offset + 1));
}

import {
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { Fault } from '../base/fault.ts';
import type { HoldEntry } from './hold-entry.ts';
import { place } from './place.ts';

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
  const wanted = JSON.stringify(applied(data, edit));
  if (
    done !== undefined &&
    JSON.stringify(sorted(parsed(done))) === JSON.stringify(sorted(JSON.parse(wanted)))
  )
    return done;
  throw new Fault('POLICY_INVALID', 'its holds are laid out so that no command can change them', {
    hint: `Write holds: as a list with one entry a line, or change it by hand: ${JSON.stringify(edit)}.`,
    at: place(path, text, pairOf(doc.contents, 'holds')?.key.range?.[0] ?? 0),
  });
}

function parsed(text: string): unknown {
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
  return doc.errors.length > 0 ? undefined : doc.toJS();
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

/** Keys in one order: where a key stands in its map says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
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

type KeyPair = Pair<Node, Node | null> & { key: Node };

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

function blockOf(entry: HoldEntry, indent: string): string {
  const { match, glob, source, repository, tier, reason, owner, until } = entry;
  const quoted = Object.entries({ match, glob, source, repository, tier, reason, owner }).flatMap(
    ([key, value]) =>
      value === undefined
        ? []
        : [`${key}: ${key === 'tier' || key === 'repository' ? value : JSON.stringify(value)}`],
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

function insertAtLineEnd(text: string, offset: number, block: string): string {
  return splice(text, nextLine(text, offset), block);
}

function splice(text: string, at: number, block: string): string {
  const newline = at > 0 && text[at - 1] !== '\n' ? '\n' : '';
  return `${text.slice(0, at)}${newline}${block}${text.slice(at)}`;
}

/** The dash of a block list's item. */
function dashOf(text: string, item: unknown): number | undefined {
  if (!isNode(item)) return undefined;
  const dash = text.lastIndexOf('-', startOf(item) - 1);
  return dash >= 0 && /^-[\s]*$/.test(text.slice(dash, startOf(item))) ? dash : undefined;
}

function lastOf(map: YAMLMap): Node {
  const pair = map.items.at(-1) as KeyPair;
  return pair.value ?? pair.key;
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Where what it says ends: a block has no end of its own but that of its last value. */
function endOf(node: Node): number {
  if (isMap(node) && !node.flow && node.items.length > 0) return endOf(lastOf(node));
  const last = isSeq(node) && !node.flow ? node.items.at(-1) : undefined;
  return isNode(last) ? endOf(last) : (node.range?.[1] ?? 0);
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** The offset after the line that this one is in (or ends). */
function nextLine(text: string, offset: number): number {
  if (offset > 0 && text[offset - 1] === '\n') return offset;
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}

function lineAt(text: string, offset: number): string {
  return text.slice(offset, nextLine(text, offset + 1));
}

import { isMap, isNode, isSeq, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** Where things stand in the text of a policy, for commands that change a line of it and leave every other byte as people wrote it. */
export type KeyPair = Pair<Node, Node | null> & { key: Node };

/** Undefined: it is no YAML. */
export function parsed(text: string): unknown {
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
  return doc.errors.length > 0 ? undefined : doc.toJS();
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

/** Whether a text says just this, in whatever order of keys. */
export function saysJust(text: string, wanted: unknown): boolean {
  return JSON.stringify(sorted(parsed(text))) === JSON.stringify(sorted(JSON.parse(JSON.stringify(wanted))));
}

export function insertAtLineEnd(text: string, offset: number, block: string): string {
  return splice(text, nextLine(text, offset), block);
}

export function splice(text: string, at: number, block: string): string {
  const newline = at > 0 && text[at - 1] !== '\n' ? '\n' : '';
  return `${text.slice(0, at)}${newline}${block}${text.slice(at)}`;
}

export function lastOf(map: YAMLMap): Node {
  const pair = map.items.at(-1) as KeyPair;
  return pair.value ?? pair.key;
}

export function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Where what it says ends: a block has no end of its own but that of its last value. */
export function endOf(node: Node): number {
  if (isMap(node) && !node.flow && node.items.length > 0) return endOf(lastOf(node));
  const last = isSeq(node) && !node.flow ? node.items.at(-1) : undefined;
  return isNode(last) ? endOf(last) : (node.range?.[1] ?? 0);
}

export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** The offset after the line that this one is in (or ends). */
export function nextLine(text: string, offset: number): number {
  if (offset > 0 && text[offset - 1] === '\n') return offset;
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}

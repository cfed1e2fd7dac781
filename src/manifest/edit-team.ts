import { type Document, isMap, isPair, isScalar, isSeq, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { Fault } from '../base/fault.ts';
import { readYaml } from './yaml.ts';

/** A hold as a command writes it. */
export interface NewHold {
  readonly match?: string;
  readonly source?: string;
  readonly tier: string;
  readonly reason: string;
  readonly owner: string;
  readonly until: string;
}

/** A mark of a tier's good state as a command writes it. */
export interface NewGood {
  readonly commit: string;
  /** RFC 3339. */
  readonly since: string;
  readonly reason: string;
  readonly owner: string;
}

type Data = Readonly<Record<string, unknown>>;

/** A team's policy with these holds after its own; every other character of it stays as people wrote it. */
export function addHolds(text: string, path: string, holds: readonly NewHold[]): string {
  if (holds.length === 0) return text;
  const before = dataOf(text, path);
  const own = Array.isArray(before['holds']) ? before['holds'] : [];
  const wanted = { ...before, holds: [...own, ...holds] };
  const doc = parse(text);
  const node = doc.get('holds', true);
  const written =
    isSeq(node) && !node.flow && node.items.length > 0
      ? insertAt(
          text,
          endOfLine(text, endOf(node.items.at(-1))),
          blocks(holds, indentOf(text, startOf(node))),
        )
      : doc.has('holds')
        ? undefined
        : insertAt(text, text.length, `holds:\n${blocks(holds, '  ')}`);
  return checked([written, () => withNode(doc, ['holds'], wanted.holds)], wanted, path);
}

/** A team's policy in which a tier has this mark, in place of an earlier one. */
export function setGood(text: string, path: string, tier: string, good: NewGood): string {
  const before = dataOf(text, path);
  const tiers = before['tiers'] as Record<string, Data>;
  const wanted = { ...before, tiers: { ...tiers, [tier]: { ...tiers[tier], good } } };
  const doc = parse(text);
  const node = doc.getIn(['tiers', tier], true);
  const written = isMap(node) ? withGood(text, node, `good: ${flow({ ...good })}`) : undefined;
  return checked([written, () => withNode(doc, ['tiers', tier, 'good'], good)], wanted, path);
}

function withGood(text: string, tier: YAMLMap, line: string): string | undefined {
  const known = tier.items.find((pair) => isPair(pair) && isScalar(pair.key) && pair.key.value === 'good');
  if (known) return text.slice(0, startOf(known.key)) + line + text.slice(endOf(known));
  const last = tier.items.at(-1);
  if (!last) return undefined;
  if (tier.flow) return insertAt(text, endOf(last), `, ${line}`);
  return insertAt(
    text,
    endOfLine(text, endOf(last)),
    `${indentOf(text, startOf(tier.items[0]?.key))}${line}\n`,
  );
}

/** The first of several writings that says just what is wanted: one that misses an odd layout is not taken. */
function checked(writings: readonly [string | undefined, () => string], wanted: Data, path: string): string {
  const [quick, slow] = writings;
  for (const written of [quick, slow()]) {
    if (written !== undefined && says(written, path) === JSON.stringify(sorted(wanted))) return written;
  }
  throw new Fault('POLICY_INVALID', 'the policy is written in a way that cannot be added to', {
    hint: 'Write it in plain block style, one key a line.',
    at: `${path}:1:1`,
  });
}

function says(text: string, path: string): string | undefined {
  try {
    return JSON.stringify(sorted(dataOf(text, path)));
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** With keys in order, so that equal data are equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

function dataOf(text: string, path: string): Data {
  return readYaml(text, path, { code: 'POLICY_INVALID', ceiling: text.length }).data as Data;
}

function parse(text: string): Document {
  return parseDocument(text, { schema: 'failsafe', uniqueKeys: false }) as Document;
}

function withNode(doc: Document, path: readonly string[], value: unknown): string {
  doc.setIn(path, doc.createNode(value));
  return doc.toString({ lineWidth: 0 });
}

function blocks(holds: readonly NewHold[], indent: string): string {
  return holds
    .map((hold) => {
      const lines = Object.entries(hold).map(([key, value]) => `${key}: ${word(String(value))}`);
      return lines.map((line, i) => `${indent}${i === 0 ? '- ' : '  '}${line}\n`).join('');
    })
    .join('');
}

function flow(map: Readonly<Record<string, string>>): string {
  return `{ ${Object.entries(map)
    .map(([key, value]) => `${key}: ${word(value)}`)
    .join(', ')} }`;
}

/** A string of JSON is one of YAML. */
function word(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text) ? text : JSON.stringify(text);
}

function insertAt(text: string, offset: number, what: string): string {
  const before = text.slice(0, offset);
  const glue = what.endsWith('\n') && before !== '' && !before.endsWith('\n') ? '\n' : '';
  return `${before}${glue}${what}${text.slice(offset)}`;
}

/** Where the next line begins. */
function endOfLine(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset;
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}

function indentOf(text: string, offset: number): string {
  return ' '.repeat(offset - (text.lastIndexOf('\n', offset - 1) + 1));
}

interface Ranged {
  readonly range?: readonly [number, number, number] | null;
}

function startOf(node: unknown): number {
  return (node as Ranged | undefined)?.range?.[0] ?? 0;
}

/** Where what a node says ends: of a block, at the end of its last part, not of the comments after it. */
function endOf(node: unknown): number {
  if (isPair(node)) return endOf((node as Pair).value ?? (node as Pair).key);
  const last = (isMap(node) || isSeq(node)) && !node.flow ? node.items.at(-1) : undefined;
  return last === undefined ? ((node as Ranged | undefined)?.range?.[1] ?? 0) : endOf(last);
}

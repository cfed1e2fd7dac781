import { isMap, isNode, isPair, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { Fault } from '../base/fault.ts';
import { endOf, insertAtLineEnd, type KeyPair, lineStart, saysJust, startOf } from './policy-places.ts';

/** A mark of a tier's good state as a command writes it. */
export interface NewGood {
  readonly commit: string;
  /** RFC 3339. */
  readonly since: string;
  readonly reason: string;
  readonly owner: string;
}

type Data = Readonly<Record<string, unknown>>;

/** A team's policy in which a tier has this mark, in place of an earlier one; every other character stays as people wrote it. */
export function setGood(text: string, path: string, tier: string, good: NewGood): string {
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
  const before = doc.toJS() as Data;
  const tiers = before['tiers'] as Record<string, Data>;
  const wanted = { ...before, tiers: { ...tiers, [tier]: { ...tiers[tier], good } } };
  const node = doc.getIn(['tiers', tier], true);
  const written = isMap(node) ? withGood(text, node, `good: ${flow({ ...good })}`) : undefined;
  if (written !== undefined && saysJust(written, wanted)) return written;
  doc.setIn(['tiers', tier, 'good'], doc.createNode(good)); // an odd layout: written anew, comments and all
  const anew = doc.toString({ lineWidth: 0 });
  if (saysJust(anew, wanted)) return anew;
  throw new Fault('POLICY_INVALID', 'the policy is written in a way that cannot be added to', {
    hint: 'Write it in plain block style, one key a line.',
    at: `${path}:1:1`,
  });
}

function withGood(text: string, tier: YAMLMap, line: string): string | undefined {
  const pairs = tier.items.filter((pair): pair is KeyPair => isPair(pair) && isNode(pair.key));
  const known = pairs.find(({ key }) => isScalar(key) && key.value === 'good');
  if (known) return text.slice(0, startOf(known.key)) + line + text.slice(endOf(known.value ?? known.key));
  const [first, last] = [pairs[0], pairs.at(-1)];
  if (!first || !last) return undefined;
  const end = endOf(last.value ?? last.key);
  if (tier.flow) return `${text.slice(0, end)}, ${line}${text.slice(end)}`;
  const column = startOf(first.key) - lineStart(text, startOf(first.key));
  return insertAtLineEnd(text, end, `${' '.repeat(column)}${line}\n`);
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

import { isMap, isSeq, parseDocument } from 'yaml';
import { Fault } from '../base/fault.ts';

/** A hold as it is written into a policy. */
export interface WrittenHold {
  /** An anchored regular expression, or a glob. */
  readonly pattern: { readonly match: string } | { readonly glob: string };
  readonly tier: string;
  readonly reason: string;
  readonly owner: string;
  readonly until?: string;
}

/**
 * A team's policy with further holds at the end of its list; every other byte stays as it is. The policy was read before, so it is
 * valid; what comes out is read again by whoever uses it.
 */
export function addHolds(text: string, holds: readonly WrittenHold[], path: string): string {
  if (holds.length === 0) return text;
  const lines = holds.map(flow);
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false });
  const contents = doc.contents;
  const pair = isMap(contents) ? contents.items.find(({ key }) => String(key) === 'holds') : undefined;
  if (!pair) return `${text.replace(/\n*$/, '\n')}holds:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
  const list = pair.value;
  if (isSeq(list) && list.range && list.items.length > 0 && !list.flow) {
    const last = list.items.at(-1) as { range?: [number, number, number] };
    const [start = 0, end = 0] = last.range ?? [];
    const dash = text.lastIndexOf('-', start);
    const indent = ' '.repeat(dash - text.lastIndexOf('\n', dash) - 1);
    const newline = text.indexOf('\n', Math.max(start, end - 1)); // a comment behind the last item stays with it
    const at = newline < 0 ? text.length : newline + 1;
    const before = newline < 0 ? `${text}\n` : text.slice(0, at);
    return `${before}${lines.map((line) => `${indent}- ${line}\n`).join('')}${text.slice(at)}`;
  }
  if (isSeq(list) && list.range && list.flow) {
    const close = text.lastIndexOf(']', list.range[1]);
    const comma = list.items.length > 0 ? ', ' : '';
    const inner = text.slice(0, close).replace(/,?\s*$/, '');
    return `${inner}${comma}${lines.join(', ')}${text.slice(close)}`;
  }
  throw new Fault('POLICY_INVALID', 'holds is no list', { hint: 'Write it as a list.', at: path });
}

function flow({ pattern, tier, reason, owner, until }: WrittenHold): string {
  const [key, text] = 'match' in pattern ? ['match', pattern.match] : ['glob', pattern.glob];
  const end = until === undefined ? '' : `, until: ${until}`;
  const said = `reason: ${JSON.stringify(reason)}, owner: ${JSON.stringify(owner)}`;
  return `{ ${key}: ${JSON.stringify(text)}, tier: ${JSON.stringify(tier)}, ${said}${end} }`;
}

import { describe, expect, it } from 'vitest';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import {
  recallOfReason,
  recallPath,
  recallReason,
  recallsOf,
  renderRecall,
} from '../../src/manifest/recall.ts';
import { pin } from '../plan/world.ts';

const BAD = pin('tls-1:3.0-2.x86_64');
const RECALL = {
  id: 'tls-3.0-2',
  reason: 'a "trojan": see #4711',
  by: 'Ann <ann@example.org>',
  match: { source: 'tls-3.0-2' },
  builds: [{ nevra: 'tls-1:3.0-2.x86_64', checksum: BAD.checksum }],
};
const load = (text: string, id = RECALL.id) => loadPolicies(new Map([[recallPath(id), text]]));

describe('a recall', () => {
  it('reads as it is written, also when it is over; then it recalls nothing', () => {
    expect(load(renderRecall(RECALL)).recalls.get(RECALL.id)).toMatchObject(RECALL);
    const over = load(renderRecall({ ...RECALL, withdrawn: { reason: 'none', by: 'Ben' } }));
    expect(over.recalls.get(RECALL.id)?.withdrawn).toEqual({ reason: 'none', by: 'Ben' });
    expect(recallsOf(over).of(BAD)).toBeUndefined();
  });

  it('knows builds by their bytes, by their name, and by what they are built from', () => {
    const recalls = recallsOf(load(renderRecall(RECALL)));
    const libs = pin('tls-libs-1:3.0-2.x86_64');
    expect(recalls.of({ ...libs, checksum: BAD.checksum })?.id).toBe(RECALL.id);
    expect(recalls.of(pin('tls-1:3.0-2.x86_64', { salt: 're-rolled' }))?.id).toBe(RECALL.id);
    expect(recalls.of(libs)).toBeUndefined();
    expect(recalls.of(libs, { source: 'tls', sourceVersion: '3.0-2' })?.id).toBe(RECALL.id);
    expect(recalls.of(libs, { source: 'tls', sourceVersion: '3.0-3' })).toBeUndefined();
    const one = recallsOf(
      load(renderRecall({ ...RECALL, match: { checksum: `sha256:${BAD.checksum.hex}` } })),
    );
    expect(one.of(pin('tls-1:3.0-2.x86_64', { salt: 're-rolled' }))).toBeUndefined();
    expect(recallOfReason(recallReason(RECALL))).toBe(RECALL.id);
    expect(recallOfReason('it is not signed (tls-3.0-2)')).toBeUndefined();
  });

  const text = renderRecall(RECALL);
  it.each([
    [
      'under another name',
      text.replace('id: "tls-3.0-2"', 'id: other'),
      /:3:5: POLICY_INVALID id must be the file's name/,
    ],
    [
      'of two things at once',
      text.replace('match:\n', 'match:\n  nevra: tls-3.0-2.x86_64\n'),
      /match must be one of nevra, source and checksum/,
    ],
    ['of nothing', text.replace(/match:\n.*\n/, 'match: {}\n'), /match must be/],
    ['without the builds', text.replace(/builds:\n.*\n/, 'builds: []\n'), /builds must be a list/],
    [
      'with half a checksum',
      text.replace(BAD.checksum.hex, 'abc'),
      /builds\[0\] must be a build and its checksum/,
    ],
    ['with a key that nobody knows', `${text}until: 2027-01-01\n`, /unknown key "until"/],
    ['without a reason', text.replace(/reason: .*\n/, ''), /lacks the key "reason"/],
  ])('%s is refused at its place', (_, wrong, message) => {
    const said = collectComplaints(new Map([[recallPath(RECALL.id), wrong]])).map(
      (f) => `${f.at}: ${f.code} ${f.message}`,
    );
    expect(said.join('\n')).toMatch(message);
  });
});

import { describe, expect, it } from 'vitest';
import { formatChecksum } from '../../src/base/checksum.ts';
import { Fault } from '../../src/base/fault.ts';
import { makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { groupPins } from '../../src/plan/groups.ts';
import { planSync, type SyncRepository } from '../../src/plan/sync.ts';
import type { Facts, Pin, Stay } from '../../src/plan/types.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { pin, policiesFor } from './world.ts';

const facts: Facts = {
  build: ({ nevra }) => ({ source: nevra.name, sourceVersion: '', obsoletes: [], summary: '' }),
  advisories: () => [],
  advisoriesOn: () => [],
  streams: () => [],
  documents: () => [],
  artifacts: () => [],
};
const upstream = policiesFor({ now: '', parent: {} }).upstreams.get('harbor-9-x86_64-base');
const repository = { team: 'vendor', tier: 'live', os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' };
const state = (seed: string, timestamp = 100) => ({
  timestamp,
  repomd: pin(`repomd${seed}-1-1.x`).checksum,
  documents: new Map([['primary', pin(`primary${seed}-1-1.x`).checksum]]),
});
const now = new Date('2026-03-10T00:00:00Z');

function live(pins: readonly Pin[], seed = 'a'): Snapshot {
  return makeSnapshot({ repository, from: 'harbor-9-x86_64-base', upstream: state(seed), pins });
}

function run(before: Snapshot | undefined, listed: readonly Pin[], o: Partial<SyncRepository> = {}) {
  if (!upstream) throw new Error('no upstream');
  const plan = planSync({
    set: 'harbor-9-x86_64',
    facts,
    now,
    repositories: [
      {
        upstream: { ...upstream, keep: 1 },
        repository,
        before,
        state: state('b'),
        listed,
        modules: new Map(),
        pinned: new Set(),
        children: [],
        seen: new Map(),
        withdrawnSince: new Map(),
        refused: new Map(),
        compared: new Map(),
        rerolled: undefined,
        older: undefined,
        notes: [],
        ...o,
      },
    ],
  });
  const [r] = plan.repositories;
  if (!r) throw new Error('no repository');
  return {
    ...r,
    texts: r.after.pins.map((p) => `${formatNevra(p.nevra)}${p.withdrawn ? ' withdrawn' : ''}`),
  };
}

function since(nevra: string, day: string): ReadonlyMap<string, Stay> {
  return new Map([[formatChecksum(pin(nevra).checksum), { began: new Date(day), exact: true }]]);
}

describe('live', () => {
  it('takes everything that upstream lists, however many builds of a name', () => {
    expect(run(undefined, [pin('a-1-1.x'), pin('a-2-1.x'), pin('b-1-1.x')]).texts).toEqual([
      'a-1-1.x',
      'a-2-1.x',
      'b-1-1.x',
    ]);
  });

  it('drops what upstream superseded, beyond keep, and says so', () => {
    const r = run(live([pin('a-1-1.x'), pin('a-2-1.x')]), [pin('a-3-1.x')]);
    expect(r.texts).toEqual(['a-3-1.x']);
    expect(r.changes.map((c) => c.kind)).toEqual(['update', 'drop', 'drop']);
  });

  it('never drops what a tier pins', () => {
    const pinned = new Set([formatChecksum(pin('a-1-1.x').checksum)]);
    expect(run(live([pin('a-1-1.x'), pin('a-2-1.x')]), [pin('a-3-1.x')], { pinned }).texts).toEqual([
      'a-1-1.x',
      'a-3-1.x',
    ]);
  });

  it('keeps what a child still waits for, so that a package that is rebuilt every day moves', () => {
    const groups = groupPins([pin('a-1-1.x')], facts);
    const children = [{ name: 'infra/unstable', wait: { seen: 2 * 86_400_000, inParent: 0 }, groups }];
    const seen = new Map([...since('a-2-1.x', '2026-03-09'), ...since('a-1-1.x', '2026-01-01')]);
    const r = run(live([pin('a-1-1.x'), pin('a-2-1.x')]), [pin('a-3-1.x')], { children, seen });
    expect(r.texts).toEqual(['a-1-1.x', 'a-2-1.x', 'a-3-1.x']);
  });

  it('marks as withdrawn what upstream took back: a downgrade', () => {
    const r = run(live([pin('a-1-1.x'), pin('a-2-1.x')]), [pin('a-1-1.x')]);
    expect(r.texts).toEqual(['a-1-1.x', 'a-2-1.x withdrawn']);
    expect(r.attention.map((a) => formatNevra(a.build.nevra))).toEqual(['a-2-1.x']);
  });

  it('marks as withdrawn a name that is gone, and forgets it after `forget`', () => {
    const gone = run(live([pin('a-1-1.x'), pin('b-1-1.x')]), [pin('b-1-1.x')]);
    expect(gone.texts).toEqual(['a-1-1.x withdrawn', 'b-1-1.x']);
    const withdrawnSince = since('a-1-1.x', '2025-12-01');
    const later = run(gone.after, [pin('b-1-1.x')], { withdrawnSince });
    expect(later.texts).toEqual(['b-1-1.x']);
    const young = run(gone.after, [pin('b-1-1.x')], { withdrawnSince: since('a-1-1.x', '2026-03-01') });
    expect(young.texts).toEqual(['a-1-1.x withdrawn', 'b-1-1.x']);
  });

  it('lifts the mark when upstream lists the build again', () => {
    const r = run(live([pin('a-1-1.x', { withdrawn: true })]), [pin('a-1-1.x')]);
    expect(r.texts).toEqual(['a-1-1.x']);
    expect(r.changes.map((c) => c.kind)).toEqual(['relisted']);
  });

  it('stops at the same NEVRA with other bytes, names it, and says how to go on', () => {
    const stop = () => run(live([pin('a-1-1.x')]), [pin('a-1-1.x', { salt: 'other' })]);
    expect(stop).toThrow(Fault);
    try {
      stop();
    } catch (error) {
      expect(error).toMatchObject({ code: 'UPSTREAM_REROLLED' });
      expect((error as Fault).hint).toContain('sluice accept harbor-9-x86_64-base --rerolled a-1-1.x');
    }
  });

  it('takes a re-rolled build that was accepted by name, and remembers both checksums', () => {
    const rerolled = { nevras: new Set(['a-1-1.x']), reason: 'the vendor re-signed it' };
    const r = run(live([pin('a-1-1.x')]), [pin('a-1-1.x', { salt: 'other' })], { rerolled });
    expect(r.changes.map((c) => c.kind)).toEqual(['rerolled']);
    expect(r.after.accepted).toEqual([
      {
        nevra: 'a-1-1.x',
        was: pin('a-1-1.x').checksum,
        now: pin('a-1-1.x', { salt: 'other' }).checksum,
        reason: 'the vendor re-signed it',
      },
    ]);
  });

  it('accepting one build accepts no other', () => {
    const rerolled = { nevras: new Set(['a-1-1.x']), reason: 'one' };
    const listed = [pin('a-1-1.x', { salt: 'o' }), pin('b-1-1.x', { salt: 'o' })];
    expect(() => run(live([pin('a-1-1.x'), pin('b-1-1.x')]), listed, { rerolled })).toThrow('b-1-1.x');
  });

  it('changes nothing when only the spelling of repomd.xml changed', () => {
    const before = live([pin('a-1-1.x')], 'b');
    const r = run(before, [pin('a-1-1.x')]);
    expect(r.after).toBe(before);
  });

  it('renews the accepted state when a document changed, though no pin did', () => {
    const r = run(live([pin('a-1-1.x')], 'a'), [pin('a-1-1.x')]);
    expect(r.changes).toEqual([]);
    expect(r.after.upstream).toEqual(state('b'));
    expect(r.notes).toEqual(['changed document: primary']);
  });

  it('keeps the record that was reviewed, even where upstream writes its metadata anew', () => {
    const fresh = { ...pin('a-1-1.x'), record: '0123456789ab' };
    expect(run(live([pin('a-1-1.x')]), [fresh]).after.pins[0]?.record).toBe(pin('a-1-1.x').record);
  });
});

import { describe, expect, it } from 'vitest';
import {
  clientSetKey,
  formatRepositoryId,
  lockPath,
  parseRepositoryId,
  parseSnapshotPath,
  parseUpstreamId,
  snapshotPath,
  upstreamId,
} from '../../src/manifest/ids.ts';
import { faultOf } from './samples.ts';

describe('repository ids', () => {
  it.each([
    ['infra-unstable-centos-6-x86_64-updates', 'centos-6-x86_64-updates', 'centos-6-x86_64'],
    ['vendor-live-rocky-9-x86_64-appstream', 'rocky-9-x86_64-appstream', 'rocky-9-x86_64'],
    [
      'hpc-s1-oracle_linux-8.10-aarch64-uek-r7-source',
      'oracle_linux-8.10-aarch64-uek-r7-source',
      'oracle_linux-8.10-aarch64',
    ],
  ])('%s has one reading', (id, upstream, set) => {
    const r = parseRepositoryId(id);
    expect(formatRepositoryId(r)).toBe(id);
    expect(upstreamId(r)).toBe(upstream);
    expect(upstreamId(parseUpstreamId(upstream))).toBe(upstream);
    expect(clientSetKey(r)).toBe(set);
    expect(parseSnapshotPath(snapshotPath(r))).toEqual(r);
    expect(parseSnapshotPath(lockPath(r))).toEqual(r);
  });

  it.each([
    '',
    'infra',
    'infra-unstable-centos-6-x86_64',
    'infra-unstable-centos-6-x86_64-',
    'infra--centos-6-x86_64-updates',
    'Infra-unstable-centos-6-x86_64-updates',
    'infra-unstable-centos-6-x86_64-../../etc',
    'infra-unstable-centos-6-x86_64-a/b',
    '.infra-unstable-centos-6-x86_64-updates',
    'infra-unstable-centos-6-x86_64-updates\n',
    `infra-unstable-centos-6-x86_64-${'a'.repeat(129)}`,
  ])('%j is refused', (id) => {
    expect(faultOf(() => parseRepositoryId(id, 'x:1:2'))).toMatch(
      /^MALFORMED x:1:2 .* is not a repository id of the form/,
    );
  });

  it.each([
    'snapshots/infra/stable/rocky-9-x86_64-appstream.yml',
    'snapshots/infra/stable/rocky-9-x86_64.yaml',
    'snapshots/infra/stable/x/rocky-9-x86_64-appstream.yaml',
    'snapshots/infra/../rocky-9-x86_64-appstream.yaml',
    'x/snapshots/infra/stable/rocky-9-x86_64-appstream.yaml',
    'snapshots/infra/stable/rocky-9-x86_64-appstream.yaml\n',
  ])('%j is no place of a snapshot', (path) => {
    expect(parseSnapshotPath(path)).toBeUndefined();
  });
});

import type { Pin } from '../../src/manifest/snapshot.ts';

/** Builds as a large repository has them: epochs, two arches, some names with two builds. */
export function manyPins(count: number): Pin[] {
  return Array.from({ length: count }, (_, i): Pin => {
    const evr = {
      epoch: i % 4 === 0 ? 1 : 0,
      version: `${i % 9}.${i % 100}.${i}`,
      release: `${i % 50}.el9_${i % 6}`,
    };
    const hex = (i * 2_654_435_761).toString(16).padStart(64, '0');
    return {
      nevra: { name: `package-${Math.floor(i / 1.1)}`, evr, arch: i % 3 === 0 ? 'noarch' : 'x86_64' },
      checksum: { type: 'sha256', hex },
      size: 1_000 + i,
      record: hex.slice(-12),
      withdrawn: false,
    };
  });
}

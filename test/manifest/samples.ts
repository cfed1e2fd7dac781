import fc from 'fast-check';
import type { Checksum } from '../../src/base/checksum.ts';
import { Fault } from '../../src/base/fault.ts';
import { parseRepositoryId, upstreamId } from '../../src/manifest/ids.ts';
import { makeSnapshot, type Pin, type Snapshot } from '../../src/manifest/snapshot.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';

export const LIVE = parseRepositoryId('vendor-live-rocky-9-x86_64-appstream');
export const STABLE = parseRepositoryId('infra-stable-rocky-9-x86_64-appstream');
export const LIVE_PATH = 'snapshots/vendor/live/rocky-9-x86_64-appstream.yaml';
export const STABLE_PATH = 'snapshots/infra/stable/rocky-9-x86_64-appstream.yaml';
export const PARENT = 'infra-unstable-rocky-9-x86_64-appstream';

/** A checksum of its own for every number. */
export function sum(n: number): Checksum {
  return { type: 'sha256', hex: n.toString(16).padStart(64, '0') };
}

/** A pin of a NEVRA, its bytes made up from `n`. */
export function pin(text: string, n = text.length, withdrawn = false): Pin {
  const record = n.toString(16).padStart(12, '0');
  return { nevra: parseNevra(text), checksum: sum(n), size: n + 1, record, withdrawn };
}

/** What `read` throws, as `code at message`; fails where it throws nothing, or something that is no Fault. */
export function faultOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof Fault) return said(error);
    throw error;
  }
  throw new Error('no fault');
}

export function said(fault: Fault): string {
  return `${fault.code} ${fault.at} ${fault.message}`;
}

const hex = (digits: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`));
const anyChecksum: fc.Arbitrary<Checksum> = fc.oneof(
  hex(64).map((h): Checksum => ({ type: 'sha256', hex: h })),
  hex(128).map((h): Checksum => ({ type: 'sha512', hex: h })),
  hex(40).map((h): Checksum => ({ type: 'sha1', hex: h })),
);
const part = fc.oneof(
  fc.constantFrom('2.10', '2.1', '007', '1e3', '0x1F', 'no', '1.0~rc1', '1.0^git1', '1_20', '~', 'null'),
  fc.stringMatching(/^[A-Za-z0-9._+~^]{1,8}$/),
);
const anyName = fc.oneof(
  fc.constantFrom(
    'openssl',
    'kernel-core',
    'libstdc++',
    '__proto__',
    'constructor',
    '7zip',
    'true',
    'y',
    '~x',
    '^',
  ),
  fc.stringMatching(/^[A-Za-z0-9_+~^][A-Za-z0-9._+~^-]{0,9}$/),
);
const anyNevra = fc.record({
  name: anyName,
  evr: fc.record({
    epoch: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
    version: part,
    release: part,
  }),
  arch: fc.constantFrom('x86_64', 'noarch', 'src', 'i686', 'aarch64'),
});
const anyPin: fc.Arbitrary<Pin> = fc.record({
  nevra: anyNevra,
  checksum: anyChecksum,
  size: fc.integer({ min: 1, max: 999_999_999_999_999 }),
  record: hex(12),
  withdrawn: fc.boolean(),
});
const anyReason = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    fc.string({ minLength: 1, maxLength: 60 }),
  )
  .map((text) => text.toWellFormed());
const anyTimestamp = fc.oneof(fc.nat(2_000_000_000), fc.constantFrom(1_258_128_361.02, 0));
const nsvca = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,6}(:[A-Za-z0-9._+~^-]{1,6}){4}$/);
const dictionary = (key: fc.Arbitrary<string>) =>
  fc.array(fc.tuple(key, anyChecksum), { maxLength: 4 }).map((e) => new Map(e));

/** Any snapshot of a tier or of live that can be made at all. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    live: fc.boolean(),
    pins: fc.uniqueArray(anyPin, { selector: (p) => formatNevra(p.nevra), maxLength: 25 }),
    modules: dictionary(nsvca),
    kickstart: fc.option(
      hex(64).map((digits) => ({ type: 'sha256', hex: digits }) as const),
      { nil: undefined },
    ),
    timestamp: anyTimestamp,
    repomd: anyChecksum,
    documents: dictionary(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,9}$/)),
    accepted: fc.uniqueArray(
      fc.record({ nevra: anyNevra.map(formatNevra), was: anyChecksum, now: anyChecksum, reason: anyReason }),
      { selector: (a) => a.nevra, maxLength: 3 },
    ),
    older: fc.option(fc.record({ reason: anyReason, timestamp: anyTimestamp }), { nil: undefined }),
  })
  .map(({ live, pins, modules, kickstart, timestamp, repomd, documents, accepted, older }) =>
    live
      ? makeSnapshot({
          repository: LIVE,
          from: upstreamId(LIVE),
          pins,
          modules,
          ...(kickstart ? { kickstart } : {}),
          upstream: { timestamp, repomd, documents },
          accepted,
          ...(older ? { older } : {}),
        })
      : makeSnapshot({
          repository: STABLE,
          from: PARENT,
          pins,
          modules,
          ...(kickstart ? { kickstart } : {}),
        }),
  );
